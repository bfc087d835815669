-- --var gives text: a variable whose default is a number became a string, and `count = vars.count` was refused with
-- "must be an integer, not a string".
local gpupt = require "gpupt"
local command = require "spec.support.command"

describe("a variable", function()
  local folder
  setup(function() folder = command.folder() end)
  teardown(function() folder.remove() end)

  local function load(declaration, given)
    folder.write("play.lua", ([[
local p = require "gpupt.playbook"
local vars = p.vars { %s }
for name in pairs { %s } do end
got = nil or vars
return p.playbook { name = "x", p.vms { where = "/DC0/vm/a", p.gpu.attach { devices = p.gpus { match = "10de:*" },
  count = vars.count, power_on = vars.on } } }]]):format(declaration, ""):gsub("got = nil or vars\n", ""))
    local pb, message, code = gpupt.playbook.load(folder.path .. "/play.lua", given)
    if not pb then return nil, (message:gsub("^.*/play.lua", "play.lua")), code end
    return pb.root.children[1].children[1].options
  end

  it("gets the type of its default", function()
    assert.equal("integer", math.type(load("count = { default = 1 }, on = { default = true }", { count = "4" }).count))
    assert.equal(4, load("count = { default = 1 }, on = { default = true }", { count = "4" }).count)
    assert.is_false(load("count = { default = 1 }, on = { default = true }", { on = "false" }).power_on)
  end)
  it("gets the type that it is declared with", function()
    assert.equal(2, load("count = { type = 'integer' }, on = { type = 'boolean' }", { count = "2", on = "yes" }).count)
    assert.equal(2, load("count = { type = 'integer' }, on = { type = 'boolean' }", { count = 2, on = true }).count)
  end)
  it("is refused with its line, its name and what it should be", function()
    local _, message = load("count = { default = 1 }, on = { default = true }", { count = "four" })
    assert.equal("play.lua:2: p.vars: count = 'four' is not a number", message)
    _, message = load("count = { type = 'integer' }, on = { default = true }", { count = "1.5" })
    assert.equal("play.lua:2: p.vars: count = '1.5' is not an integer", message)
    _, message = load("count = { default = 1 }, on = { type = 'boolean' }", { on = "maybe" })
    assert.equal("play.lua:2: p.vars: on = 'maybe' is neither true nor false", message)
    _, message = load("count = { default = 1, choices = { 1, 2, 4 } }, on = { default = true }", { count = "3" })
    assert.equal("play.lua:2: p.vars: count = '3' is not one of 1, 2, 4", message)
  end)
  it("has a default of its type", function()
    local _, message = load("count = { type = 'integer', default = 'two' }, on = { default = true }", {})
    assert.equal("play.lua:2: p.vars: count: its default 'two' is not an integer", message)
    _, message = load("count = { type = 'intger' }, on = { default = true }", {})
    assert.matches("play.lua:2: p.vars: count: option 'type' cannot be 'intger'", message, 1, true)
  end)
  it("that is a secret is text, whatever it looks like, and its value is in no message", function()
    local _, message = load("pin = { secret = true, type = 'integer' }, count = { default = 1 }, on = { default = true }",
      { pin = "hunter2" })
    assert.equal("play.lua:2: p.vars: pin: a secret has no type: it is text", message)
  end)
end)
