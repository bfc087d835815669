--- Records of esxcli --formatter=xml and --formatter=keyvalue, as gpupt.evidence.records gives those of other tools:
--
--   <structure typeName="Nic"><field name="Speed"><integer>0</integer></field>...</structure>
--   structure[0].Nic.Speed.integer=0
--
--   structures.of(doc)  --> {{fields= {speed="0", ...} (names in lower case), first=, last= (lines)}...}
local structures = {}

local entities = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function decoded(text) return (text:gsub("&(%a+);", entities)) end

-- The whole lines: XML may be a single one, of any length.
local function of_xml(doc, list)
  local open, name
  for i, line in ipairs(doc.plain.lines) do
    if doc:free(i) and line:find("<", 1, true) then
      for tag, value in line:gmatch "<([^<>]+)>([^<]*)" do
        if tag:find "^structure " then
          open = { fields = {}, first = i, last = i }
          list[#list + 1] = open
        elseif tag == "/structure" then
          if open then open.last = i end
          open, name = nil, nil
        elseif tag:find "^field " then
          name = tag:match 'name="([^"]+)"'
        elseif open and name and tag:find "^%l[%w]*$" then
          open.fields[name:lower()], open.last, name = decoded(value), i, nil
        end
      end
    end
  end
end

local function of_keys(doc, list)
  local open, number
  for i, line in ipairs(doc.lines) do
    local at, name, value = line:match "^%s*structure%[(%d+)%]%.[%w_]+%.([%w_]+)%.%l[%w]*=(.-)%s*$"
    if at and doc:free(i) then
      if at ~= number or open.fields[name:lower()] then
        open, number = { fields = {}, first = i, last = i }, at
        list[#list + 1] = open
      end
      open.fields[name:lower()], open.last = value, i
    end
  end
end

function structures.of(doc)
  local list = {}
  if doc.text:find("<structure ", 1, true) then of_xml(doc, list) end
  if doc.text:find("structure[", 1, true) then of_keys(doc, list) end
  return list
end

return structures
