-- The rock, as a user gets it: built and packed here, served from a file:// server, installed into an empty tree without
-- the checkout, and used from another folder.

local function sh(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local output = pipe:read "a"
  local ok = pipe:close()
  return ok, output
end

local function must(command)
  local ok, output = sh(command)
  assert(ok, command .. "\n" .. output)
  return output
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  table.sort(list)
  return list
end

-- luarocks looks for Lua's headers next to the interpreter, which is a wrapper in a sanitized run.
local describe_rock = os.getenv "GPUPT_SANITIZED" and function() end or describe

describe_rock("the rock", function()
  local dir, first, second, clean
  local rocks = "luarocks --lua-version=5.4 "

  setup(function()
    dir = must("mktemp -d"):match "%S+"
    first, second = dir .. "/first", dir .. "/second"
    -- No path of the checkout may be used.
    clean = "cd " .. dir .. " && env -u LUA_PATH -u LUA_CPATH -u GPUPT_BUILD "
    must("env -u LUA_PATH -u LUA_CPATH " .. rocks .. "--tree=" .. first .. " make rockspec/gpupt-scm-1.rockspec")
  end)

  teardown(function() must("rm -rf " .. dir) end)

  -- gpupt.iso is optional: it is part of the rock if pkg-config finds libarchive and libyaml.
  local libraries = { "core", "net", "store" }
  if os.execute "pkg-config --exists libarchive yaml-0.1" then table.insert(libraries, 2, "iso") end

  it("contains exactly the tracked Lua files, the libraries and the command", function()
    local installed = lines(must("cd " .. first .. "/share/lua/5.4 && find gpupt -type f"))
    local tracked = lines(must "cd lua && git ls-files -c -o --exclude-standard gpupt | sort -u")
    assert.same(tracked, installed)
    local files = {}
    for i, name in ipairs(libraries) do files[i] = "gpupt/" .. name .. ".so" end
    assert.same(files, lines(must("cd " .. first .. "/lib/lua/5.4 && find gpupt -type f")))
  end)

  it("exports one symbol per library and links no liblua", function()
    for _, name in ipairs(libraries) do
      local library = first .. "/lib/lua/5.4/gpupt/" .. name .. ".so"
      assert.same({ "luaopen_gpupt_" .. name }, lines(must("nm -D --defined-only " .. library .. " | awk '{print $3}'")))
      assert.is_nil(must("ldd " .. library):find "liblua")
    end
  end)

  it("installs from a file:// server without the checkout, and works from another folder", function()
    must("mkdir -p " .. dir .. "/server && cd " .. dir .. "/server && " .. rocks .. "--tree=" .. first .. " pack gpupt")
    must("cd " .. dir .. "/server && luarocks-admin --lua-version=5.4 make-manifest .")
    must(clean .. rocks .. "--tree=" .. second .. " install gpupt --only-server=file://" .. dir .. "/server")
    must("rm -rf " .. first)
    local env = ("eval \"$(%s --tree=%s path)\" && "):format(rocks, second)
    local elsewhere = clean .. "bash -c '" .. env:gsub("'", "'\\''") .. "mkdir -p elsewhere && cd elsewhere && "
    assert.matches("^gpupt %d", must(elsewhere .. [[lua5.4 -e "print(require([=[gpupt]=])._VERSION)"']]))
    local output = must(elsewhere .. second .. "/bin/gpupt bar 2x10de:20b5'")
    assert.matches("512", output)
  end)

  it("needs no other rock, so that an offline install works", function()
    local spec = {}
    assert(loadfile("rockspec/gpupt-scm-1.rockspec", "t", spec))()
    assert.same({ "lua >= 5.4, < 5.5" }, spec.dependencies)
  end)
end)

describe("NOTICE", function()
  it("names the source of the generated schema and its licence", function()
    local file = assert(io.open "NOTICE")
    local text = file:read "a"
    file:close()
    assert.matches("pyVmomi 9%.1%.1%.0", text)
    assert.matches("Apache License, Version 2%.0", text)
  end)
end)
