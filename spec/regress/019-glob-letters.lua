--- In an inventory path "?" and "[...]" stood for one byte, so that "t?" did not match "té" and "[é]" matched half a
-- letter. They stand for one letter, as govc has it; and "%5c*" is a backslash followed by anything.
local glob = require "gpupt.vim.glob"

local function fits(pattern, name) return glob.compile(pattern)(name) end

describe("a glob over a name outside ASCII", function()
  it("counts letters, not bytes", function()
    assert.is_true(fits("t?", "t\u{e9}"))
    assert.is_true(fits("?t?", "\u{e9}t\u{4e2d}"))
    assert.is_false(fits("t??", "t\u{e9}"))
    assert.is_true(fits("[\u{e9}a]t", "\u{e9}t"))
    assert.is_true(fits("[\u{e0}-\u{ff}]", "\u{e9}"))
    assert.is_false(fits("[!\u{e9}]", "\u{e9}"))
    assert.is_true(fits("*\u{e9}", "abc\u{e9}"))
  end)

  it("supports sets, ranges, negation, escapes, and a bracket that is never closed", function()
    for _, case in ipairs {
      { "*", "", true }, { "", "", true }, { "", "a", false }, { "a*b*c", "axxbyyc", true }, { "a*b*c", "axxbyy", false },
      { "**", "ab", true }, { "[a-c]1", "b1", true }, { "[a-c]1", "d1", false }, { "[^a-c]", "d", true },
      { "[!a-c]", "a", false }, { "[]a]", "]", true }, { "[a-]", "-", true }, { "[\\]]", "]", true },
      { "\\*", "*", true }, { "\\*", "x", false }, { "[a", "[a", true }, { "[a", "a", false }, { "a\\", "a\\", true },
      { "a.c", "abc", false }, { "%d", "1", false }, { "W11-?", "W11-12", false },
    } do
      assert.are.equal(case[3], fits(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)

  it("takes no longer with more stars", function()
    local from = os.clock()
    assert.is_false(fits(("*a"):rep(30) .. "b", ("a"):rep(2000)))
    assert.is_true(os.clock() - from < 1)
  end)
end)
