-- The message about a failed p.secret.command repeated its whole command line, and the journal stored it.
local probe_of = require "spec.support.probe"
local vcenter = require "spec.support.vcenter"

describe("a secret's command", function()
  it("is reported with its program only", function()
    local probe = probe_of.start()
    local path = probe:write "local secret = p.secret.command 'false --pin 4711-0815'\n"
    local journal = probe.dir .. "/j.db"
    local result = probe.l:command { "apply", path, "--journal", journal, "--events" }
    assert.equal(1, result.status)
    assert.matches("the secret of the command false ...: it ended with status 1", result.out .. result.err, 1, true)
    for _, text in ipairs { result.out, result.err, vcenter.read(journal), vcenter.read(journal .. "-wal") or "" } do
      assert.is_nil(text:find("4711-0815", 1, true))
    end
    probe:stop()
  end)
end)
