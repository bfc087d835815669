--- Memory runs out at every single allocation in turn, of Lua and of C, over the C code of the offline modules.
-- It uses the plain libraries in any case.
if os.getenv "GPUPT_SANITIZED" then return end

describe("the offline modules when memory runs out", function()
  local text, ok
  setup(function()
    assert.is_true(os.execute "make -s build/oomhost core >/dev/null")
    -- the interposed malloc and a sanitizer's do not go together
    local pipe = assert(io.popen("env -u LD_PRELOAD GPUPT_BUILD=build LUA_CPATH='build/lib/?.so;;' "
      .. "build/oomhost spec/json/oom_bodies.lua 2>&1"))
    text = pipe:read "a"
    ok = pipe:close()
  end)

  it("fail cleanly at each of them, and work again afterwards", function()
    assert.is_true(ok, text)
    assert.is_nil(text:match "[^\n]*not ok[^\n]*")
  end)

  it("have really met hundreds of failures", function()
    local failures = 0
    for count in text:gmatch "(%d+) failed, one by one" do failures = failures + tonumber(count) end
    assert.is_true(failures > 300, failures .. " failures:\n" .. text)
  end)

  it("leak no C block", function()
    assert.matches("ok %d+ %- the end: every C block was given back: 0 blocks left", text)
  end)
end)
