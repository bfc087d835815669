-- Help fits a terminal of 80 columns.
local args = require "gpupt.cli.args"
local cli = require "gpupt.cli"
local visible = require "gpupt.visible"

local function too_wide(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    if visible.width(line) > 80 then list[#list + 1] = line end
  end
  return list
end

describe("help", function()
  for _, name in ipairs(cli.commands) do
    it(("of gpupt %s has no line of more than 80 columns"):format(name), function()
      assert.same({}, too_wide(args.help(cli.load(name))))
    end)
  end

  it("of gpupt itself has no line of more than 80 columns", function()
    local pipe = assert(io.popen "bin/gpupt help")
    local text = pipe:read "a"
    assert.is_true(pipe:close())
    assert.same({}, too_wide(text))
    assert.matches("\n  plan +%l", text)
  end)

  it("is measured: a wide line is found", function()
    assert.same({ ("x"):rep(81) }, too_wide("usage\n" .. ("x"):rep(81) .. "\n" .. ("y"):rep(80)))
  end)
end)
