--- Takes secrets out of what a server repeats: error texts, decoded bodies. Before the text is shortened or its blanks
-- are folded, because a secret may have blanks, and half of one is not recognized any more.
--
--   hidden.text("no session abcd1234", { "abcd1234" })               --> "no session (secret)"
--   hidden.tree({ error = { message = "..." } }, { "abcd1234" })     --> a copy, with every string so
local hidden = {}

-- A shorter word would take parts of ordinary texts away.
local SHORTEST = 4

-- Longest first: one secret may contain another.
local function sorted(words)
  local list = {}
  for _, word in ipairs(words) do if #word >= SHORTEST then list[#list + 1] = word end end
  table.sort(list, function(a, b) return #a > #b end)
  return list
end

local function replace(text, list)
  for _, word in ipairs(list) do text = text:gsub(word:gsub("%p", "%%%0"), "(secret)") end
  return text
end

local function copy(value, list)
  if type(value) == "string" then return replace(value, list) end
  if type(value) ~= "table" then return value end
  local result = {}
  for name, one in pairs(value) do result[copy(name, list)] = copy(one, list) end
  return result
end

--- The text without these secrets.
function hidden.text(text, words) return replace(text, sorted(words)) end

--- A copy of a decoded body, whose strings (and names) are without these secrets.
function hidden.tree(value, words) return copy(value, sorted(words)) end

return hidden
