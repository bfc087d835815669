--- A chain of new VMs from bare to proven: vm.create, os.install with an answer medium that the run writes, tools.ensure,
-- gpu.attach, driver.install, guest.verify; and what it costs this process. For the bench and the spec that holds its
-- counts.
--   chain.run { family = "linux", count = 20 } ->
--     { planned, applied = counts (spec.support.requests), result, waits (WaitForUpdatesEx at once),
--       cpu = { plan =, apply =, hash =, iso = seconds of CPU } }        hash and iso are parts of apply
local answer = require "gpupt.guest.answer"
local crypt = require "gpupt.guest.crypt"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"
local vcenter = require "spec.support.vcenter"

local chain = {}

local SECRET = "p.secret.callback(function() return 'Train-1-pass' end)"

local text = {
  linux = [[
local secret = %s
return p.playbook { name = "chain",
  p.vms { name = "linux-{n:03}", count = %d, login = p.login("ops", secret),
    place = { cluster = "c-01", datastore = "ds-1", network = "VM Network" },
    p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = p.answer.cloud_init { user = "ops", password = secret } },
    p.tools.ensure {},
    p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, count = 1 },
    p.driver.install { package = "nvidia-driver-550-server" },
    p.guest.verify { driver = true } } }]],
  windows = [[
local secret = %s
return p.playbook { name = "chain",
  p.vms { name = "windows-{n:03}", count = %d, login = p.login("Administrator", secret),
    place = { cluster = "c-01", datastore = "ds-1", network = "VM Network" },
    p.vm.create { guest = "windows2022srvNext_64Guest", cpus = 8, memory = "16 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/windows-2022.iso", answer = p.answer.windows { password = secret, image = 2 } },
    p.tools.ensure {},
    p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, count = 1 },
    p.driver.install { from = "%s" },
    p.guest.verify { driver = true } } }]],
}

-- The CPU of this process inside a function of a table while `work` runs: os.clock counts all its threads and nothing
-- of its children.
local function inside(places, work)
  local old = {}
  for i, place in ipairs(places) do
    local fn = place.of[place.name]
    old[i] = fn
    place.seconds = 0
    place.of[place.name] = function(...)
      local from = os.clock()
      local results = table.pack(fn(...))
      place.seconds = place.seconds + os.clock() - from
      return table.unpack(results, 1, results.n)
    end
  end
  local from = os.clock()
  local ok, message = pcall(work)
  local spent = os.clock() - from
  for i, place in ipairs(places) do place.of[place.name] = old[i] end
  assert(ok, message)
  return spent
end

function chain.run(o)
  local site = lab.start { speed = o.speed or 300, fleet = requests.fleet((o.count + 3) // 4, { enabled = true }),
    patience = 60 }
  local installer = site.dir .. "/550.90-desktop.exe"
  vcenter.write(installer, "NVIDIA Display Driver 550.90\n")
  local said = { cpu = {} }
  local ok, message = pcall(function()
    local pb = site:load(text[o.family]:format(SECRET, o.count, installer))
    local vc <close> = gpupt.check(gpupt.vim.connect(site.sim:options()))
    local journal = site:journal()
    local plan
    said.planned = requests.during(site.sim, function()
      said.cpu.plan = inside({}, function() plan = gpupt.check(pb:plan(vc)) end)
    end)
    local hash = { of = crypt, name = "sha512" }
    local iso = { of = answer, name = "iso" }
    said.applied = requests.during(site.sim, function()
      if o.profile then o.profile(true) end
      said.cpu.apply = inside({ hash, iso }, function()
        said.result = gpupt.check(plan:apply { journal = journal, allow = { "guest-shutdown" } }):result()
      end)
      if o.profile then o.profile(false) end
    end)
    said.cpu.hash, said.cpu.iso = hash.seconds, iso.seconds
    said.waits = site.sim:get "sessions".peak_waiting
  end)
  site:stop()
  assert(ok, message)
  return said
end

return chain
