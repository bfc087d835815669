--- The BIOS settings of one server, as its BMC has them: in force, pending, and what may be set.
--
--   bios.read(client, { uuid = }) -> { vendor, model, maker, system = path, path, settings = path, flat,
--     current = { attribute = value }, pending = { attribute = value }, registry | registry_missing = why,
--     apply_times = { OnReset = true }, etag, messages = { texts of the last attempt } }
--
-- The pending settings are the resource that @Redfish.Settings.SettingsObject names (DSP0266, "Settings resource").
-- Some list all attributes there (HPE, Lenovo), some only changes (Dell, Supermicro): bios.changes compares.
local answer = require "gpupt.redfish.answer"
local registry = require "gpupt.redfish.registry"

local bios = {}

local vendors = { { "Dell", "dell" }, { "HPE", "hpe" }, { "HPE", "hewlett" }, { "HPE", "^hp$" }, { "Lenovo", "lenovo" },
  { "Supermicro", "supermicro" }, { "Cisco", "cisco" }, { "Intel", "intel" }, { "AMI", "^ami$" },
  { "AMI", "american megatrends" }, { "GIGABYTE", "giga" }, { "ASRock Rack", "asrock" } }

--- The vendor's name as gpupt.facts.bios_settings has it, or nil: by what the system, the service root and its Oem say.
function bios.vendor(root, system)
  local words = { system.Manufacturer, root.Vendor }
  for name in pairs(type(root.Oem) == "table" and root.Oem or {}) do words[#words + 1] = name end
  for i = 1, 12 do
    local word = words[i]
    for _, one in ipairs(type(word) == "string" and vendors or {}) do
      if word:lower():find(one[2]) then return one[1] end
    end
  end
end

-- The two orders in which the first three fields of a UUID are written (SMBIOS specification, 7.2.1).
local function forms(uuid)
  local text = tostring(uuid or ""):lower():gsub("[^%x]", "")
  -- a board without a UUID shows all bits alike
  if #text ~= 32 or text:find "^0+$" or text:find "^f+$" then return nil end
  local function turned(s) return (s:gsub("(%x%x)", "%1 "):reverse():gsub(" ?(%x)(%x)", "%2%1")) end
  return text, turned(text:sub(1, 8)) .. turned(text:sub(9, 12)) .. turned(text:sub(13, 16)) .. text:sub(17)
end

--- Whether two texts are the same UUID, in whichever order; nil if one of them is none.
function bios.same_uuid(a, b)
  local one, turned = forms(a)
  local other = forms(b)
  if not one or not other then return nil end
  return one == other or turned == other
end

local MEMBERS = 64

-- The system of the BMC: the only one, or the one with the host's UUID. A BMC of another server is refused.
local function find_system(client, o)
  local path, message, code = client:link(client.root, "Systems", "the service root")
  if not path then return nil, message, code end
  local list
  list, message, code = client:members(path)
  if not list then return nil, message, code end
  local members = list
  if #members == 0 then return nil, client.base .. ": the BMC lists no system", "ENOTSUP" end
  local other
  for i = 1, math.min(#members, MEMBERS) do
    local own = type(members[i]) == "table" and members[i]["@odata.id"]
    path, message, code = client:path_of(own, path)
    if not path then return nil, message, code end
    local system
    system, message, code = client:get(path)
    if not system then return nil, message, code end
    local same = o.uuid and bios.same_uuid(system.UUID, o.uuid)
    if same or (same == nil and #members == 1) then return system, path end
    other = other or system
  end
  if #members > 1 and not o.uuid then
    return nil, ("%s: the BMC manages %d systems, and it is not known which is meant"):format(client.base, #members),
      "EINVAL"
  end
  return nil, ("%s is the BMC of another server (UUID %s%s), not of this host (%s): correct bmc"):format(client.base,
    tostring(other.UUID), type(other.SerialNumber) == "string" and ", serial number " .. other.SerialNumber or "",
    o.uuid), "EREFUSED"
end

local function plain_values(object)
  local list = {}
  for name, value in pairs(object) do
    local kind = type(value)
    if type(name) == "string" and not name:find "[@#]" and (kind == "string" or kind == "number" or kind == "boolean")
    then
      list[name] = value
    end
  end
  return list
end

-- iLO 4 has the attributes in the resource itself.
local own_fields = { Id = true, Name = true, Description = true, AttributeRegistry = true, Type = true, Modified = true,
  SettingsObject = true }

local function attributes_of(object)
  if type(object.Attributes) == "table" then return plain_values(object.Attributes), false end
  local list = plain_values(object)
  for name in pairs(own_fields) do list[name] = nil end
  return list, true
end

--- Reads the pending settings again: true; nil, message, code.
function bios.read_pending(client, self)
  if not self.settings then
    self.pending = {}
    return true
  end
  local object, info, code = client:get(self.settings)
  if not object then return nil, info, code end
  self.pending = attributes_of(object)
  self.etag = info.headers.etag or type(object["@odata.etag"]) == "string" and object["@odata.etag"] or nil
  self.pending_object = object
  return true
end

--- Reads what is in force again: true; nil, message, code.
function bios.read_current(client, self)
  local object, message, code = client:get(self.path)
  if not object then return nil, message, code end
  self.current, self.flat = attributes_of(object)
  if next(self.current) == nil then
    return nil, ("%s: %s shows no attributes. A server may have to be switched on once for that"):format(client.base,
      self.path), "ENOTSUP"
  end
  local shown = type(object["@Redfish.Settings"]) == "table" and object["@Redfish.Settings"] or {}
  self.messages = answer.messages(shown)
  self.apply_times = {}
  for _, word in ipairs(type(shown.SupportedApplyTimes) == "table" and shown.SupportedApplyTimes or {}) do
    self.apply_times[tostring(word)] = true
  end
  self.settings = nil
  local place = type(shown.SettingsObject) == "table" and shown.SettingsObject["@odata.id"]
  if place then
    self.settings, message, code = client:path_of(place, self.path)
    if not self.settings then return nil, message, code end
  end
  self.registry_name = type(object.AttributeRegistry) == "string" and object.AttributeRegistry or nil
  return true
end

-- The registry, from those that were read before if there: servers of one model and BIOS version have the same.
local function read_registry(client, self, known)
  if not self.registry_name then return nil, "the BIOS names no attribute registry" end
  local key = self.version and self.model and table.concat({ self.registry_name, self.model, self.version }, "\0")
  local found, message = key and known[key] or nil, nil
  if not found then found, message = registry.read(client, self.registry_name) end
  if key then known[key] = found end
  return found, message
end

--- Reads everything: see above. o.uuid: that of the host; o.registries: a table that keeps the registries for further
-- servers. nil, message, code: ENOTSUP if the BMC shows no BIOS settings.
function bios.read(client, o)
  o = o or {}
  local system, path, code = find_system(client, o)
  if not system then return nil, path, code end
  local self = { vendor = bios.vendor(client.root, system), system = path,
    maker = type(system.Manufacturer) == "string" and system.Manufacturer or nil,
    model = type(system.Model) == "string" and system.Model or nil,
    version = type(system.BiosVersion) == "string" and system.BiosVersion or nil,
    manager = type(system.Links) == "table" and type(system.Links.ManagedBy) == "table"
      and type(system.Links.ManagedBy[1]) == "table" and system.Links.ManagedBy[1]["@odata.id"] or nil }
  local message
  self.path, message, code = client:link(system, "Bios", path)
  if not self.path then return nil, message .. ": this BMC does not show the BIOS settings", code end
  local ok
  ok, message, code = bios.read_current(client, self)
  if not ok then return nil, message, code end
  ok, message, code = bios.read_pending(client, self)
  if not ok then return nil, message, code end
  self.registry, self.registry_missing = read_registry(client, self, o.registries or {})
  return self
end

--- An attribute's entry in the registry; nil if there is no registry or no such entry.
function bios.entry(self, name) return self.registry and self.registry:entry(name) end

--- Whether two values of an attribute are the same.
function bios.same(self, name, a, b) return registry.same(bios.entry(self, name), a, b) end

--- What an attribute will have after the next boot.
function bios.next_value(self, name)
  local value = self.pending[name]
  if value == nil then return self.current[name] end
  return value
end

--- The pending value of an attribute, if it differs from the current one; else nil.
function bios.pending_change(self, name)
  local value = self.pending[name]
  if value ~= nil and not bios.same(self, name, value, self.current[name]) then return value end
end

--- All attributes that the next boot changes: a sorted list of names.
function bios.changes(self)
  local list = {}
  for name in pairs(self.pending) do
    if bios.pending_change(self, name) ~= nil and self.current[name] ~= nil then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

return bios
