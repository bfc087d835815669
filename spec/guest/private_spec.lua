-- An answer medium holds a password: the file is its owner's alone.
local answer = require "gpupt.guest.answer"
local vcenter = require "spec.support.vcenter"

describe("a saved answer medium", function()
  local dir
  setup(function() dir = vcenter.shell "mktemp -d":match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function mode(name) return (vcenter.shell(("stat -c %%a %s/%s"):format(dir, name)):match "%d+") end

  it("is readable by its owner alone, also when the example writes it over an open file", function()
    assert.is_true(answer.save(dir .. "/a.iso", "bytes"))
    assert.equal("600", mode "a.iso")
    assert.equal("bytes", vcenter.read(dir .. "/a.iso"))
    if not pcall(require, "gpupt.iso") then return end
    assert(os.execute(("touch %s/render-answer.iso && chmod 666 %s/render-answer.iso"):format(dir, dir)))
    assert(os.execute(("WINDOWS_PASSWORD=w LINUX_PASSWORD=l lua5.4 examples/answer_media.lua %s >/dev/null"):format(dir)))
    assert.same({ "600", "600" }, { mode "render-answer.iso", mode "train-answer.iso" })
  end)

  it("is not written through a symbolic link", function()
    vcenter.write(dir .. "/victim", "precious")
    assert(os.execute(("ln -s %s/victim %s/link.iso"):format(dir, dir)))
    local ok, message, code = answer.save(dir .. "/link.iso", "bytes")
    assert.is_nil(ok)
    assert.equal("ELOOP", code)
    assert.matches("symbolic link", message, 1, true)
    assert.equal("precious", vcenter.read(dir .. "/victim"))
  end)

  it("accepts a path and bytes", function()
    assert.has_error(function() answer.save(dir) end)
  end)
end)
