--- The nearest known name to a misspelt one, for all "unknown option/key/method" messages.
local nearest = {}

--- Damerau-Levenshtein distance (adjacent transpositions count one), case-insensitive.
local function distance(a, b)
  a, b = a:lower(), b:lower()
  local before, previous = {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
    before, previous = previous, row
  end
  return previous[#b]
end

--- The closest of `names` (a list) to `name`, or nil if none is close enough to be a likely typo.
function nearest.find(name, names)
  name = tostring(name)
  local best, best_distance
  for _, candidate in ipairs(names) do
    local d = distance(name, candidate)
    if not best_distance or d < best_distance then best, best_distance = candidate, d end
  end
  local limit = math.max(2, #name // 3)
  if best and best_distance <= limit then return best end
end

--- " (did you mean 'x'?)" or "" if no name is close.
function nearest.hint(name, names)
  local found = nearest.find(name, names)
  return found and (" (did you mean '%s'?)"):format(found) or ""
end

return nearest
