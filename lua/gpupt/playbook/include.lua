--- p.include: executes a file that a playbook includes. It is hashed and listed as the playbook itself is, and it is as
-- strict about globals.
local failure = require "gpupt.failure"

local include = {}

-- Files that include each other in a circle have other names each time when the names go up and down folders.
local DEEPEST = 40

-- "a/./b/../c.lua" -> "a/c.lua": only to recognize a file; the path that is opened stays as it was written, because
-- "b" may be a link.
local function plain(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    local last = parts[#parts]
    if part == ".." and last and last ~= ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return (path:sub(1, 1) == "/" and "/" or "") .. table.concat(parts, "/")
end

--- The path of the file `name` next to the file `from`.
function include.beside(from, name)
  if name:sub(1, 1) == "/" or not from then return name end
  return (from:match "^(.*/)[^/]*$" or "") .. name
end

--- The chunk of a file `name` that the file `from` includes: { run =, path = }; nil, message, code.
function include.open(book, name, from)
  local path = include.beside(from, name)
  local wanted = plain(path)
  for _, one in ipairs(book.chain) do
    if plain(one) == wanted or #book.chain > DEEPEST then
      return nil, ("%s includes itself: %s"):format(name, table.concat(book.chain, ", ", 2)
        .. (#book.chain > 1 and ", " or "") .. path), "EPLAYBOOK"
    end
  end
  local chunk, message, code = book.files:compile(path, book.environment)
  if not chunk then return nil, message, code end
  return { run = chunk, path = path }
end

local function leave(book, ok, ...)
  table.remove(book.chain)
  if not ok then error(..., 0) end
  return ...
end

--- Executes it. An error of the included file names the line of its p.include as well.
function include.run(book, file, where)
  table.insert(book.chain, file.path)
  return leave(book, xpcall(file.run, function(err)
    if type(err) ~= "string" or failure.is(err) then return err end
    return ("%s (included at %s)"):format(err, where)
  end))
end

return include
