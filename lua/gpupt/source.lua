--- The source line (file:line) of a call in a playbook, for messages.
local source = {}

--- "file:line" of the function `level` levels above the caller (1 = the caller's caller).
function source.of(level)
  local info = debug.getinfo((level or 1) + 2, "Sl")
  if not info or info.currentline < 0 then return "?" end
  return info.short_src .. ":" .. info.currentline
end

--- The path of the file of that function; nil if it is not from a file.
function source.file(level)
  local info = debug.getinfo((level or 1) + 2, "S")
  return info and info.source:match "^@(.*)$"
end

return source
