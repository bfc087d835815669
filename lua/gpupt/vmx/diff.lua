--- Differences between two vmx documents: by key for programs, as a unified diff for people.
-- The text diff is Myers' greedy algorithm over whole lines. Documents that differ in more than a few
-- thousand lines are shown as one replaced block: no one reads such a diff, and the search is quadratic in
-- the differences.
local diff = {}

local MAX_EDITS = 2000
local CONTEXT = 3

--- Lines with their ends, so that a changed line end is a difference too.
local function lines_of(text)
  local lines, at = {}, 1
  while at <= #text do
    local stop = text:find("[\r\n]", at)
    if stop and text:sub(stop, stop + 1) == "\r\n" then stop = stop + 1 end
    lines[#lines + 1] = text:sub(at, stop or #text)
    at = (stop or #text) + 1
  end
  return lines
end

--- The shortest script as a list of {kind, text}; kind is " ", "-" or "+". a[first..a_last] against
-- b[first..b_last].
local function shortest(a, b, first, a_last, b_last, script)
  local n, m = a_last - first + 1, b_last - first + 1
  local frontier, trace, found = { [1] = 0 }, {}, nil
  for d = 0, math.min(n + m, MAX_EDITS) do
    local row = {}
    for k = -d, d do row[k] = frontier[k] end
    trace[d] = row
    for k = -d, d, 2 do
      local down = k == -d or (k ~= d and frontier[k - 1] < frontier[k + 1])
      local x = down and frontier[k + 1] or frontier[k - 1] + 1
      while x < n and x - k < m and a[first + x] == b[first + x - k] do x = x + 1 end
      frontier[k] = x
      if x >= n and x - k >= m then found = d break end
    end
    if found then break end
  end
  if not found then
    for i = first, a_last do script[#script + 1] = { "-", a[i] } end
    for i = first, b_last do script[#script + 1] = { "+", b[i] } end
    return
  end
  local back, x, y = {}, n, m
  for d = found, 0, -1 do
    local row, k = trace[d], x - y
    local down = k == -d or (k ~= d and (row[k - 1] or -1) < (row[k + 1] or -1))
    local from_k = down and k + 1 or k - 1
    local from_x = d == 0 and 0 or row[from_k]
    local from_y = d == 0 and 0 or from_x - from_k
    while x > from_x and y > from_y do
      back[#back + 1] = { " ", a[first + x - 1] }
      x, y = x - 1, y - 1
    end
    if d > 0 then back[#back + 1] = down and { "+", b[first + from_y] } or { "-", a[first + from_x] } end
    x, y = from_x, from_y
  end
  for i = #back, 1, -1 do script[#script + 1] = back[i] end
end

local function script_of(a, b)
  local first, a_last, b_last, script = 1, #a, #b, {}
  while first <= a_last and first <= b_last and a[first] == b[first] do
    script[#script + 1] = { " ", a[first] }
    first = first + 1
  end
  local tail = {}
  while a_last >= first and b_last >= first and a[a_last] == b[b_last] do
    tail[#tail + 1] = { " ", a[a_last] }
    a_last, b_last = a_last - 1, b_last - 1
  end
  if first <= a_last or first <= b_last then shortest(a, b, first, a_last, b_last, script) end
  for i = #tail, 1, -1 do script[#script + 1] = tail[i] end
  return script
end

local function show(line)
  if line:find "\r?\n$" then return (line:gsub("\r?\n$", "")) .. "\n" end
  return (line:gsub("\r$", "")) .. "\n" .. (line:find "\r$" and "" or "\\ No newline at end of file\n")
end

--- A unified diff of two texts ("" when they are equal); its two header lines have the names.
function diff.text(before, after, before_name, after_name)
  if before == after then return "" end
  local script = script_of(lines_of(before), lines_of(after))
  local out = { ("--- %s\n+++ %s\n"):format(before_name or "before", after_name or "after") }
  local i, a_line, b_line = 1, 1, 1
  while i <= #script do
    if script[i][1] == " " then
      i, a_line, b_line = i + 1, a_line + 1, b_line + 1
    else
      -- a hunk: from CONTEXT lines before to where more than 2 * CONTEXT equal lines follow
      local from = i
      while from > 1 and i - from < CONTEXT and script[from - 1][1] == " " do from = from - 1 end
      local upto, equal = i, 0
      for j = i, #script do
        equal = script[j][1] == " " and equal + 1 or 0
        if equal > 2 * CONTEXT then break end
        if equal == 0 then upto = j end
      end
      upto = math.min(#script, upto + CONTEXT)
      local body, a_count, b_count = {}, 0, 0
      for j = from, upto do
        local kind, line = script[j][1], script[j][2]
        body[#body + 1] = kind .. show(line)
        if kind ~= "+" then a_count = a_count + 1 end
        if kind ~= "-" then b_count = b_count + 1 end
      end
      local a_from, b_from = a_line - (i - from), b_line - (i - from)
      out[#out + 1] = ("@@ -%d,%d +%d,%d @@\n"):format(a_count > 0 and a_from or a_from - 1, a_count,
        b_count > 0 and b_from or b_from - 1, b_count)
      out[#out + 1] = table.concat(body)
      a_line, b_line = a_from + a_count, b_from + b_count
      i = upto + 1
    end
  end
  return table.concat(out)
end

-- The texts are kept beside the list, so that the list itself holds nothing but changes.
local texts_of = setmetatable({}, { __mode = "k" })

local Changes = { __name = "gpupt.vmx.diff" }

function Changes.__tostring(self)
  local texts = texts_of[self]
  return diff.text(texts.before, texts.after, texts.before_name, texts.after_name)
end

--- What `Document:diff` gives.
function diff.compare(before, after)
  local changes, seen = {}, {}
  local function last_values(doc)
    local values = {}
    for key, value in doc:each() do values[key:lower()] = value end
    return values
  end
  local old, new = last_values(before), last_values(after)
  for key in before:each() do
    local name = key:lower()
    if not seen[name] and old[name] ~= new[name] then
      changes[#changes + 1] = { key = key, before = old[name], after = new[name], line = before:where(key) }
    end
    seen[name] = true
  end
  for key in after:each() do
    local name = key:lower()
    if not seen[name] then
      changes[#changes + 1] = { key = key, after = new[name], line = after:where(key) }
    end
    seen[name] = true
  end
  texts_of[changes] = {
    before = tostring(before), after = tostring(after), before_name = before:path(), after_name = after:path(),
  }
  return setmetatable(changes, Changes)
end

return diff
