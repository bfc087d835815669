--- Memory runs out at every single allocation in turn, of Lua and of C, while a .vmx is read, edited and saved.
-- It uses the plain libraries in any case.
if os.getenv "GPUPT_SANITIZED" then return end

describe("a vmx when memory runs out", function()
  local text, ok, folder
  setup(function()
    assert.is_true(os.execute "make -s build/oomhost core >/dev/null")
    local made = assert(io.popen "mktemp -d")
    folder = made:read "l"
    made:close()
    -- the interposed malloc and a sanitizer's do not go together
    local pipe = assert(io.popen(("env -u LD_PRELOAD GPUPT_BUILD=build LUA_CPATH='build/lib/?.so;;' GPUPT_OOM_FOLDER='%s' "
      .. "build/oomhost spec/vmx/oom_bodies.lua 2>&1"):format(folder)))
    text = pipe:read "a"
    ok = pipe:close()
  end)
  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  it("fails cleanly at each allocation, and works again afterwards", function()
    assert.is_true(ok, text)
    assert.is_nil(text:match "[^\n]*not ok[^\n]*")
  end)

  it("has really met hundreds of failures", function()
    local failures = 0
    for count in text:gmatch "(%d+) failed, one by one" do failures = failures + tonumber(count) end
    assert.is_true(failures > 300, failures .. " failures:\n" .. text)
  end)

  it("leaves no C block behind", function()
    assert.matches("ok %d+ %- the end: every C block was given back: 0 blocks left", text)
  end)
end)
