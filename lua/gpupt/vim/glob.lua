--- Globs over one name: *  ?  [abc]  [a-z]  [!abc] or [^abc]  and \ before a character that is to be matched literally.
-- Characters are compared, not bytes: names on a vCenter are UTF-8, and ? matches one character of any script. A "["
-- without a closing "]" matches itself.
local glob = {}

-- The characters of a text; a byte that is not valid UTF-8 counts as one character.
local function characters(text)
  local list, at, n = {}, 1, #text
  while at <= n do
    local ok, code = pcall(utf8.codepoint, text, at)
    list[#list + 1] = ok and code or -text:byte(at)
    at = at + (ok and #utf8.char(code) or 1)
  end
  return list
end

local STAR, QUESTION, OPEN, CLOSE, BACKSLASH, DASH = 42, 63, 91, 93, 92, 45
local NOT = { [33] = true, [94] = true } -- ! ^

-- The set that begins at chars[i] ("["): a function and the place after it, or nil when it is never closed.
local function set(chars, i)
  local negated = NOT[chars[i + 1]] or false
  local at, ranges = negated and i + 2 or i + 1, {}
  local first = at
  while chars[at] and (chars[at] ~= CLOSE or at == first) do
    if chars[at] == BACKSLASH then at = at + 1 end
    local low = chars[at]
    local high = low
    if chars[at + 1] == DASH and chars[at + 2] and chars[at + 2] ~= CLOSE then
      at = at + 2
      if chars[at] == BACKSLASH then at = at + 1 end
      high = chars[at]
    end
    if not high then return nil end
    ranges[#ranges + 1] = { low, high }
    at = at + 1
  end
  if not chars[at] then return nil end
  return function(char)
    for _, range in ipairs(ranges) do
      if char >= range[1] and char <= range[2] then return not negated end
    end
    return negated
  end, at + 1
end

local function any() return true end

-- The glob as a list of: STAR, a character, or a function of one.
local function parse(text)
  local chars, parts, i = characters(text), {}, 1
  while chars[i] do
    local char = chars[i]
    local part, after = char, i + 1
    if char == STAR then part = "*"
    elseif char == QUESTION then part = any
    elseif char == BACKSLASH and chars[i + 1] then part, after = chars[i + 1], i + 2
    elseif char == OPEN then
      local fits, beyond = set(chars, i)
      if fits then part, after = fits, beyond end
    end
    parts[#parts + 1], i = part, after
  end
  return parts
end

--- A function that says whether a name matches; it takes at most #name * #parts steps.
function glob.compile(text)
  local parts = parse(text)
  return function(name)
    local chars = characters(name)
    local i, p, star, mark = 1, 1, nil, nil
    while i <= #chars do
      local part = parts[p]
      if part == "*" then
        star, mark, p = p, i, p + 1
      elseif part ~= nil and (part == chars[i] or (type(part) == "function" and part(chars[i]))) then
        i, p = i + 1, p + 1
      elseif star then -- the last star takes one character more
        mark = mark + 1
        i, p = mark, star + 1
      else
        return false
      end
    end
    while parts[p] == "*" do p = p + 1 end
    return parts[p] == nil
  end
end

return glob
