-- The prompt for a secret printed the variable's name as it is in the plan file: a plan file of another user could send
-- escape sequences to the terminal.
local command = require "spec.support.command"
local json = require "gpupt.json"
local sha256 = require "gpupt.sha256"
local saved = require "gpupt.playbook.saved"

-- Runs a command on a terminal of its own, presses Ctrl-C at the prompt, prints what the terminal got.
local TERMINAL = [[
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
text, pressed = b"", False
while True:
    try:
        more = os.read(fd, 4096)
    except OSError:
        break
    if not more:
        break
    text += more
    if not pressed and b": " in text:
        time.sleep(0.2)
        os.write(fd, b"\x03")
        pressed = True
os.waitpid(pid, 0)
sys.stdout.buffer.write(text)
]]

describe("the prompt for a secret", function()
  it("shows the variable's name without control characters", function()
    local folder = command.folder()
    folder.write("terminal.py", TERMINAL)
    folder.write("play.lua", "return 1\n")
    local hash = sha256 "return 1\n"
    local plan = { format = "gpupt plan 2", playbook = "play.lua", hash = hash, endpoint = "vc", guards = json.array {},
      files = json.array { { path = "play.lua", hash = hash } }, changes = json.array {}, text = "",
      vars = { ["\27]0;owned\7"] = { ["$missing"] = "secret" } } }
    plan.guards = { x = "y" }
    plan.seal = assert(saved.seal(plan))
    folder.write("plan.json", assert(json.document(plan)))
    local pipe = assert(io.popen(("cd '%s' && python3 terminal.py '%s/bin/gpupt' apply plan.json --journal j.db "
      .. "--url 127.0.0.1:1 --username u </dev/null 2>&1"):format(folder.path, os.getenv "PWD")))
    local text = pipe:read "a"
    pipe:close()
    assert.matches("vars.\\x1b]0;owned\\x07: ", text, 1, true)
    assert.is_nil(text:find("\27", 1, true))
    folder.remove()
  end)
end)
