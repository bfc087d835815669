-- gpupt status and a resumed download opened what had the name of their file before they looked at it: a FIFO there
-- made them wait without an end.
local command = require "spec.support.command"
local vcenter = require "spec.support.vcenter"

describe("a FIFO with the name of", function()
  it("the journal is refused by gpupt status", function()
    local folder = command.folder()
    os.execute(("mkfifo '%s/j.db'"):format(folder.path))
    local _, how, status = os.execute(("cd '%s' && timeout 5 '%s/bin/gpupt' status --journal j.db >out 2>err"):format(
      folder.path, os.getenv "PWD"))
    assert.same({ "exit", 1 }, { how, status })
    assert.matches("not a regular file", folder.read "err", 1, true)
    folder.remove()
  end)

  it("a part is refused when the download is resumed", function()
    local sim = vcenter.start()
    os.execute(("mkfifo '%s/file.iso.part'"):format(sim.dir))
    vcenter.write(sim.dir .. "/get.lua", ([[
      local gpupt = require "gpupt"
      local vc = gpupt.check(gpupt.vim.connect { url = %q, username = %q, password = %q, ca_file = %q })
      local ok, message = vc.datastore:download("[ds-1] iso/ubuntu-24.04.iso", %q, { resume = true })
      vc:close()
      print(ok, message)]]):format(sim.ready.url, sim.ready.username, sim.ready.password, sim.ready.ca_file,
      sim.dir .. "/file.iso"))
    local text = vcenter.shell("timeout 10 lua5.4 " .. sim.dir .. "/get.lua 2>&1")
    assert.matches("file.iso.part: not a regular file", text, 1, true)
    sim:stop()
  end)
end)
