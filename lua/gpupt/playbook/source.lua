--- The files of a playbook: read once, hashed, and only then executed.
-- A playbook's dofile, loadfile and require use this module, so that the plan file and the journal can list the files
-- and hashes that a plan depends on. When the plan is applied later, `verify` compares all of them before any of them
-- is executed, and a file that is not listed is refused. The hashed bytes are the ones that are executed, so a file
-- cannot change in between. This detects changes; it is not a sandbox for hostile code.
--
--   source.new{ { files = { { path =, hash = }... }, since = "the plan was created",
--                 advice = "create a new plan" }... }
local failure = require "gpupt.failure"
local lines = require "gpupt.source"
local regular = require "gpupt.regular"
local sha256 = require "gpupt.sha256"

local source = {}

local Source = {}
Source.__index = Source

--- `expected`: lists of expected files (of a saved plan, of a journal); nil if any file is accepted. `playbooks`: the
-- files of a folder of playbooks.
function source.new(expected, playbooks)
  return setmetatable({ expected = expected or {}, playbooks = playbooks, files = {}, by_path = {}, loaded = {} },
    Source)
end

-- A chunk in which `return f(x)` is no tail call, so that f finds the line that calls it: no call is one in the scope
-- of a variable to be closed. It is added to the first line, so that line numbers do not change.
local KEEPS_LINES = "local _keeps_lines <close> = nil "

local function without_first_line(text) return (text:gsub("^#[^\n]*", "", 1)) end

-- The first file is the playbook, which may have been moved; the others are identified by their paths. So are all files
-- of a folder of playbooks.
local function expected_of(one, path, main, first)
  if main then return one.files[1] end
  for i = first, #one.files do
    if one.files[i].path == path then return one.files[i] end
  end
end

local function check(self, path, bytes, hash, main)
  for _, one in ipairs(self.expected) do
    local wanted = expected_of(one, path, main, self.playbooks and 1 or 2)
    if not wanted then
      return nil, ("%s was not loaded when %s: %s"):format(path, one.since, one.advice), "ESTALE"
    end
    -- earlier releases hashed a playbook without its #! line
    local same = wanted.hash == hash or (one.first_line_left_out and wanted.hash == sha256(without_first_line(bytes)))
    if not same then
      return nil, ("%s changed since %s: %s"):format(path, one.since, one.advice), "ESTALE"
    end
  end
  return true
end

-- The bytes of a file, read once.
local function take(self, path, main)
  local known = self.by_path[path]
  if not known then
    local bytes, message, code = regular.read(path)
    if not bytes then return nil, message, code end
    known = { path = path, bytes = bytes, hash = sha256(bytes) }
    self.by_path[path] = known
  end
  if known.listed then return known end
  local ok, message, code = check(self, path, known.bytes, known.hash, main)
  if not ok then return nil, message, code end
  known.listed = true
  self.files[#self.files + 1] = { path = path, hash = known.hash }
  if self.on_load then self.on_load(self.files[#self.files]) end
  return known
end

--- Compares all expected files, the playbook at `path` first, before any of them is executed.
-- true, or nil, message, "ESTALE" (or the code of a playbook that cannot be read).
function Source:verify(path)
  for _, one in ipairs(self.playbooks or { path }) do
    local main, message, code = take(self, one, not self.playbooks)
    if not main then return nil, message, code end
  end
  for _, one in ipairs(self.expected) do
    for i = self.playbooks and 1 or 2, #one.files do
      local file = one.files[i].path
      local ok, why, kind = take(self, file)
      if not ok and kind == "ESTALE" then return nil, why, kind end
      if not ok then
        return nil, ("%s was loaded when %s, but cannot be read now (%s): %s"):format(file, one.since, why,
          one.advice), "ESTALE"
      end
    end
  end
  return true
end

--- The compiled function of a file; nil, message, code if it is refused.
function Source:compile(path, environment)
  local file, message, code = take(self, path)
  if not file then return nil, message, code end
  if file.bytes:sub(1, 1) == "\27" then
    return nil, path .. " is compiled Lua; a playbook must be source text", "EPLAYBOOK"
  end
  lines.note(path)
  local chunk
  chunk, message = load(KEEPS_LINES .. without_first_line(file.bytes), "@" .. path, "t", environment)
  if not chunk then return nil, lines.whole(message), "EPLAYBOOK" end
  return chunk
end

--- The bytes of a file that the playbook uses without executing it (an answer file); nil, message, code.
function Source:bytes(path)
  local file, message, code = take(self, path)
  if not file then return nil, message, code end
  return file.bytes
end

local function raise(message, code)
  error(code == "ESTALE" and failure.new(message, code) or message, 3)
end

-- Modules of gpupt, and modules loaded before the playbook, do not belong to the playbook.
local function of_elsewhere(name)
  return name == "gpupt" or name:find "^gpupt%." or package.loaded[name] ~= nil or package.preload[name] ~= nil
end

-- The command removes the current folder from Lua's own path; a playbook's modules may be there.
local HERE = "./?.lua;./?/init.lua"

-- Loads a module: Lua files are compiled here; a C library can only be hashed before the system loads it.
local function require_file(self, name, environment)
  if self.loaded[name] ~= nil then return self.loaded[name] end
  local path = package.searchpath(name, package.path) or package.searchpath(name, HERE)
  if not path then
    local library = package.searchpath(name, package.cpath) or package.searchpath(name:match "^[^.]*", package.cpath)
    if library then
      local ok, message, code = take(self, library)
      if not ok then raise(message, code) end
    end
    return require(name) -- loads it, or reports where it looked
  end
  local chunk, message, code = self:compile(path, environment)
  if not chunk then raise(message, code) end
  local value = chunk(name, path)
  self.loaded[name] = value == nil and true or value
  return self.loaded[name], path
end

--- Adds the functions that load files to `environment`; the loaded code runs in it too.
function Source:equip(environment)
  function environment.loadfile(path, mode, env, ...)
    if type(path) ~= "string" then error("loadfile: a playbook must give the name of the file", 2) end
    if mode and not tostring(mode):find "t" then return nil, path .. ": a playbook can load only source text" end
    local given = env ~= nil or select("#", ...) > 0
    local chunk, message, code = self:compile(path, given and env or environment)
    if not chunk and code == "ESTALE" then raise(message, code) end
    return chunk, message
  end
  function environment.dofile(path)
    if type(path) ~= "string" then error("dofile: a playbook must give the name of the file", 2) end
    local chunk, message, code = self:compile(path, environment)
    if not chunk then raise(message, code) end
    return chunk()
  end
  function environment.require(name)
    if type(name) ~= "string" or of_elsewhere(name) then return require(name) end
    return require_file(self, name, environment)
  end
  function environment.load(chunk, name, mode, ...)
    if select("#", ...) > 0 then return load(chunk, name, mode, ...) end
    return load(chunk, name, mode or "t", environment)
  end
end

return source
