--- The example fleet with answer media of this run: unique passwords, real ISO files.
--   local l = first_light.start{ speed = 200 }   a lab (spec.support.lab) with l.secrets and l.playbook
local answer = require "gpupt.guest.answer"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local first_light = {}

local function secret()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(12)
  file:close()
  return "Q9" .. bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

function first_light.start(o)
  local dir = vcenter.shell "mktemp -d -t gpupt-light.XXXXXX":match "%S+"
  local windows, linux = secret(), secret()
  local fleet = assert(json.decode(assert(vcenter.read "examples/fleets/first_light.json")))
  local function medium(name, files, label)
    vcenter.write(dir .. "/" .. name, assert(answer.iso(files, label)))
    fleet.datastores[1].files["iso/" .. name] = { source = dir .. "/" .. name }
  end
  medium("render-answer.iso", { ["autounattend.xml"] = assert(answer.windows { computer_name = "RENDER-01",
    password = windows, image = 2 }) }, "OEMDRV")
  medium("train-answer.iso", assert(answer.cloud_init { hostname = "train-01", user = "ops", password = linux }), "CIDATA")
  if o.change then o.change(fleet) end
  local l = lab.start { speed = o.speed or 200, fleet = fleet }
  l.media = dir
  l.secrets = { windows = windows, linux = linux, vcenter = l.sim.ready.password }
  l.playbook = "examples/first_light.lua"
  function l.run_command(_, words, more)
    local env = { WINDOWS_PASSWORD = windows, LINUX_PASSWORD = linux }
    for name, value in pairs(more and more.env or {}) do env[name] = value end
    return l:command(words, { env = env, before = more and more.before })
  end
  local stop = l.stop
  function l.stop(self)
    stop(self)
    os.execute("rm -rf " .. dir)
  end
  return l
end

return first_light
