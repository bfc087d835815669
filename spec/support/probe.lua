--- A playbook for specs that notes what a secret gave it: one host, one step of its own, no reboot.
--   local probe = require "spec.support.probe".start()    probe.dir, probe.l (a lab)
--   probe:write(prelude, o)   a playbook; `prelude` defines the local `secret` (a p.secret); its path
--   probe:got()               the text that the step read, or nil when it did not run
--   probe:fail(true)          the step fails after that, so that the run can be resumed
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local probe = {}
probe.__index = probe

local STEP = [[
local folder = %q
local function there(name)
  local file = io.open(folder .. "/" .. name)
  if file then file:close() end
  return file ~= nil
end
local function note(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
end
note("loaded", "")
local step = p.step { name = "probe.note", scope = "hosts",
  observe = function() return {} end,
  plan = function() return there "done" and {} or { { what = "note the secret" } } end,
  apply = function(ctx, target)
    ctx:row(target, "change", "note the secret", {})
    note("got", assert(secret:read()))
    if there "fail" then return nil, "not yet", "EIO" end
    note("done", "")
    return true
  end,
  prove = function() return "noted" end }
return p.playbook { name = "probe", p.hosts { where = "/DC0/host/*", step {} } }
]]

function probe.start(o)
  o = o or {}
  o.fleet = o.fleet or { clusters = { { name = "c", hosts = { { name = "h1" } } } } }
  local self = setmetatable({ l = lab.start(o) }, probe)
  self.dir = self.l.dir
  return self
end

function probe:stop() self.l:stop() end

function probe:write(prelude) return self.l:write(prelude .. STEP:format(self.dir)) end

function probe:got() return vcenter.read(self.dir .. "/got") end
function probe:loaded() return vcenter.read(self.dir .. "/loaded") ~= nil end

--- Forgets what earlier runs left.
function probe:clear()
  for _, name in ipairs { "got", "done", "fail", "loaded" } do os.remove(self.dir .. "/" .. name) end
end

function probe:fail(yes)
  if yes then vcenter.write(self.dir .. "/fail", "") else os.remove(self.dir .. "/fail") end
end

--- A file of these lines with this mode; its path.
function probe:file(name, text, mode)
  local path = self.dir .. "/" .. name
  os.remove(path)
  vcenter.write(path, text)
  assert(os.execute(("chmod %s '%s'"):format(mode or "600", path)))
  return path
end

--- The mode of a file, as "600".
function probe.mode(path) return (vcenter.shell(("stat -c %%a '%s'"):format(path)):match "%d+") end

return probe
