--- Memory runs out at every single allocation in turn, of Lua and of C, while answer files are read.
local found = pcall(require, "gpupt.iso")

describe("the readers of answer files when memory runs out", function()
  if not found then return pending "gpupt.iso is built only where libarchive and libyaml are found" end
  local text, ok
  setup(function()
    assert.is_true(os.execute "make -s build/oomhost iso >/dev/null")
    -- the interposed malloc and a sanitizer's do not go together
    local pipe = assert(io.popen("env -u LD_PRELOAD GPUPT_BUILD=build LUA_CPATH='build/lib/?.so;;' "
      .. "build/oomhost spec/guest/oom_bodies.lua 2>build/oomhost.log")) -- where libxml2 tells of its own failures
    text = pipe:read "a"
    ok = pipe:close()
  end)

  it("give what they should while there is some", function()
    for _, body in pairs(dofile "spec/guest/oom_bodies.lua") do body() end
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
