--- A request with a guest's password was wiped after use, but libcurl's copy of it was not: the bodies of the last guest
-- operations were in the process's memory until something else overwrote them, also after the client was closed.
local vcenter = require "spec.support.vcenter"

local LARGEST = 512 << 20 -- of a mapping that is read: a sanitizer's shadow is larger

-- How often a text is in the writable memory of a process; nil if it cannot be read here.
local function count(pid, text)
  local mem = io.open(("/proc/%s/mem"):format(pid), "rb")
  if not mem then return nil end
  local found = 0
  for line in assert(io.open(("/proc/%s/maps"):format(pid))):lines() do
    local first, last, rights = line:match "^(%x+)%-(%x+) (%S+)"
    first, last = tonumber(first, 16), tonumber(last, 16)
    if rights:find "^rw" and last - first <= LARGEST and mem:seek("set", first) then
      local _, times = (mem:read(last - first) or ""):gsub(text:gsub("%p", "%%%0"), "")
      found = found + times
    end
  end
  mem:close()
  return found
end

local CHILD = [[
local gpupt = require "gpupt"
local vc = gpupt.check(gpupt.vim.connect { url = %q, username = %q, password = { file = %q }, ca_file = %q })
local vm = gpupt.check(vc:one "/DC0/vm/**/lin")
gpupt.check(vc.guest:ready(vm, { timeout = 30 }))
local login = { username = "ops", password = { file = %q } }
gpupt.check(vc.guest:validate(vm, login))
gpupt.check(vc.guest:run(vm, login, { program = "/bin/echo", arguments = "hi" }))
if %q == "closed" then vc:close() end
collectgarbage()
local file = io.open(%q, "w")
file:write(io.open("/proc/self/stat"):read "n")
file:close()
io.read "l"
vc:close()
]]

describe("a password that was sent", function()
  local sim, pipe
  local guest_password = "gu3st-Secret-77"

  setup(function()
    sim = vcenter.start { speed = 400, fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024,
        disk_gb = 10, guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu", power = "poweredOn",
        username = "ops", password = guest_password } } } }
    vcenter.write(sim.dir .. "/vc", sim.ready.password)
    vcenter.write(sim.dir .. "/guest", guest_password)
  end)
  teardown(function() sim:stop() end)
  after_each(function()
    pipe:write "\n"
    pipe:close()
  end)

  for _, mode in ipairs { "open", "closed" } do
    it("is in no request in the memory of a process whose client is " .. mode, function()
      local ready, script = sim.dir .. "/pid-" .. mode, sim.dir .. "/child-" .. mode .. ".lua"
      vcenter.write(script, CHILD:format(sim.ready.url, sim.ready.username,
        sim.dir .. "/vc", sim.ready.ca_file, sim.dir .. "/guest", mode, ready))
      pipe = assert(io.popen("exec lua5.4 " .. script, "w"))
      local pid
      for _ = 1, 400 do
        pid = vcenter.read(ready)
        if pid and pid ~= "" then break end
        vcenter.sleep(0.05)
      end
      local control = count(pid, "/DC0/vm/**/lin")
      if not control then return pending "the memory of another process cannot be read here" end
      assert.is_true(control > 0)
      assert.equal(0, count(pid, "password>" .. guest_password))
      assert.equal(0, count(pid, "password>" .. sim.ready.password))
    end)
  end
end)
