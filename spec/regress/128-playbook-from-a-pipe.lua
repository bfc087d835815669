-- gpupt apply read the beginning of its file to recognize a plan, and then the playbook from where that had ended: of a
-- playbook from a pipe only what followed the first 4 KiB was executed.
local command = require "spec.support.command"

describe("a playbook from a pipe", function()
  local function apply(text)
    local folder = command.folder()
    folder.write("play.lua", text)
    os.execute(("cd '%s' && bash -c \"'%s/bin/gpupt' apply <(cat play.lua) --url 127.0.0.1:1 --username u\" >out 2>err")
      :format(folder.path, os.getenv "PWD"))
    local err = folder.read "err"
    folder.remove()
    return err
  end

  it("is executed from its beginning", function()
    assert.matches("the beginning", apply 'error("the beginning", 0)\n', 1, true)
  end)

  it("is not executed without its beginning", function()
    local head = 'error("the beginning", 0)\n' .. ("-"):rep(4096 - 27) .. "\n"
    local text = apply(head .. 'error("the end", 0)\n')
    assert.matches("the beginning", text, 1, true)
    assert.is_nil(text:find("the end", 1, true))
  end)
end)
