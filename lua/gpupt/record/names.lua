--- Stand-ins for what names or identifies something: the same text gets the same stand-in wherever it is a whole value
-- or a whole part of a path, so that what refers to what can still be seen. A text is never searched for names: words
-- would be found in other words, and what a stand-in replaced in a sentence gives its name away.
local Names = {}
Names.__index = Names

-- Folders that every datacenter and every host has, and patterns of a search.
local constant = { [""] = true, vm = true, host = true, datastore = true, network = true, Datacenters = true,
  Resources = true, vmfs = true, volumes = true, ["*"] = true, ["."] = true, ["vmware.log"] = true,
  ["ha-datacenter"] = true, folder = true, sdk = true }

local endings = {}
for word in ("vmx vmxf vmtx vmdk vmsd vmsn vmem vmss vswp nvram log iso flp ova ovf"):gmatch "%a+" do
  endings[word] = true
end

local function is_uuid(text)
  return #text == 36 and text:gsub("%x", "h") == "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"
end

-- Values with a form that programs check keep that form.
local forms = {
  { is_uuid, function(n) return ("00000000-0000-4000-8000-%012x"):format(n) end, fold = true },
  { function(text) return text:find "^%d+%.%d+%.%d+%.%d+$" end,
    function(n) return ("198.%d.%d.%d"):format(18 + (n >> 16 & 1), n >> 8 & 255, n & 255) end },
  { function(text) return text:find "^%x*:%x*:[%x:.]*$" and not text:find "^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$" end,
    function(n) return ("2001:db8::%x"):format(n) end, fold = true },
  { function(text) return text:find "^%x%x[:-]%x%x[:-]%x%x[:-]%x%x[:-]%x%x[:-]%x%x$" end,
    function(n) return ("02:00:00:%02x:%02x:%02x"):format(n >> 16 & 255, n >> 8 & 255, n & 255) end, fold = true },
}

local function next_number(self, kind)
  self.counts[kind] = (self.counts[kind] or 0) + 1
  return self.counts[kind]
end

--- The stand-in of a whole text; `kind` ("vm", "host", "text"...) is the word that it gets.
function Names:whole(text, kind)
  local known = self.known[text]
  if known then return known end
  for _, form in ipairs(forms) do
    if form[1](text) then
      local key = form.fold and text:lower() or text
      self.known[key] = self.known[key] or form[2](next_number(self, form))
      self.known[text] = self.known[key]
      return self.known[text]
    end
  end
  self.known[text] = ("%s_%d"):format(kind, next_number(self, kind))
  return self.known[text]
end

-- A part of a path: a file keeps a well-known ending.
local function part(self, text, kind)
  if constant[text] or text:find "^vmware%-%d+%.log$" then return text end
  local stem, ending = text:match "^(.+)%.(%l+)$"
  if stem and endings[ending] then return (constant[stem] and stem or self:whole(stem, "file")) .. "." .. ending end
  return self:whole(text, kind)
end

local function parts(self, text, kind)
  return (text:gsub("[^/]+", function(one) return part(self, one, kind) end))
end

--- The stand-in of a value: of each part of a datastore path, a URL or an inventory path.
function Names:value(text, kind)
  kind = kind or "text"
  if text:find "%c" or #text > 4096 then return self:whole(text, kind) end
  local store, rest = text:match "^%[([^%]]*)%]%s*(.*)$"
  if store then return ("[%s] %s"):format(part(self, store, "datastore"), parts(self, rest, "file")) end
  local scheme, behind = text:match "^(%l+)://(.*)$"
  if scheme == "ds" or scheme == "https" or scheme == "http" then
    return scheme .. "://" .. parts(self, behind, kind)
  end
  return parts(self, text, kind)
end

--- A number that identifies something.
function Names:number(text)
  local key = "number " .. text
  self.known[key] = self.known[key] or tostring(next_number(self, "number"))
  return self.known[key]
end

-- Ids that a vCenter numbers, and those of an ESXi host that are the same on every host. Others hold what they stand
-- for: a datastore's UUID or NFS server, a network's name, a session's key.
local function is_numbered(value)
  return #value < 32 and (value:find "^%l+%-%l?%d+$" or value:find "^%d+$") ~= nil
end

local of_every_host = { ["ha-host"] = true, ["ha-datacenter"] = true, ["ha-root-pool"] = true,
  ["ha-compute-res"] = true, ["ha-folder-root"] = true, ["ha-folder-vm"] = true, ["ha-folder-host"] = true,
  ["ha-folder-datastore"] = true, ["ha-folder-network"] = true }

--- The value of a reference; `is_manager`: its type has one object on a server, whose id is a fixed word.
function Names:reference(value, is_manager)
  if is_numbered(value) or of_every_host[value] then return value end
  if is_manager and value:find "^%a[%a%-]*$" and #value < 64 then return value end
  return self:whole(value, "object")
end

local names = {}
function names.new() return setmetatable({ known = {}, counts = {} }, Names) end

return names
