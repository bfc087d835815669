--- So many cards of each model: of gpu.attach's `each`, a list of { pattern =, count = }.
local pci = require "gpupt.pci"

local each_model = {}

--- The list from { ["10de:1eb8"] = 1, ["10de:20b5"] = 2 }, by pattern, and how many cards that are.
function each_model.of(given)
  local list, total = {}, 0
  for pattern, count in pairs(given) do
    list[#list + 1] = { pattern = pattern, count = count }
    total = total + count
  end
  table.sort(list, function(a, b) return a.pattern < b.pattern end)
  return list, total
end

--- What is wrong with it beside the other options of gpu.attach, or nil.
function each_model.problem(given, o)
  if o.whole or o.backing ~= "fixed" then return "each cannot be combined with whole or a dynamic backing" end
  if next(given) == nil then return "each = {} names no model" end
  if o.count ~= 1 then return "each is in place of count: give one of them" end
  for pattern, count in pairs(given) do
    if type(pattern) ~= "string" or not pattern:match "^%x+:%x+$" and not pattern:match "^%x+:%x+:%x+:%x+$" then
      return ("each: '%s' is not vendor:device[:subvendor:subdevice] in hexadecimal"):format(tostring(pattern))
    end
    if math.type(count) ~= "integer" or count < 1 then
      return ("each: the number of %s is %s, and must be at least 1"):format(pattern, tostring(count))
    end
  end
end

--- Of these cards, in their order, as many of each model as are wanted; `have`: cards that count already.
function each_model.pick(each, cards, have)
  local list, used = {}, {}
  for _, one in ipairs(each) do
    local left = one.count
    local function take(some, into)
      for _, card in ipairs(some) do
        if left > 0 and not used[card] and pci.match(card, one.pattern) then
          used[card], left = true, left - 1
          if into then into[#into + 1] = card end
        end
      end
    end
    take(have or {})
    take(cards, list)
  end
  return list
end

--- "1 x 10de:1eb8, 2 x 10de:20b5"
function each_model.text(each)
  local words = {}
  for i, one in ipairs(each) do words[i] = ("%d x %s"):format(one.count, one.pattern) end
  return table.concat(words, ", ")
end

return each_model
