--- A command that is killed (SIGKILL) as soon as its journal has so many changes.
--   local k = killed.after(l, { "apply", path, "--allow", "reboot" }, journal, 7)     l: spec.support.lab
--   k.id  the run   k.change  the newest change's row   k.changes  how many   nil: the command ended before
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local killed = {}

local function changes_of(journal)
  if not vcenter.read(journal) then return end
  local book = store.open(journal)
  if not book then return end
  local id, list = nil, {}
  for run in book:runs() do id = run.id end
  if id then
    for row in book:rows(id) do if row.kind == "change" then list[#list + 1] = row end end
  end
  book:close()
  return id, list
end

--- The run of this journal and its changes.
killed.changes = changes_of

local function alive(pid) return os.execute("kill -0 " .. pid .. " 2>/dev/null") end

function killed.after(l, words, journal, count, env)
  local ready, lines = l.sim.ready, {}
  local environment = { GOVC_URL = ready.url, GOVC_USERNAME = ready.username, GOVC_PASSWORD = ready.password,
    GOVC_TLS_CA_CERTS = ready.ca_file, XDG_STATE_HOME = l.dir .. "/state" }
  for name, value in pairs(env or {}) do environment[name] = value end
  for name, value in pairs(environment) do lines[#lines + 1] = ("export %s='%s'\n"):format(name, value) end
  vcenter.write(l.dir .. "/environment", table.concat(lines))
  vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt %s --journal %s\n"):format(l.dir,
    table.concat(words, " "), journal))
  local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
  while alive(pid) do
    local _, written = changes_of(journal)
    if written and #written >= count then
      os.execute("kill -9 " .. pid)
      while alive(pid) do vcenter.sleep(0.01) end
      local id, list = changes_of(journal)
      return { id = id, change = list[#list], changes = #list }
    end
    vcenter.sleep(0.01)
  end
  return nil, vcenter.read(l.dir .. "/err")
end

return killed
