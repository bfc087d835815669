--- A percent sign in the path of a program, of its folder or of the temporary folder of a Windows guest was read as a
-- variable by cmd.exe: "C:\100% x\setup.exe" was not found. The name of a user with an umlaut in the temporary folder was
-- written in UTF-8 and read in the console's code page. An ampersand in it ended the command line of cmd /c.
local cmd = require "spec.support.cmd_model"
local script = require "gpupt.vim.guest_script"

describe("a Windows guest's script", function()
  it("finds a program whose folder has a percent sign", function()
    local _, text = script.of("windows", [[C:\T\g]], { { program = [[C:\100% x\50%\setup.exe]], directory = [[C:\5%\6%]] } })
    local lines = {}
    for line in text:gmatch "([^\r\n]+)\r\n" do lines[#lines + 1] = cmd.batch(line, [[C:\T\g\]]) end
    assert.equal([[cd /d "C:\5%\6%"]], lines[2])
    assert.equal([["C:\100% x\50%\setup.exe"]], cmd.split(lines[3]))
  end)

  it("is found in a folder with an ampersand", function()
    local _, arguments = script.command("windows", [[C:\Users\R&D\Temp\g\run.cmd]])
    assert.equal([["C:\Users\R&D\Temp\g\run.cmd"]], cmd.after_c(arguments))
  end)
end)
