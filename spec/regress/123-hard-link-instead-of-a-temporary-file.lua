-- A writer that finds the temporary file of a killed one truncates it to one byte. If that name was a hard link, the
-- other file lost its content. A killed writer itself leaves such a link on file systems where it publishes by linking.
local gpupt = require "gpupt"
local system = require "gpupt.core".system
local vcenter = require "spec.support.vcenter"

describe("a file that is replaced", function()
  local dir
  before_each(function()
    dir = vcenter.shell("mktemp -d"):match "%S+"
    vcenter.write(dir .. "/important", "all of this stays")
    assert(os.execute(("ln '%s/important' '%s/.out.gpupt~'"):format(dir, dir)))
  end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  local function check()
    assert.equal("all of this stays", vcenter.read(dir .. "/important"))
    assert.is_nil(vcenter.read(dir .. "/.out.gpupt~"))
  end

  it("does not touch another file that its temporary name links to (plan file)", function()
    assert(system.write(dir .. "/out", "new"))
    assert.equal("new", vcenter.read(dir .. "/out"))
    check()
  end)

  it("does not touch another file that its temporary name links to (vmx)", function()
    vcenter.write(dir .. "/out", 'guestOS = "ubuntu-64"\n')
    local doc = gpupt.check(gpupt.vmx.open(dir .. "/out"))
    doc:set("numvcpus", "4")
    gpupt.check(doc:save())
    check()
  end)
end)
