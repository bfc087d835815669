--- Datastore paths as vSphere writes them: "[datastore] folder/file".
-- The same path is sent in SOAP and in a URL, where dots and backslashes may be normalized away. A path that could then
-- name a different file is refused.
local datastore_path = {}

-- Control characters, C1 (U+0080 to U+009F, in UTF-8) among them.
local function has_control(text) return text:find "%c" ~= nil or text:find "\194[\128-\159]" ~= nil end

local function shown(text) return (text:gsub("\194[\128-\159]", "?"):gsub("%c", "?")) end

--- Whether a name that the server gave is that of one file or folder, and cannot lead into another folder.
function datastore_path.is_name(name)
  return type(name) == "string" and name ~= "" and name ~= "." and name ~= ".." and not name:find("/", 1, true)
end

local function wrong_part(part)
  if part == "" then return "it has an empty part" end
  if part:match "^%s*%.%.?%s*$" then return ("it cannot have the part '%s'"):format(part) end
end

--- The datastore's name and the path on it, without slashes at its ends ("" is the datastore itself).
-- nil, message, "EINVAL" when it is not such a path.
function datastore_path.parse(text)
  text = tostring(text)
  local function refused(why) return nil, ("'%s' is not a datastore path: %s"):format(shown(text), why), "EINVAL" end
  if has_control(text) then return refused "it contains a control character" end
  local name, rest = text:match "^%[([^%]]+)%]%s*/*(.-)/*$"
  if not name then return refused "write [datastore] folder/file" end
  if name:find "[/\\]" or wrong_part(name) then
    return refused(("'%s' cannot be the name of a datastore"):format(name))
  end
  if rest:find("\\", 1, true) then return refused "use / between folders, not a backslash" end
  if rest == "" then return name, rest end
  for part in (rest .. "/"):gmatch "([^/]*)/" do
    local why = wrong_part(part)
    if why then return refused(why) end
  end
  return name, rest
end

--- A search pattern that matches the file of this name, and maybe others: the reference does not say what brackets mean
-- in one, and where they are a set of characters a name with brackets does not match itself. Compare what is found.
function datastore_path.pattern(name) return (name:gsub("[%[%]]", "?")) end

return datastore_path
