--- Loading a playbook: a Lua file that returns p.playbook { ... }; or a folder of such files, which are one plan.
-- It runs with Lua's own libraries and `vars`. Reading or setting any other global is an error with the nearest name.
-- gpupt.playbook.source reads, compares and executes its files, so that refused files are never executed and nothing
-- of the playbook stays in this Lua state.
local core = require "gpupt.core"
local declare = require "gpupt.playbook.declare"
local failure = require "gpupt.failure"
local nearest = require "gpupt.nearest"
local lines = require "gpupt.source"
local source = require "gpupt.playbook.source"
local variables = require "gpupt.playbook.variables"

local load_playbook = {}

-- Entries of a folder of playbooks.
local MOST = 10000

local function names_of(...)
  local list = {}
  for i = 1, select("#", ...) do
    for name in pairs((select(i, ...))) do if type(name) == "string" then list[#list + 1] = name end end
  end
  return list
end

-- The globals of the playbook's files: Lua's own, and those that a file loaded by dofile or require sets. Each playbook
-- has its own.
local function shared_environment(files, vars)
  local shared = setmetatable({ vars = vars }, { __index = _G })
  shared._G = shared
  files:equip(shared)
  return shared
end

-- The globals of the playbook itself: the same, but strict.
local function environment(shared)
  return setmetatable({}, {
    __index = function(_, name)
      local value = shared[name]
      if value ~= nil then return value end
      error(("unknown global '%s'%s"):format(tostring(name), nearest.hint(name, names_of(_G, shared))), 2)
    end,
    __newindex = function(_, name)
      error(("'%s' would become a global. Write local %s"):format(tostring(name), tostring(name)), 2)
    end,
  })
end

local loading = {} -- the playbooks that are being loaded, the innermost last

--- The playbook that is being loaded, for p.vars and p.include: { variables =, files =, environment =, chain = its
-- files that include each other at this moment }; or nil.
function load_playbook.current() return loading[#loading] end

local function execute(chunk, book)
  local state = book.variables
  loading[#loading + 1] = book
  local ok, root = xpcall(function()
    local root = chunk()
    state:finish()
    return root
  end, function(err)
    if type(err) ~= "string" then
      return type(err) == "table" and err.message and err or tostring(err)
    end
    return err
  end)
  loading[#loading] = nil
  if ok then return root end
  if failure.is(root) then return nil, lines.whole(root.message), root.code or "EPLAYBOOK" end
  return nil, lines.whole(type(root) == "table" and root.message or root), "EPLAYBOOK"
end

local function is_playbook(root, path, what)
  if declare.is(root, "playbook") then return true end
  return nil, ("%s: must end with return p.playbook { ... }, but returns a %s%s"):format(path, declare.is(root)
    and root.name or type(root), what), "EPLAYBOOK"
end

-- Executes one file; its node, and its variables; nil, message, code.
local function run_file(files, path, given, o)
  local state = variables.new(given, o)
  local globals = environment(shared_environment(files, state.table))
  local chunk, root, message, code
  chunk, message, code = files:compile(path, globals)
  if not chunk then return nil, message, code end
  root, message, code = execute(chunk, { variables = state, files = files, environment = globals, chain = { path } })
  if root == nil and message then return nil, message, code end
  return root, state
end

-- The playbooks of a folder: its *.lua files, in the order of their names.
local function playbooks_of(path)
  local folder <close>, message, code = core.folder.open(path)
  if not folder then return nil, message, code end
  local entries
  entries, message, code = folder:list("", MOST)
  if not entries then return nil, message, code end
  local list = {}
  for _, entry in ipairs(entries) do
    if entry.name:find "^[^.].*%.lua$" and (entry.kind == "file" or entry.kind == "link") then
      list[#list + 1] = (path:gsub("/+$", "")) .. "/" .. entry.name
    end
  end
  table.sort(list)
  if #list == 0 then return nil, path .. ": the folder has no playbooks (*.lua)", "ENOENT" end
  return list
end

-- The tree of a folder: the scopes of all its playbooks.
local function folder(path, given, o)
  local list, message, code = playbooks_of(path)
  if not list then return nil, message, code end
  local files = source.new(o.expect, list)
  local ok, state
  ok, message, code = files:verify(path)
  if not ok then return nil, message, code end
  local name = path:gsub("/+$", ""):match "([^/]*)$"
  if name == "" or name:find "^%.+$" then name = "playbooks" end
  local root, states, asked = { kind = "playbook", options = { name = name }, children = {}, source = path }, {}, {}
  for _, file in ipairs(list) do
    local one
    one, state, code = run_file(files, file, given, { argv = o.argv, since = o.since, asked = asked, shared = true })
    if one == nil and code then return nil, state, code end
    ok, message, code = is_playbook(one, file, ". Put files that playbooks include into a folder of their own")
    if not ok then return nil, message, code end
    states[#states + 1] = state
    for _, scope in ipairs(one.children) do root.children[#root.children + 1] = scope end
  end
  state = variables.of_several(states)
  ok, message, code = failure.catch(state.finish, state)
  if not ok then return nil, message, code end
  return { name = name, path = path, hash = files.files[1].hash, files = files.files, vars = state:kept(),
    variables = state, source = files, root = root }
end

--- The playbook's tree: { name = path =, hash =, files =, vars =, variables =, source =, root = node }; nil, message,
-- code. o.expect: the expected files, see gpupt.playbook.source; o.argv, o.since: see gpupt.playbook.variables.
function load_playbook.file(path, vars, o)
  o = o or {}
  local is_folder = core.folder.kind(path) == "folder"
  local files = source.new(o.expect)
  local ok, message, code = true, nil, nil
  if not is_folder then ok, message, code = files:verify(path) end
  if not ok then return nil, message, code end
  local given = {}
  for name, value in pairs(vars or {}) do given[name] = value end
  ok, message, code = variables.complete(given, o.since)
  if not ok then return nil, message, code end
  if is_folder then return folder(path, given, o) end
  local root, state
  root, state, code = run_file(files, path, given, { argv = o.argv, since = o.since })
  if root == nil and code then return nil, state, code end
  ok, message, code = is_playbook(root, path, "")
  if not ok then return nil, message, code end
  return { name = root.options.name, path = path, hash = files.files[1].hash, files = files.files, vars = state:kept(),
    variables = state, source = files, root = root }
end

return load_playbook
