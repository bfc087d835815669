--- Many names as few words, for messages about large fleets.
--
--   ranges.text({ "esx-01", "esx-02", "esx-03", "esx-07", "db" })   --> "db, esx-[01-03,07]"
--   ranges.text(names, 3)                                           --> 3 such words at most, "and 12 more"
--   ranges.before("esx-9", "esx-10")                                --> true: numbers count as numbers
local ranges = {}

-- The number that tells hosts apart is the last one of the first label, or the last one of an address.
local function split(name)
  local before, digits, after
  if name:find "^%d+%.%d+%.%d+%.%d+$" then
    before, digits = name:match "^(.*%.)(%d+)$"
    after = ""
  else
    local label, domain = name:match "^([^.]*)(.*)$"
    before, digits, after = label:match "^(.*%D)(%d+)(%D*)$"
    if not before then before, digits, after = label:match "^()(%d+)(%D*)$" end
    if type(before) == "number" then before = "" end
    after = after and after .. domain
  end
  if digits and #digits <= 15 then return before, digits, after end
end

-- "esx-10" -> "esx-" 10 "": parts that compare as text and as numbers in turn.
local function parts(name)
  local list = {}
  for text, digits in name:gmatch "(%D*)(%d*)" do
    if text ~= "" or digits ~= "" then
      list[#list + 1] = text
      list[#list + 1] = tonumber(digits) or -1
    end
  end
  return list
end

--- Whether a name comes before another one: "esx-9" before "esx-10".
function ranges.before(a, b)
  local one, two = parts(a), parts(b)
  for i = 1, math.min(#one, #two) do
    if one[i] ~= two[i] then return one[i] < two[i] end
  end
  if #one ~= #two then return #one < #two end
  return a < b
end

-- "01", "02", "03", "07" -> "01-03,07"
local function runs(numbers)
  local words, first = {}, 1
  for i = 1, #numbers do
    local after = ("%0" .. #numbers[i] .. "d"):format(math.tointeger(tonumber(numbers[i])) + 1)
    if numbers[i + 1] ~= after then
      words[#words + 1] = first == i and numbers[i] or numbers[first] .. "-" .. numbers[i]
      first = i + 1
    end
  end
  return table.concat(words, ",")
end

--- The names as text, in order, those that differ in their number only as one word. `most`: more words than that are
-- counted (default 4).
function ranges.text(names, most)
  local sorted, groups, by_form = table.move(names, 1, #names, 1, {}), {}, {}
  table.sort(sorted, ranges.before)
  for i, name in ipairs(sorted) do
    if name ~= sorted[i - 1] then
      local before, digits, after = split(name)
      local form = before and before .. "\0" .. after or name
      local group = by_form[form]
      if not group then
        group = { before = before, after = after, numbers = {}, name = name }
        by_form[form], groups[#groups + 1] = group, group
      end
      group.numbers[#group.numbers + 1] = digits or ""
    end
  end
  local words, left = {}, 0
  most = most or 4
  for i, group in ipairs(groups) do
    if i <= most then
      words[i] = #group.numbers == 1 and group.name
        or ("%s[%s]%s"):format(group.before, runs(group.numbers), group.after)
    else
      left = left + #group.numbers
    end
  end
  return table.concat(words, ", ") .. (left > 0 and (" and %d more"):format(left) or "")
end

return ranges
