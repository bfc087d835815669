--- guest.verify { run = } failed in guests that had run it well: at colors, UTF-16 or bytes of a code page in its output
-- ("ReconfigVM_Task: ... the text has a control character"), and in Windows at each pipe, because the batch file that
-- started cmd.exe read it. An empty run proved anything.
local gpupt = require "gpupt"
local cmd = require "spec.support.cmd_model"
local lab = require "spec.support.lab"
local shell = require "gpupt.shell"
local text = require "gpupt.text"

local check = gpupt.check

describe("run of guest.verify", function()
  local site

  setup(function()
    local function vm(name, installed, device)
      return { name = name, host = "esx-1", installed = installed, power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = "ops", password = "Train-1-pass",
        devices = { device }, more = { driver = installed == "windows" and "551.61" or "550.107.02" },
        extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "512" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { cards = {
      lab.card("0000:41:00.0", { enabled = true }), lab.card("0000:42:00.0", { enabled = true }) } }) } } },
      datastores = { { name = "ds-1" } },
      vms = { vm("lin", "ubuntu", "0000:41:00.0"), vm("win", "windows", "0000:42:00.0") } } }
    for _, name in ipairs { "lin", "win" } do check(site:client().guest:ready(check(site:client():one("/DC0/vm/" .. name)))) end
  end)
  teardown(function() site:stop() end)

  local function verify(name, run, more)
    return site:apply(([=[
return p.playbook { name = "v", p.vms { where = "/DC0/vm/%s", login = p.login("ops", p.secret.command "echo Train-1-pass"),
  p.guest.verify { run = %q %s } } }]=]):format(name, run, more or ""))
  end

  local function proof(...)
    local result, message = verify(...)
    assert(result, message)
    assert.equal("done", result.status, result.targets[1].message)
    return result.targets[1].proofs["guest.verify"]:match "; run: (.*)$"
  end

  it("may print what it likes", function()
    assert.equal([[\x1b[1mok]], proof("lin", [[printf '\033[1mok\n']]))
    assert.equal("ok", proof("lin", [[printf '\377\376o\000k\000']], ', output = "ok"'))
    assert.equal([[\x00\x01]], proof("lin", [[printf '\000\001']]))
    assert.equal([[\xffx]], proof("lin", [[printf '\377x']]))
    assert.equal([[\uffff]], proof("lin", [[printf '\357\277\277']]))
    assert.equal(("\u{fc}"):rep(149) .. "x", proof("lin", [[for i in $(seq 400); do printf ü; done; printf x]]))
  end)

  it("is a command line of cmd.exe with its pipes and quotes", function()
    assert.matches("^GPU 0: NVIDIA A100", proof("win", [[nvidia-smi -L | find "A100"]]))
    assert.equal("& x", proof("win", "echo ^& x"))
    assert.equal([["a|b" c]], proof("win", [[echo "a|b" c]]))
    assert.matches("^GPU 0: ", proof("win", [["C:\Windows\System32\nvidia-smi.exe" "-L"]]))
    local result = verify("win", "nvidia-smi -L\nexit 3")
    assert.matches("cmd.exe takes one line", result.targets[1].message, 1, true)
  end)

  it("proves something", function()
    for _, options in ipairs { 'run = " "', 'run = "true", output = ""' } do
      local ok, message = pcall(site.plan, site, ('return p.playbook { name = "v", p.vms { where = "/DC0/vm/lin", '
        .. 'login = p.login("ops", p.secret.command "echo Train-1-pass"), p.guest.verify { %s } } }'):format(options))
      assert.is_false(ok)
      assert.matches("is empty", tostring(message), 1, true)
    end
  end)

  it("is what cmd.exe runs, whatever its characters are", function()
    local letters = { "a", " ", "'", '"', "%", "&", "|", "(", ")", "<", ">", "^", "!", "ö", "\\", "=", ";", ",", '""', "&&" }
    local state = 5
    for _ = 1, 500 do
      local line = {}
      for n = 1, 12 do
        state = (state * 1103515245 + 12345) % 2147483648
        line[n] = letters[state // 65536 % #letters + 1]
      end
      local typed = "x" .. table.concat(line) .. "x"
      local batch = ([["C:\Windows\System32\cmd.exe" %s >"out" 2>"err" <nul]]):format((shell.cmd(typed):gsub("%%", "%%%%")))
      local command, files = cmd.split(cmd.batch(batch, "C:\\"))
      assert.same({ ["1"] = "out", ["2"] = "err", ["<"] = "nul" }, files)
      assert.equal(typed, cmd.after_c(command:match '^"[^"]*" (.*)$'))
    end
  end)

  it("is shown from the beginning of a character", function()
    assert.equal("\u{fc}b", text.tail("a\u{fc}\u{fc}b \n", 4))
    assert.equal("ab", text.tail("ab\n", 2))
  end)
end)
