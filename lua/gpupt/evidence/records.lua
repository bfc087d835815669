--- Records as Windows' and PowerCLI's programs print them: lists ("Name : value"), tables with a line of dashes,
-- tables of wmic, CSV. Which program it was is for the forms to tell, by the names of the fields: PowerShell does not
-- translate those.
--
--   records.of(doc)  --> {{fields= {instanceid="PCI\\VEN_...", ...} (names in lower case, without blanks),
--                          first=, last= (lines)}...}
local paste = require "gpupt.paste"
local trim = require "gpupt.text".trim

local records = {}

-- Names that only such outputs have: a CSV or a table without dashes must have one of them.
local known = {}
for name in ([[
instanceid deviceid pnpdeviceid friendlyname configmanagererrorcode problem problemdescription pnpclass driverversion
adapterram vendorid classid devicename vendorname deviceclass passthrucapable resetmethod configuredowner currentowner
pci.bus_id driver_version memory.total uuid vmhostid videoprocessor hardwareid locationinfo]]):gmatch "%S+" do
  known[name] = true
end

local function plain_name(text)
  return (text:lower():gsub("%s*%[[^%]]*%]%s*$", ""):gsub("[%s_]*$", ""):gsub("%s+", ""))
end

local function add(list, fields, first, last)
  if next(fields) ~= nil then list[#list + 1] = { fields = fields, first = first, last = last } end
end

-- "Name : value" or "Name=value"; a value may go on in the next lines.
local function lists(doc, list)
  local fields, first, last, key = {}, nil, nil, nil
  local function finish()
    if first then add(list, fields, first, last) end
    fields, first, last, key = {}, nil, nil, nil
  end
  for i, line in ipairs(doc.lines) do
    if doc:free(i) and #line < 8000 then
      local text = line:gsub("^DEBUG:%s?", "")
      local name, value = text:match "^%s*(%a[%w_. ]-)%s*:%s*(.-)%s*$"
      if name and (#name > 40 or text:find "^%s*%a:\\") then name = nil end
      if not name then name, value = text:match "^(%a[%w_]*)=(.-)%s*$" end
      if name then
        local plain = plain_name(name)
        if fields[plain] then finish() end
        first, last, key = first or i, i, plain
        fields[plain] = value
      elseif not text:find "%S" then
        finish()
      elseif key and #fields[key] < 2000 then
        fields[key] = trim(fields[key] .. (text:find "^%s" and " " or "") .. trim(text))
        last = i
      end
    else
      finish()
    end
  end
  finish()
end

-- One character each, so that columns can be counted; the places of the bytes.
local function columns_of(line)
  if not line:find "[\x80-\xFF]" or not utf8.len(line) then return line, nil end
  local shadow, places = {}, {}
  for place, code in utf8.codes(line) do
    shadow[#shadow + 1] = code < 128 and utf8.char(code) or "?"
    places[#places + 1] = place
  end
  places[#places + 1] = #line + 1
  return table.concat(shadow), places
end

-- The words of a row, each in the column that it stands under: numbers end where their heading ends.
local function cells(line, starts, ends)
  local shadow, places = columns_of(line)
  local out, from = {}, {}
  for at, stop in shadow:gmatch "()%S+()" do
    stop = stop - 1
    local column = 1
    for n = 1, #starts do
      if starts[n] <= at then column = n end
    end
    local next_one = column + 1
    if starts[next_one] and starts[next_one] <= stop and stop <= ends[next_one] then column = next_one end
    from[column] = from[column] or at
    out[column] = { from[column], stop }
  end
  for n, span in pairs(out) do
    local first = places and places[span[1]] or span[1]
    local last = places and places[span[2] + 1] - 1 or span[2]
    out[n] = line:sub(first, last)
  end
  return out
end

local function rows(doc, list, i, names, starts, ends)
  local empty = 0
  for n = i, #doc.lines do
    local line = doc.lines[n]
    if not line:find "%S" then
      -- wmic writes an empty line after each row
      empty = empty + 1
      if empty > 1 then return n end
    elseif not doc:free(n) or #line > 4000 then
      return n
    else
      empty = 0
      local fields, found = {}, cells(line, starts, ends)
      for column, value in pairs(found) do
        if names[column] then fields[names[column]] = value end
      end
      local last = list[#list]
      if not found[1] and last and last.last == n - 1 and n > i then
        -- Format-Table -Wrap: the rest of the values of the row above
        for name, value in pairs(fields) do
          local id = name:find "id$" ~= nil
          last.fields[name] = (last.fields[name] or "") .. (id and "" or " ") .. value
        end
        last.last = n
      else
        fields[1] = line
        add(list, fields, n, n)
      end
    end
  end
  return #doc.lines
end

local function table_at(doc, list, i)
  local dashes = doc.lines[i + 1]
  local starts, ends, names = {}, {}, {}
  if dashes and dashes:find "^%s*%-%-[%-%s]*$" and #dashes < 4000 then
    for at, stop in dashes:gmatch "()%-+()" do
      starts[#starts + 1], ends[#ends + 1] = at, stop - 1
    end
    for column, name in pairs(cells(doc.lines[i], starts, ends)) do names[column] = plain_name(name) end
    return rows(doc, list, i + 2, names, starts, ends)
  end
  -- wmic: names alone, each a field
  local line, hits = doc.lines[i], 0
  if #line > 400 or line:find "[^%w%s]" then return i end
  for at, word, stop in line:gmatch "()(%w+)()" do
    starts[#starts + 1], ends[#ends + 1], names[#names + 1] = at, stop - 1, word:lower()
    if known[word:lower()] then hits = hits + 1 end
  end
  if hits < 1 or #names < 2 or not line:find "%a%s%s" then return i end
  return rows(doc, list, i + 1, names, starts, ends)
end

--- The values of a line of CSV; quotes may be doubled.
function records.split(line, separator)
  local out, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local value, stop = "", at + 1
      while true do
        local quote = line:find('"', stop, true)
        if not quote then
          value, stop = value .. line:sub(stop), #line + 1
          break
        end
        value = value .. line:sub(stop, quote - 1)
        stop = quote + 1
        if line:sub(stop, stop) ~= '"' then break end
        value, stop = value .. '"', stop + 1
      end
      out[#out + 1] = value
      at = (line:find(separator, stop, true) or #line + 1) + 1
    else
      local stop = line:find(separator, at, true) or #line + 1
      out[#out + 1] = trim(line:sub(at, stop - 1))
      at = stop + 1
    end
  end
  return out
end

local function csv_at(doc, list, i)
  local line = doc.lines[i]
  if #line > 4000 then return i end
  for _, separator in ipairs { ",", ";", "\t" } do
    if line:find(separator, 1, true) then
      local names, hits = records.split(line, separator), 0
      for n, name in ipairs(names) do
        names[n] = plain_name(name)
        if known[names[n]] then hits = hits + 1 end
      end
      if hits > 0 and #names >= 2 then
        local n = i + 1
        while doc.lines[n] and doc:free(n) and #doc.lines[n] < 8000 do
          if doc.lines[n]:find "%S" then
            local values, fields = records.split(doc.lines[n], separator), {}
            if #values < 2 or #values > #names then break end
            for column, value in ipairs(values) do fields[names[column]] = value end
            fields[1] = doc.lines[n]
            add(list, fields, n, n)
          elseif not (doc.lines[n + 1] or ""):find(separator, 1, true) then
            break
          end
          n = n + 1
        end
        return n - 1
      end
    end
  end
  return i
end

--- All records of a document's free lines.
function records.of(doc)
  local list = {}
  local i, inside = 1, {}
  while i <= #doc.lines do
    local stop = i
    if doc:free(i) and doc.lines[i]:find "%S" then
      local before = #list
      stop = csv_at(doc, list, i)
      if #list == before then stop = math.max(i, table_at(doc, list, i) - 1) end
      for n = i, #list > before and stop or i - 1 do inside[n] = true end
    end
    i = math.max(stop, i) + 1
  end
  local outside = setmetatable({}, { __index = doc })
  function outside.free(_, n) return not inside[n] and doc:free(n) end
  lists(outside, list)
  table.sort(list, function(a, b) return a.first < b.first end)
  return list
end

records.damage = paste.sentence

return records
