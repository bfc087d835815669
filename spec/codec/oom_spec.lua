--- Memory runs out at every single allocation in turn, of Lua and of C, over all that the codec does.
local wire = require "spec.codec.wire"

-- It uses the plain libraries in any case.
if os.getenv "GPUPT_SANITIZED" then return end

describe("the codec when memory runs out", function()
  local ok, text
  setup(function()
    assert.is_true(wire.run("make -s build/oomhost"))
    -- the interposed malloc and a sanitizer's do not go together
    ok, text = wire.run("env -u LD_PRELOAD GPUPT_BUILD=build LUA_CPATH='build/lib/?.so;;' "
      .. "build/oomhost spec/codec/oom_bodies.lua 2>build/oomhost.log") -- where libxml2 tells of its own failures
  end)

  it("fails cleanly at each of them, and works again afterwards", function()
    assert.is_true(ok, text)
    assert.is_nil(text:match("[^\n]*not ok[^\n]*"))
  end)

  it("has really met hundreds of failures", function()
    local failures = 0
    for count in text:gmatch("(%d+) failed, one by one") do failures = failures + tonumber(count) end
    assert.is_true(failures > 500, failures .. " failures:\n" .. text)
  end)

  it("leaks no C block", function()
    assert.matches("ok %d+ %- the end: every C block was given back: 0 blocks left", text)
  end)
end)
