-- Commands for the first logon were entries of FirstLogonCommands of their own. Windows starts all of them at the same time
-- (Microsoft's reference, SynchronousCommand/Order), so that a command that needs Tools ran beside their installer.
local answer = require "gpupt.guest.answer"
local xml = require "gpupt.guest.xml"

describe("commands for the first logon", function()
  it("are one entry: cmd.exe runs them one after the other, behind Tools", function()
    local text = assert(answer.windows { computer_name = "CAD-01", password = "x", image = 1, commands = { "one", 'two "a & b"' } })
    local found = {}
    for _, settings in ipairs(xml.all(assert(xml.parse(text)), "settings")) do
      for _, one in ipairs(xml.all(settings, "component", "FirstLogonCommands", "SynchronousCommand")) do
        found[#found + 1] = xml.value(one, "CommandLine")
      end
    end
    assert.equal(1, #found)
    assert.matches('^cmd%.exe /s /c "powershell%.exe .*setup64%.exe.* & %(one%) & %(two "a & b"%)"$', found[1])
  end)
end)
