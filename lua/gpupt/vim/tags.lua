--- Tags of vCenter, which are not in vim25 but in its REST interface (gpupt.vim.automation): read only.
--
--   tags.of(client, "rack", refs)  ->  { [ref] = { "r1" } }, the names of the tags of this category on each object
--
-- Source: vSphere Automation API reference, Cis Tagging.
local automation = require "gpupt.vim.automation"
local failure = require "gpupt.failure"
local json = require "gpupt.json"

local tags = {}

-- The two forms: the path, and what is before an id and an action in it.
local old = { tagging = "/rest/com/vmware/cis/tagging/", id = "id:", action = "~action" }
local new = { tagging = "/api/cis/tagging/", id = "", action = "action" }

-- A list of texts, or raises.
local function texts(value, what)
  local list = {}
  for i, one in ipairs(type(value) == "table" and value or {}) do
    failure.check(type(one) == "string" or nil, what .. " is not a list of ids", "EPROTOCOL")
    list[i] = one
  end
  return list
end

local function get(self, path) return failure.check(self.session:request("GET", self.form.tagging .. path, {})) end

local function one_of(self, kind, id)
  local word = id:gsub("[^%w%-._~:]", function(c) return ("%%%02X"):format(c:byte()) end)
  local one = get(self, ("%s/%s%s"):format(kind, self.form.id, word))
  return type(one) == "table" and one or {}
end

-- The id of the category of this name. Raises.
local function category_of(self, name)
  local names = {}
  for _, id in ipairs(texts(get(self, "category"), "the answer about categories")) do
    local one = one_of(self, "category", id)
    if one.name == name then return id end
    names[#names + 1] = tostring(one.name)
  end
  table.sort(names)
  failure.check(nil, ("vCenter has no tag category '%s' that the account may read (it has %s)"):format(name,
    #names > 0 and table.concat(names, ", ") or "none"), "ENOENT")
end

-- What is attached to the objects: { { ref, tag ids } }. Raises.
local function attached(self, refs)
  local by_key, objects, list = {}, {}, {}
  for i, ref in ipairs(refs) do
    objects[i] = { type = ref.type, id = ref.value }
    by_key[ref.type .. ":" .. ref.value] = ref
  end
  local path = ("%stag-association?%s=list-attached-tags-on-objects"):format(self.form.tagging, self.form.action)
  local answer = failure.check(self.session:request("POST", path, { body = { object_ids = json.array(objects) } }))
  for _, one in ipairs(type(answer) == "table" and answer or {}) do
    local object = type(one) == "table" and one.object_id
    local ref = type(object) == "table" and by_key[("%s:%s"):format(object.type, object.id)]
    if ref then list[#list + 1] = { ref, texts(one.tag_ids, "the answer about attached tags") } end
  end
  return list
end

local function read(self, category, refs)
  local wanted, known, result = category_of(self, category), {}, {}
  for _, one in ipairs(attached(self, refs)) do
    local ref, ids = table.unpack(one)
    for _, id in ipairs(ids) do
      known[id] = known[id] or one_of(self, "tag", id)
      if known[id].category_id == wanted and type(known[id].name) == "string" then
        result[ref] = result[ref] or {}
        table.insert(result[ref], known[id].name)
      end
    end
  end
  for _, list in pairs(result) do table.sort(list) end
  return result
end

--- The names of the tags of a category on each of these objects: { [ref] = names }; nil, message, code.
function tags.of(client, category, refs)
  if client.record then return nil, "tags are not read while a recording is made", "ENOTSUP" end
  local session, message, code = automation.open(client, "tags")
  if not session then return nil, message, code end
  local self = { session = session, form = session.new and new or old }
  local results = table.pack(failure.catch(read, self, category, refs))
  session:close()
  return table.unpack(results, 1, results.n)
end

return tags
