local gpupt = require "gpupt"
local failure = require "gpupt.failure"

describe("gpupt.check", function()
  it("returns results unchanged", function()
    local a, b, c = gpupt.check(1, nil, false)
    assert.same({ 1, nil, false }, { a, b, c })
    assert.equal(false, (gpupt.check(false, "an absent optional is false, not a failure")))
  end)

  it("returns a nil without a message, which is not a failure", function()
    assert.is_nil((gpupt.check(nil)))
  end)

  it("raises an object with message, code, detail and the caller's source line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() gpupt.check(nil, "no such key", "ENOENT", { key = "firmware" }) end)
    assert.is_false(ok)
    assert.equal("no such key", err.message)
    assert.equal("ENOENT", err.code)
    assert.same({ key = "firmware" }, err.detail)
    assert.matches("failure_spec.lua:" .. line .. "$", err.where)
    assert.equal(err.where .. ": no such key", tostring(err))
  end)

  it("is reversed by failure.catch, which re-raises bugs", function()
    local a, b, c, d = failure.catch(function() gpupt.check(nil, "gone", "ENOENT", { 1 }) end)
    assert.same({ nil, "gone", "ENOENT", { 1 } }, { a, b, c, d })
    assert.error_matches(function() failure.catch(function() error("a bug", 0) end) end, "^a bug$")
    assert.equal(3, failure.catch(function() return 3 end))
  end)
end)

describe("require 'gpupt'", function()
  it("loads no module and no library until it is used", function()
    local program = [[
      local gpupt = require "gpupt"
      for name in pairs(package.loaded) do
        if name:find "^gpupt%." and name ~= "gpupt.failure" then print(name) end
      end
      print(gpupt.no_such_room)]]
    local pipe = assert(io.popen("lua5.4 -e '" .. program .. "'"))
    local output = pipe:read "a"
    pipe:close()
    assert.equal("nil\n", output)
  end)

  it("prints as visible text, and keeps its message unchanged", function()
    local ok, err = pcall(failure.check, nil, "a\27[31m\nb", "EX")
    assert.is_false(ok)
    assert.equal("a\27[31m\nb", err.message)
    assert.matches("a\\x1b[31m\\nb", tostring(err), 1, true)
  end)
end)
