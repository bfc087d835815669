local options = require "gpupt.options"

describe("a declared option table", function()
  local opts = options.declare("spec.window", {
    { "rule", "string", choices = { "min", "safe", "seed" }, default = "safe", doc = "how" },
    { "count", "integer", required = true, doc = "cards" },
    { "each", "callable", doc = "per card" },
    { "size", "integer|string", doc = "bytes, or text" },
  })
  local function window(o)
    o = opts:check(o) -- not a tail call, as in a real function: the level counts frames
    return o
  end

  it("returns the defaults and the given values", function()
    assert.same({ rule = "safe", count = 2 }, window { count = 2 })
    assert.same({ rule = "min", count = 1, size = "16M" }, window { rule = "min", count = 1, size = "16M" })
  end)

  it("does not change the caller's table", function()
    local given = { count = 1 }
    window(given)
    assert.same({ count = 1 }, given)
  end)

  it("raises for an unknown option and names the nearest, at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() window { count = 1, rul = "min" } end)
    assert.is_false(ok)
    assert.matches("options_spec.lua:" .. line .. ": spec.window: unknown option 'rul' %(did you mean 'rule'%?%)", message)
  end)

  it("suggests nothing for a name without a similar one", function()
    assert.error_matches(function() window { count = 1, frobnicate = 1 } end, "unknown option 'frobnicate'$")
  end)

  it("raises for a wrong type; a float is not an integer", function()
    assert.error_matches(function() window { count = "2" } end, "option 'count' must be an integer, not a string")
    assert.error_matches(function() window { count = 2.5 } end, "must be an integer, not a float")
    assert.error_matches(function() window { count = 1, size = {} } end, "must be an integer or string, not a table")
  end)

  it("raises for a choice that does not exist", function()
    assert.error_matches(function() window { count = 1, rule = "save" } end,
      "cannot be 'save', only one of min, safe, seed %(did you mean 'safe'%?%)")
  end)

  it("raises if a required option is missing, and if options are not a table", function()
    assert.error_matches(function() window {} end, "option 'count' is required")
    assert.error_matches(function() window(7) end, "options must be a table, not a number")
  end)

  it("accepts any callable value for a callable", function()
    local callable = setmetatable({}, { __call = function() end })
    assert.equal(callable, window({ count = 1, each = callable }).each)
  end)
end)
