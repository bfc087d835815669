-- A failure that was raised in a luv program after a wait ended it with "Uncaught Error: (null)": luv prints texts only.
local vcenter = require "spec.support.vcenter"

describe("a failure inside luv.go", function()
  it("ends the program with its message", function()
    local dir = vcenter.shell "mktemp -d":match "%S+"
    vcenter.write(dir .. "/program.lua", [[
      local gpupt, uv = require "gpupt", require "luv"
      local luv = gpupt.loop.use "luv"
      luv.go(function()
        gpupt.loop.sleep(0.01)
        gpupt.check(nil, "the host esx-1 is not there", "ENOENT")
      end)
      uv.run()
    ]])
    local text = vcenter.shell(("lua5.4 %s/program.lua 2>&1; echo status $?"):format(dir))
    os.execute("rm -rf " .. dir)
    assert.truthy(text:find("the host esx-1 is not there", 1, true), text)
    assert.is_nil(text:find("(null)", 1, true), text)
    assert.is_nil(text:find("status 0", 1, true), text)
  end)
end)
