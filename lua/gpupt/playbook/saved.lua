--- Saved plans: what the plan rested on, written down, and compared before it is applied.
-- The file is JSON: the playbook with its hash and vars, the changes, and guards: for each host its boot time and the
-- states of its cards, for each VM its changeVersion. When a guard moved, the plan is refused and says which.
local hosts = require "gpupt.fleet.host"
local json = require "gpupt.json"

local saved = {}

local FORMAT = "gpupt plan 1"

local function host_guard(record)
  local words = { tostring(record.boot_time), record.maintenance and "maintenance" or "" }
  for _, card in ipairs(record.cards) do words[#words + 1] = card.address .. " " .. hosts.state(card) end
  return table.concat(words, "; ")
end

local function guards(plan)
  local list = {}
  for _, record in ipairs(plan.fleet.hosts) do list["host " .. record.name] = host_guard(record) end
  for _, target in ipairs(plan.vms) do
    list["vm " .. target.name] = target.vm and tostring(target.vm.change_version) or "does not exist"
  end
  return list
end

function saved.write(plan, path)
  local text, message, code = json.document { format = FORMAT, playbook = plan.playbook.path, hash = plan.playbook.hash,
    vars = plan.playbook.vars, limit = plan.limit, endpoint = plan.vc.host, guards = guards(plan),
    changes = json.array(plan:changes()), text = tostring(plan) }
  if not text then return nil, message, code end
  local file, problem, errno = io.open(path, "w")
  if not file then return nil, problem, errno == 2 and "ENOENT" or "EACCES" end
  local ok
  ok, problem = file:write(text)
  local closed, late = file:close()
  if not ok or not closed then return nil, ("%s: %s"):format(path, problem or late), "EIO" end
  return true
end

--- Reads a plan file and its playbook (by `load`); nil, message, code.
function saved.load(path, load)
  local file, problem = io.open(path, "rb")
  if not file then return nil, problem, "ENOENT" end
  local text = file:read "a" or ""
  file:close()
  local value, message, code = json.decode(text)
  if not value then return nil, ("%s: %s"):format(path, message), code end
  if type(value) ~= "table" or value.format ~= FORMAT or type(value.playbook) ~= "string"
    or type(value.guards) ~= "table" then
    return nil, path .. ": is no plan of gpupt", "EFORMAT"
  end
  local pb
  pb, message, code = load(value.playbook, value.vars)
  if not pb then return nil, message, code end
  if pb.hash ~= value.hash then
    return nil, ("%s changed since the plan was made: plan again"):format(value.playbook), "ESTALE"
  end
  pb.saved = value
  return pb
end

--- True when everything that the saved plan rested on is as it was; nil, message, "ESTALE".
function saved.compare(plan, value)
  local now, moved = guards(plan), {}
  for name, text in pairs(value.guards) do
    if now[name] ~= text then
      moved[#moved + 1] = ("%s: was %s, is %s"):format(name, text, now[name] or "not there")
    end
  end
  for name in pairs(now) do
    if value.guards[name] == nil then moved[#moved + 1] = name .. ": is new" end
  end
  if #moved == 0 then return true end
  table.sort(moved)
  local lines = { "the fleet moved since the plan was made: plan again" }
  for i, one in ipairs(moved) do lines[i + 1] = "  " .. one end
  return nil, require("gpupt.visible").lines(lines), "ESTALE"
end

return saved
