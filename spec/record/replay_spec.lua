--- A recording served again: the same commands give the same output, with stand-ins for names.
local decoys = require "spec.support.decoys"
local gpupt = require "gpupt"
local json = require "gpupt.json"
local replayed = require "spec.support.replayed"
local vcenter = require "spec.support.vcenter"

-- Compares two values of the same shape; texts may differ if each text of one is always the same text of the other.
local function pairs_of(a, b, path, seen)
  seen = seen or { there = {}, back = {} }
  assert(type(a) == type(b), path .. " is a " .. type(a) .. " and a " .. type(b))
  if type(a) == "table" then
    for key, value in pairs(a) do
      assert(b[key] ~= nil, ("%s.%s is missing"):format(path, key))
      pairs_of(value, b[key], path .. "." .. key, seen)
    end
    for key in pairs(b) do assert(a[key] ~= nil, ("%s.%s is new"):format(path, key)) end
  elseif type(a) == "string" then
    local before, other = seen.there[a] or b, seen.back[b] or a
    assert(before == b and other == a, ("%s: '%s' is '%s' here and '%s' there; '%s'"):format(path, a, b, before, other))
    seen.there[a], seen.back[b] = b, a
  else
    assert(a == b, ("%s: %s and %s"):format(path, tostring(a), tostring(b)))
  end
  return seen.there
end

describe("a recording that is served again", function()
  local l, folder, server
  setup(function()
    l = decoys.start()
    folder = vcenter.shell("mktemp -d -t gpupt-replayed.XXXXXX"):match "%S+"
  end)
  after_each(function()
    if server then server.stop() end
    server = nil
  end)
  teardown(function()
    l:stop()
    os.execute("rm -rf " .. folder)
  end)

  -- Runs a command against the test vCenter while it is recorded, and the command of the README against the recording.
  local function twice(name, words)
    local first = l:command(words, { env = { GPUPT_RECORD = folder .. "/" .. name } })
    local line = vcenter.read(folder .. "/" .. name .. "/README.txt"):match "names: gpupt ([^\n]+)"
    server = replayed.start(folder .. "/" .. name)
    local again = {}
    for word in line:gmatch "%S+" do again[#again + 1] = word end
    local second = l:command(again, { env = server.environment })
    assert.equal("", server.refused())
    assert.equal(first.status, second.status, second.err)
    return first, second
  end

  it("gives the same gpus", function()
    local first, second = twice("gpus", { "gpus", "--json" })
    local names = pairs_of(assert(json.decode(first.out)), assert(json.decode(second.out)), "gpus")
    assert.matches("^vm_%d+$", names["acme-train-01"])
    assert.matches("^host_%d+$", names["on"])
    assert.equal("0000:3b:00.0", names["0000:3b:00.0"])
    assert.equal("GA100 [A100 PCIe 80GB]", names["GA100 [A100 PCIe 80GB]"])
    assert.equal(2, #json.decode(second.out).cards[1].owners + #json.decode(second.out).cards - 2)
  end)

  it("gives the same findings of the doctor, with the VM's log", function()
    l.vc:wait(gpupt.check(l.train:PowerOnVM_Task {}))
    local first, second = twice("doctor", { "doctor", "/Acme DC/vm/acme-train-01", "--json" })
    first, second = assert(json.decode(first.out)), assert(json.decode(second.out))
    assert.equal("mmio-window", first.findings[1].code)
    local function told(result)
      local list = {}
      for i, one in ipairs(result.findings) do
        list[i] = { code = one.code, severity = one.severity, changes = one.changes, remedy = one.remedy, cause = one.cause }
      end
      return list
    end
    assert.same(told(first), told(second))
  end)

  it("gives the same plan", function()
    local text = [[
      local a100 = p.gpus { match = "10de:20b5" }
      return p.playbook { name = "play",
        p.hosts { where = "%s", devices = a100, roll = { unavailable = "1/cluster", back_within = "45m" }, p.host.enable {} },
        p.vms { name = "%s", login = p.login("ops", p.secret.env "HOME"),
          place = { cluster = "%s", datastore = "%s", network = "%s" },
          p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "16 GiB", disk = "20 GiB" },
          p.os.install { iso = "%s", answer = "%s" },
          p.tools.ensure {}, p.gpu.attach { devices = a100, count = 1 }, p.guest.verify {} } }
    ]]
    local names = { "/Acme DC/host/*", "acme-new-07", "ACME%2fgpu", "acme-vol 1", "VLAN Acme", "[acme-vol 1] iso/acme-ubuntu.iso",
      "[acme-vol 1] iso/acme-answer.iso" }
    local record = gpupt.check(gpupt.record.open(folder .. "/plan"))
    local vc = gpupt.check(gpupt.vim.connect(l.sim:options { record = record }))
    local first = gpupt.check(l:load(text:format(table.unpack(names))):plan(vc))
    vc:close()
    for i, name in ipairs(names) do names[i] = record:standin(name) end
    server = replayed.start(folder .. "/plan")
    vc = gpupt.check(server.connect())
    local second = gpupt.check(l:load(text:format(table.unpack(names))):plan(vc))
    vc:close()
    assert.equal("", server.refused())
    local function steps(plan)
      local list = {}
      for i, change in ipairs(plan:changes()) do list[i] = ("%s %s"):format(change.step, change.action) end
      return list
    end
    assert.is_true(#steps(first) >= 5)
    assert.same(steps(first), steps(second))
    assert.same(first:needs(), second:needs())
  end)

  it("refuses with a clear fault what was not recorded", function()
    server = replayed.start(folder .. "/gpus")
    local vc = gpupt.check(server.connect())
    local found, message, code = vc:call(vc.instance, "CurrentTime")
    vc:close()
    assert.is_nil(found)
    assert.equal("NotSupported", code)
    assert.matches("not in the recording: CurrentTime of ServiceInstance", message, 1, true)
    assert.matches("not in the recording: CurrentTime", server.refused(), 1, true)
  end)
end)
