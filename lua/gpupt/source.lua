--- The source line (file:line) of a call in a playbook, for messages.
local source = {}

-- Lua cuts the path of a file that has more than 59 characters in its messages and in short_src, to "..." and its last
-- 56 (lua_Debug, LUA_IDSIZE): cut form -> path.
local cut = {}

--- "file:line" of what debug.getinfo(_, "Sl") gave, with the whole path.
function source.place(info)
  return (info.source:match "^@(.*)$" or info.short_src) .. ":" .. info.currentline
end

--- Says that a file of this path is executed, so that `whole` knows it.
function source.note(path)
  if #path > 59 then cut["..." .. path:sub(-56)] = path end
end

--- A message of Lua with the paths of the files whole that were noted; another value as it is.
function source.whole(message)
  if type(message) ~= "string" then return message end
  for short, path in pairs(cut) do
    local at, after = message:find(short .. ":", 1, true)
    while at do
      message = message:sub(1, at - 1) .. path .. message:sub(after)
      at, after = message:find(short .. ":", at + #path, true)
    end
  end
  return message
end

--- "file:line" of the function `level` levels above the caller (1 = the caller's caller).
function source.of(level)
  local info = debug.getinfo((level or 1) + 2, "Sl")
  if not info or info.currentline < 0 then return "?" end
  return source.place(info)
end

--- The path of the file of that function; nil if it is not from a file.
function source.file(level)
  local info = debug.getinfo((level or 1) + 2, "S")
  return info and info.source:match "^@(.*)$"
end

return source
