--- Arrows point down: which part of the tree may require (Lua) or include (C) which.
--   lua5.4 build-support/arrows.lua [ROOT]      prints each arrow that is not in the table, each file outside it, and
--                                               each circle between files; status 1 when there is one
-- A part is a name with the files that belong to it; the first pattern that fits a file wins. A file may use its own
-- part and those that are listed; of them only the modules that users require themselves when the part says `public`.
-- To allow a new arrow, add it here, and say why in the commit.
local root = arg and arg[1] or "."

local lua_parts = {
  { "front",    { "^lua/gpupt/init%.lua$" }, { "base" } }, -- loads every other part lazily, by name
  { "cli",      { "^lua/gpupt/cli/", "^bin/gpupt$" },
    { "front", "playbook", "record", "redfish", "doctor", "evidence", "fleet", "vim", "loop", "offline", "base" },
    public = true },
  { "playbook", { "^lua/gpupt/playbook/" },
    { "step", "fleet", "guest", "vim", "logins", "loop", "facts", "base" } },
  { "step",     { "^lua/gpupt/step/" },
    { "horizon", "redfish", "doctor", "fleet", "guest", "settings", "vim", "logins", "loop", "offline", "facts",
      "base" } },
  { "record",   { "^lua/gpupt/record/" }, { "doctor", "vim", "offline", "base" } }, -- answers without names
  { "doctor",   { "^lua/gpupt/doctor[./]" },
    { "evidence", "fleet", "vim", "settings", "offline", "facts", "base" } },
  { "fleet",    { "^lua/gpupt/fleet/" }, { "vim", "loop", "offline", "facts", "base" } },
  { "guest",    { "^lua/gpupt/guest/" }, { "offline", "facts", "base" } },
  { "evidence", { "^lua/gpupt/evidence[./]" }, { "guest", "offline", "facts", "base" } }, -- outputs of tools
  { "settings", { "^lua/gpupt/settings[./]" }, { "offline", "facts", "base" } },
  { "horizon",  { "^lua/gpupt/horizon/" }, { "rest", "logins", "loop", "facts", "base" } },
  { "redfish",  { "^lua/gpupt/redfish/" }, { "rest", "logins", "loop", "facts", "base" } },
  { "vim",      { "^lua/gpupt/vim/" }, { "rest", "logins", "loop", "facts", "base" } },
  { "rest",     { "^lua/gpupt/rest/" }, { "logins", "loop", "base" } }, -- one request, and clients with a login
  { "loop",     { "^lua/gpupt/loop/" }, { "base" } },
  { "offline",  { "^lua/gpupt/vmx[./]", "^lua/gpupt/bar[./]", "^lua/gpupt/pci[./]", "^lua/gpupt/vmlog[./]" },
    { "facts", "base" } },
  { "facts",    { "^lua/gpupt/facts/" }, {} }, -- vendors' facts, each once, with its source
  { "logins",   { "^lua/gpupt/logins%.lua$" }, { "loop", "base" } }, -- which passwords were refused: one for a run
  { "base",     { "^lua/gpupt/[%w_]+%.lua$" }, {} },
  { "meta",     { "^lua/gpupt/meta/" }, {} }, -- read by editors only
}

local c_parts = {
  { "fuzz",        { "^csrc/fuzz/", "^csrc/test/" }, { "base", "offline", "vim25", "gen", "store", "media" } },
  { "lua/offline", { "^csrc/lua/offline/" }, { "lua", "offline", "base" } },
  { "lua/vim25",   { "^csrc/lua/vim25/" }, { "lua", "vim25", "gen", "base" } },
  { "lua/store",   { "^csrc/lua/store/" }, { "lua", "store", "base" } },
  { "lua/media",   { "^csrc/lua/media/" }, { "lua", "media", "base" } },
  { "lua",         { "^csrc/lua/[%w_]+%.[ch]$" }, { "base" } },
  { "offline",     { "^csrc/offline/" }, { "base" } },
  { "vim25",       { "^csrc/vim25/" }, { "gen", "base" } },
  { "store",       { "^csrc/store/" }, { "base" } },
  { "media",       { "^csrc/media/" }, { "base" } },
  { "gen",         { "^csrc/gen/" }, {} },
  { "base",        { "^csrc/base/" }, {} },
}

local function lines_of(command)
  local list, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function files(pattern)
  local quoted = "'" .. root:gsub("'", "'\\''") .. "'"
  return lines_of(("cd %s && (git ls-files -c -o --exclude-standard %s 2>/dev/null "
    .. "|| find . -type f | sed 's#^[.]/##')"):format(quoted, pattern))
end

local function part_of(parts, file)
  for _, part in ipairs(parts) do
    for _, pattern in ipairs(part[2]) do if file:find(pattern) then return part end end
  end
end

-- name -> file for what a require or an include may mean
local function lua_file(name, known)
  local path = "lua/" .. name:gsub("%.", "/")
  if known[path .. ".lua"] then return path .. ".lua" end
  if known[path .. "/init.lua"] then return path .. "/init.lua" end
