--- A command that is killed (SIGKILL) as soon as it has written so many changes into its journal.
--   local k = killed.after(l, { "apply", path, "--allow", "reboot" }, journal, 7)     l: spec.support.lab
--   k.id  the run   k.change  the newest change's row   k.changes  how many   nil: the command ended before
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local killed = {}

-- The changes of all runs after this row, the newest last; and the newest row of the journal.
local function changes_of(journal, after)
  if not vcenter.read(journal) then return {}, 0 end
  local book = store.open(journal)
  if not book then return {}, 0 end
  local list, last = {}, after or 0
  for run in book:runs() do
    for row in book:rows(run.id, after or 0) do
      if row.kind == "change" then list[#list + 1] = row end
      last = math.max(last, row.number)
    end
  end
  book:close()
  table.sort(list, function(a, b) return a.number < b.number end)
  return list, last
end

--- The run of the newest change of this journal, and all changes.
function killed.changes(journal)
  local list = changes_of(journal)
  return list[#list] and list[#list].run, list
end

local function alive(pid) return os.execute("kill -0 " .. pid .. " 2>/dev/null") end

function killed.after(l, words, journal, count, env)
  local ready, lines = l.sim.ready, {}
  local _, before = changes_of(journal)
  local environment = { GOVC_URL = ready.url, GOVC_USERNAME = ready.username, GOVC_PASSWORD = ready.password,
    GOVC_TLS_CA_CERTS = ready.ca_file, XDG_STATE_HOME = l.dir .. "/state" }
  for name, value in pairs(env or {}) do environment[name] = value end
  for name, value in pairs(environment) do lines[#lines + 1] = ("export %s='%s'\n"):format(name, value) end
  vcenter.write(l.dir .. "/environment", table.concat(lines))
  vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt %s --journal %s\n"):format(l.dir,
    table.concat(words, " "), journal))
  local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
  while alive(pid) do
    if #changes_of(journal, before) >= count then
      os.execute("kill -9 " .. pid)
      while alive(pid) do vcenter.sleep(0.01) end
      local list = changes_of(journal, before)
      return { id = list[#list].run, change = list[#list], changes = #list }
    end
    vcenter.sleep(0.01)
  end
  return nil, vcenter.read(l.dir .. "/err")
end

return killed
