--- Loading a playbook: a Lua file that returns p.playbook { ... }.
-- It runs with Lua's own libraries and `vars` (the --var values). Reading or setting any other global is an error with
-- the nearest name; the file is loaded by loadfile, never by require, so that nothing of it stays behind.
local declare = require "gpupt.playbook.declare"
local nearest = require "gpupt.nearest"
local sha256 = require "gpupt.sha256"

local load_playbook = {}

local function names_of(...)
  local list = {}
  for i = 1, select("#", ...) do
    for name in pairs((select(i, ...))) do if type(name) == "string" then list[#list + 1] = name end end
  end
  return list
end

local function strict_vars(vars)
  local copy = {}
  for name, value in pairs(vars or {}) do copy[name] = value end
  return setmetatable(copy, { __index = function(_, name)
    local known = names_of(copy)
    table.sort(known)
    error(("vars has no '%s'%s: give it with --var %s=VALUE%s"):format(tostring(name), nearest.hint(name, known),
      tostring(name), #known > 0 and (" (given: " .. table.concat(known, ", ") .. ")") or ""), 2)
  end })
end

local function environment(vars)
  local own = { vars = strict_vars(vars) }
  return setmetatable(own, {
    __index = function(_, name)
      local value = _G[name]
      if value ~= nil then return value end
      error(("unknown global '%s'%s"):format(tostring(name), nearest.hint(name, names_of(_G, own))), 2)
    end,
    __newindex = function(_, name)
      error(("'%s' would become a global: write local %s"):format(tostring(name), tostring(name)), 2)
    end,
  })
end

local function read(path)
  local file, message, errno = io.open(path, "rb")
  if not file then return nil, message, errno == 2 and "ENOENT" or "EACCES" end
  local text, problem = file:read "a"
  file:close()
  if not text then return nil, path .. ": " .. tostring(problem), "EIO" end
  return text
end

--- The playbook's tree: { name =, path =, hash =, vars =, root = node }; nil, message, code.
function load_playbook.file(path, vars)
  local text, message, code = read(path)
  if not text then return nil, message, code end
  if text:sub(1, 1) == "\27" then return nil, path .. ": is compiled Lua: a playbook is text", "EPLAYBOOK" end
  text = text:gsub("^#[^\n]*", "")
  local chunk
  chunk, message = load(text, "@" .. path, "t", environment(vars))
  if not chunk then return nil, message, "EPLAYBOOK" end
  local ok, root = xpcall(chunk, function(err)
    if type(err) ~= "string" then
      return type(err) == "table" and err.message and err or tostring(err)
    end
    return err
  end)
  if not ok then return nil, type(root) == "table" and root.message or root, "EPLAYBOOK" end
  if not declare.is(root, "playbook") then
    return nil, ("%s: must end with return p.playbook { ... }, and returns a %s"):format(path, declare.is(root)
      and root.name or type(root)), "EPLAYBOOK"
  end
  return { name = root.options.name, path = path, hash = sha256(text), vars = vars or {}, root = root }
end

return load_playbook