end

local function c_file(name, known) if known["csrc/" .. name] then return "csrc/" .. name end end

-- The arrows of a file: { to =, line = }. A require in a comment is none.
local function arrows_of(file, known)
  local list, number = {}, 0
  local is_lua = file:find "%.lua$" or file == "bin/gpupt"
  local handle = assert(io.open(root .. "/" .. file))
  for line in handle:lines() do
    number = number + 1
    if is_lua then
      line = line:gsub("%-%-.*$", ""):gsub('later"? "gpupt%.', 'require "gpupt.')
      for name in line:gmatch 'require%s*%(?%s*"(gpupt[%w_.]*)"' do
        list[#list + 1] = { to = lua_file(name, known), line = number, name = name }
      end
    else
      local name = line:match '^#%s*include%s*"([^"]+)"'
      if name then list[#list + 1] = { to = c_file(name, known), line = number, name = name } end
    end
  end
  handle:close()
  return list
end

local problems = {}
local function complain(...) problems[#problems + 1] = string.format(...) end

-- Circles between files, each once: Tarjan's strongly connected components. A C file and its own header are one.
local function circles(graph)
  local index, low, on, stack, counter = {}, {}, {}, {}, 0
  local function visit(v)
    counter = counter + 1
    index[v], low[v], on[v] = counter, counter, true
    stack[#stack + 1] = v
    for _, w in ipairs(graph[v] or {}) do
      if not index[w] then
        visit(w)
        low[v] = math.min(low[v], low[w])
      elseif on[w] then
        low[v] = math.min(low[v], index[w])
      end
    end
    if low[v] == index[v] then
      local circle = {}
      repeat
        local w = table.remove(stack)
        on[w] = nil
        circle[#circle + 1] = w
      until w == v
      if #circle > 1 then
        table.sort(circle)
        complain("circle: %s", table.concat(circle, ", "))
      end
    end
  end
  local names = {}
  for v in pairs(graph) do names[#names + 1] = v end
  table.sort(names)
  for _, v in ipairs(names) do if not index[v] then visit(v) end end
end

local function check(parts, list)
  local known, graph = {}, {}
  for _, file in ipairs(list) do known[file] = true end
  for _, file in ipairs(list) do
    local part = part_of(parts, file)
    if not part then
      complain("%s: belongs to no part: add it to build-support/arrows.lua", file)
    else
      graph[file] = {}
      local allowed = { [part[1]] = true }
      for _, name in ipairs(part[3]) do allowed[name] = true end
      for _, arrow in ipairs(arrows_of(file, known)) do
        local to = arrow.to and part_of(parts, arrow.to)
        if to and not allowed[to[1]] then
          complain("%s:%d: %s may not use %s (%s)", file, arrow.line, part[1], to[1], arrow.name)
        elseif to and part.public and to ~= part and arrow.name:find "^gpupt%.[%w_]+%." then
          complain("%s:%d: %s uses the public modules only, not %s", file, arrow.line, part[1], arrow.name)
        end
        if to then table.insert(graph[file], arrow.to) end
      end
    end
  end
  circles(graph)
end

-- Calls that go both ways between two C files are a circle that includes do not show: every function that a file
-- defines and another one calls is an arrow.
local function c_calls(list)
  local defined, bodies = {}, {}
  for _, file in ipairs(list) do
    if file:find "^csrc/%a[%w/]*/[%w_]+%.c$" and not file:find "^csrc/gen/" then
      local handle = assert(io.open(root .. "/" .. file))
      local text = handle:read "a"
      handle:close()
      bodies[file] = text:gsub("/%*.-%*/", "")
      for line in bodies[file]:gmatch "[^\n]+" do
        local name = line:match "^[%a][%w_ *]-%*?(gp_[%w_]+)%("
        if name and not line:find "^static" and not line:find ";%s*$" then defined[name] = file end
      end
    end
  end
  local graph = {}
  for file, text in pairs(bodies) do
    graph[file] = {}
    for name in text:gmatch "gp_[%w_]+" do
      local to = defined[name]
      if to and to ~= file then table.insert(graph[file], to) end
    end
  end
  circles(graph)
end

local lua_list, c_list = files "'lua/*.lua' bin/gpupt", files "'csrc/*.c' 'csrc/*.h'"
local function only(list, pattern)
  local kept = {}
  for _, file in ipairs(list) do if file:find(pattern) then kept[#kept + 1] = file end end
  return kept
end
local lua_files = only(lua_list, "^lua/.*%.lua$")
lua_files[#lua_files + 1] = "bin/gpupt"
check(lua_parts, lua_files)
check(c_parts, only(c_list, "^csrc/.*%.[ch]$"))
c_calls(only(c_list, "^csrc/.*%.[ch]$"))
for _, text in ipairs(problems) do io.stderr:write("arrows: ", text, "\n") end
os.exit(#problems == 0 and 0 or 1)
