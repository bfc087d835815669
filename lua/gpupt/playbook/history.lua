--- What a run did: its changes by target, in the order of their rows, with what became of each. A target is
-- { name =, identity = } (gpupt.playbook.identity); changes of rows without an identity are of all targets of the name.
local history = {}

local History = {}
History.__index = History

function history.new() return setmetatable({ lists = {}, order = {}, by_number = {} }, History) end

--- Adds a change: { step, action, object, what, source, detail, number, operation }. `item`: instead of the number
-- of its row, until that is written (gpupt.playbook.rows.soon).
function History:add(name, identity, entry, item)
  local key = identity or "\0" .. name
  local list = self.lists[key]
  if not list then
    list = { name = name, identity = identity, changes = {} }
    self.lists[key] = list
    self.order[#self.order + 1] = list
  end
  list.changes[#list.changes + 1] = entry
  if item then entry.number = math.huge end -- the newest
  local known_as = item or entry.number
  if known_as then self.by_number[known_as] = { entry = entry, list = list.changes } end
end

--- The row of this item was written and has this number; nil: it could not be written, so there was no such change.
function History:written(item, number)
  local found = self.by_number[item]
  if not found then return end
  if not number then return self:forget(item) end
  found.entry.number, self.by_number[number] = number, found
end

--- Adds a change of another run of the same journal, by the order of the rows.
function History:inherit(target, entry)
  local number = entry.number
  local kept = self.by_number[number]
  self:add(target.name, target.identity, entry)
  self.by_number[number] = kept
  table.sort(self.lists[target.identity or "\0" .. target.name].changes, function(a, b) return a.number < b.number end)
end

--- The change of a row's number, or nil.
function History:entry(number)
  local found = number and self.by_number[number]
  return found and found.entry
end

--- Takes a change out: the server refused it with a fault, so it was not made.
function History:forget(number)
  local found = number and self.by_number[number]
  if not found then return end
  for i, entry in ipairs(found.list) do
    if entry == found.entry then
      table.remove(found.list, i)
      break
    end
  end
  self.by_number[number] = nil
end

--- The changes of a target, oldest first.
function History:of(target)
  local own, nameless = self.lists[target.identity or ""], self.lists["\0" .. target.name]
  if not nameless then return own and own.changes or {} end
  if not own then return nameless.changes end
  local list = table.move(own.changes, 1, #own.changes, 1, {})
  table.move(nameless.changes, 1, #nameless.changes, #list + 1, list)
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

-- The one target of a name that has an identity; nil if there are several, or none.
local function only_one(self, name)
  local found
  for _, list in ipairs(self.order) do
    if list.name == name and list.identity then
      if found then return nil end
      found = list
    end
  end
  return found
end

--- All targets: { { name =, identity =, changes = } }. A run that an earlier release began and this one resumed has
-- rows of both kinds about a target.
function History:all()
  local result = {}
  for _, list in ipairs(self.order) do
    local same = not list.identity and only_one(self, list.name)
    local old = list.identity and self.lists["\0" .. list.name]
    if old and only_one(self, list.name) then
      result[#result + 1] = { name = list.name, identity = list.identity, changes = self:of(list) }
    elseif not same then
      result[#result + 1] = list
    end
  end
  return result
end

return history
