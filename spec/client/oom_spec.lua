--- Memory runs out at every single allocation in turn, of Lua and of C, between a request and its answer.
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("the transport when memory runs out", function()
  local text, left, own, folder
  setup(function()
    assert.is_true(os.execute "make -s build/oomhost net >/dev/null")
    folder = vcenter.shell("mktemp -d -t gpupt-oom.XXXXXX"):match "%S+"
    local oom, port = server.start("spec/client/oom_server.py", folder .. "/port")
    -- libcurl resolves names in a thread, and one that was just detached on a busy system still holds blocks when
    -- they are counted: then it runs again. The blocks of our own code are counted apart, and none may be left in any run.
    own = {}
    for run = 1, 4 do
      -- the interposed malloc and a sanitizer's do not go together
      text = vcenter.shell(("env -u LD_PRELOAD GPUPT_BUILD=build LUA_CPATH='build/lib/?.so;;' "
        .. "GPUPT_OOM_SERVER=http://127.0.0.1:%d timeout 120 build/oomhost spec/client/oom_bodies.lua 2>%s/log"):format(
          assert(port), folder))
      left = tonumber(text:match "%- the end: every C block was given back: (%-?%d+) blocks left")
      own[run] = tonumber(text:match "every block of gpupt's own was given back: (%d+) blocks left") or text
      if not left or left <= 3 then break end
    end
    oom:close()
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  it("fails cleanly at each of them, ends in time, and works again afterwards", function()
    for line in text:gmatch "[^\n]+" do
      assert.is_true(line:find "^not ok" == nil or line:find(" - the end: ", 1, true) ~= nil, line)
    end
    local _, tried = text:gsub("\nok ", "")
    assert.is_true(tried >= 28, text)
  end)

  it("has really met hundreds of failures", function()
    local failures = 0
    for count in text:gmatch "(%d+) failed, one by one" do failures = failures + tonumber(count) end
    assert.is_true(failures > 1200, failures .. " failures:\n" .. text)
  end)

  it("leaks no C block of our own in any run", function()
    for _, count in ipairs(own) do assert.are.equal(0, count) end
    assert.is_true(#own > 0)
  end)

  it("leaks no block of the libraries", function()
    -- OpenSSL keeps a table that grew while it failed, the C library what belongs to a thread's stack: up to 3
    assert.is_truthy(left, text)
    assert.is_true(left <= 3, text)
  end)
end)
