-- Names, logs, .vmx files, guests, faults and arguments were sent to the terminal unchanged: an escape sequence in a VM's
-- name cleared the screen or set its title, a bidi override reversed a line, a line end faked a line of gpupt.
local command = require "spec.support.command"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

-- Characters that XML can contain (names and faults of a server), those of UTF-8, and any bytes.
local XML = "ev\u{9b}31m\u{85}\u{200b}\u{200f}\u{202e}\u{2066}\u{2028}\u{61c}\u{feff}il\t\nFAKE-LINE"
local TEXT = "ev\27[31m\27]0;title\7\r\b\127" .. XML
local BYTES = "ev\27[2J\x9b31m\xff\xc3 \xed\xa0\x80" .. TEXT

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local forbidden = { { 0x80, 0x9f }, { 0x61c, 0x61c }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x2069 },
  { 0xfeff, 0xfeff } }

--- A character that must not be sent to a terminal, or nil.
local function problem_of(text)
  local at = text:find "[\0-\9\11-\31\127]"
  if at then return ("byte %02x at %d"):format(text:byte(at), at) end
  if not utf8.len(text) then return "no UTF-8" end
  for at_byte, code in utf8.codes(text) do
    for _, range in ipairs(forbidden) do
      if code >= range[1] and code <= range[2] then return ("U+%04X at %d"):format(code, at_byte) end
    end
  end
  if ("\n" .. text):find("\nFAKE-LINE", 1, true) then return "a line that the text of another made" end
end

local function assert_safe(text, what)
  local problem = problem_of(text)
  assert.is_nil(problem, ("%s: %s\n%s"):format(what, problem or "", text:gsub("[^\n\32-\126]", "?")))
end

describe("what a command prints", function()
  local folder, seen
  setup(function() folder = command.folder() end)
  teardown(function() folder.remove() end)
  before_each(function() seen = 0 end)

  --- Runs the command and checks both of its outputs; `expected` must be there, as proof that the hostile text
  -- was used.
  local function run(words, expected)
    local status, out, err = folder.gpupt(words)
    assert_safe(out, words .. ": stdout")
    assert_safe(err, words .. ": stderr")
    if expected then assert.is_truthy((out .. err):find(expected, 1, true), words .. "\n" .. out .. err) end
    seen = seen + 1
    return status, out, err
  end

  it("of arguments and the names of files is visible text", function()
    local evil = quote(BYTES)
    for _, name in ipairs { "plan", "apply", "status", "role", "gpus", "doctor", "vmx", "bar", "pci", "log", "vim" } do
      run(name .. " --" .. evil, "\\x1b[2J")
      run(name .. " " .. evil .. " " .. evil .. " --journal " .. evil)
      run(name .. " " .. evil)
    end
    run(evil, "unknown command")
    run("vmx get " .. evil .. " x", "\\x1b[2J")
    run("vmx diff " .. evil .. " x", "\\x1b[2J")
    run("log " .. evil, "\\x1b[2J")
    run("pci --from " .. evil, "\\x1b[2J")
    run("pci --root " .. evil)
    run("bar " .. evil, "\\x1b[2J")
    run("bar --cards " .. evil .. " 10de:20b5", "\\x1b[2J")
    run("bar --pages " .. evil, "\\x1b[2J")
    run("doctor --vmx " .. evil, "\\x1b[2J")
    run("doctor --bundle " .. evil, "\\x1b[2J")
    run("role --govc " .. evil, "\\x1b[2J")
    run("plan x.lua --var " .. evil, "\\x1b[2J")
    run("apply x.lua --allow " .. evil, "\\x1b[2J")
    run("vim get x --url " .. evil)
    run("vim help " .. evil, "\\x1b[2J")
    run("status --journal " .. evil, "\\x1b[2J")
    assert.is_true(seen > 40)
  end)

  it("of the environment is visible text", function()
    local name = folder.path .. "/environment"
    vcenter.write(name, ("export GOVC_URL=%s GOVC_USERNAME=%s GOVC_PASSWORD=x GOVC_TLS_CA_CERTS=%s XDG_STATE_HOME=%s\n")
      :format(quote(BYTES), quote(BYTES), quote("/" .. BYTES), quote("/" .. BYTES)))
    for _, words in ipairs { "gpus", "status", "vim get x", "doctor /DC0/vm/x" } do
      local pipe = assert(io.popen((". %s; bin/gpupt %s 2>&1"):format(name, words)))
      local out = pipe:read "a"
      pipe:close()
      assert_safe(out, words)
      assert.is_true(#out > 0)
    end
  end)

  it("of a .vmx is visible text, and its diff too", function()
    local line = BYTES:gsub("[\r\n]", " "):gsub('"', "")
    folder.write("a.vmx", ('.encoding = "UTF-8"\nfirmware = "bios"\ndisplayName = "%s"\n%s = "1"\nodd %s\n'
      .. 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "%s"\nguestOS = "%s"\nguestOS = "x"\n'):format(line, line, line,
      line, line))
    folder.write("b.vmx", ('firmware = "efi"\ndisplayName = "%s"\n'):format(line .. "x"))
    run("vmx check a.vmx", "\\x")
    run("vmx diff a.vmx b.vmx", "\\x1b[2J")
    run("vmx set a.vmx firmware=efi --dry-run --force", "\\x")
    run("vmx fix a.vmx --dry-run")
    run("doctor --vmx a.vmx", "\\x")
    run("vmx check a.vmx b.vmx --json")
    run("vmx diff a.vmx b.vmx --json", "\\u001B")
    run("vmx get a.vmx displayName --json", "\\u001B")
  end)

  it("of a value of a .vmx is the value itself for a program, and visible text on a terminal", function()
    local doc = require("gpupt.vmx").parse 'a = "1"\n'
    assert(doc:set("displayName", TEXT))
    folder.write("exact.vmx", tostring(doc))
    local _, out = folder.gpupt "vmx get exact.vmx displayName"
    assert.equal(TEXT .. "\n", out)
    _, out = folder.gpupt "vmx get exact.vmx displayName --json"
    assert_safe(out, "--json")
    assert.equal(TEXT, json.decode(out).displayName)
    local pipe = assert(io.popen(("TERM=dumb script -qec 'bin/gpupt vmx get %s/exact.vmx displayName' /dev/null </dev/null")
      :format(folder.path)))
    out = pipe:read "a"
    pipe:close()
    out = out:gsub("\r\n", "\n")
    assert_safe(out, "on a terminal")
    assert.is_truthy(out:find("\\x1b[31m", 1, true), out)
    assert.is_truthy(out:find("\\u202e", 1, true), out)
  end)

  it("of a log is visible text", function()
    local line = BYTES:gsub("\n", " ")
    folder.write("vmware.log", ("2024-01-01T00:00:00.000Z In(05) vmx - Log for VMware ESX pid=1 version=%s\n"
      .. "2024-01-01T00:00:00.000Z In(05) vmx - PCIPassthru: Device 0000:3b:00.0 barIndex 1 type 3 realaddr 0x1 size "
      .. "137438953472 flags 12 %s\n"
      .. "2024-01-01T00:00:00.000Z In(05) vmx - Module 'DevicePowerOn' power on failed. %s\n")
      :format(line, line, line))
    run("log vmware.log", "device-power-on")
    run("log vmware.log --all")
    -- colours are cleaned away before a log is read, other control characters are not
    run("log vmware.log --json", "\\u009B")
    run("doctor --log vmware.log")
    run("doctor --log vmware.log --json")
  end)

  it("of a list of PCI devices and of a table of cards is visible text", function()
    local line = BYTES:gsub("\n", " ")
    folder.write("esxcli.txt", ("0000:3b:00.0\n   Address: 0000:3b:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x20b5\n"
      .. "   Device Class: 0x0302\n   Vendor Name: %s\n   Device Name: %s\n   Configured Owner: %s\n   Module Name: %s\n")
      :format(line, line, line, line))
    run("pci --from esxcli.txt", "\\x1b]0;title")
    run("pci --from esxcli.txt --json", "\\u001B")
    run("pci --from esxcli.txt --together")
    folder.write("cards.txt", ("10de:20b5 | %s | %s | 0:mem32:16M 1:mem64:128G | S | %s\n"):format(line, line, line))
    run("bar --cards cards.txt 10de:20b5")
    run("bar --cards cards.txt --table")
    run("bar --cards cards.txt 10de:20b5 --json")
    folder.write("bad-cards.txt", line .. "\n")
    run("bar --cards bad-cards.txt 10de:20b5")
  end)

  it("of a playbook's errors and names is visible text", function()
    folder.write("text.lua", ("error(%q)"):format(BYTES))
    run("plan text.lua", "\\x1b[2J")
    folder.write("table.lua", ("error({ message = %q })"):format(BYTES))
    run("plan table.lua", "\\x1b[2J")
    folder.write("syntax.lua", "local x = " .. BYTES)
    run("plan syntax.lua", "syntax.lua")
    folder.write("word.lua", ("local p = require 'gpupt.playbook'\nreturn p[%q]"):format(BYTES))
    run("plan word.lua", "\\x1b[2J")
    folder.write("option.lua", ("local p = require 'gpupt.playbook'\nreturn p.playbook { [%q] = 1 }"):format(BYTES))
    run("role option.lua", "\\x1b[2J")
  end)

  it("of the journal is visible text", function()
    local db = assert(store.open(folder.path .. "/journal.db"))
    local id = TEXT:gsub("\n", " ")
    assert(db:begin { id = id, playbook = TEXT, hash = "x", endpoint = TEXT, who = TEXT, client_host = TEXT, note = "{}" })
    assert(db:append { run = id, kind = "change", target = TEXT, step = TEXT, what = TEXT, operation = TEXT })
    assert(db:append { run = id, kind = "result", target = TEXT, step = TEXT, what = TEXT, of = 1,
      detail = json.encode { ok = false, message = TEXT } })
    assert(db:append { run = id, kind = "target", target = TEXT, step = TEXT, what = TEXT })
    db:close()
    local _, out = run("status --journal journal.db", "\\x1b[31m")
    assert.equal(1, select(2, out:gsub("\n", "")))
    run("status ev --journal journal.db", "failed: ev\\x1b[31m")
    run("status ev --journal journal.db --all", "\\x1b[31m")
    run("status ev --journal journal.db --json", "\\u001B")
    run("status --journal journal.db --json", "\\u202E")
  end)
end)

describe("what a command prints of a fleet", function()
  local l
  local vm = { host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest", firmware = "efi",
    installed = "ubuntu", power = "poweredOn", username = "ops", password = "gu3st-Secret" }
  setup(function()
    vm.name = "vm" .. XML
    local host = lab.host("h1", { cards = { lab.card("0000:3b:00.0", { name = "GA100" .. XML, enabled = true,
      label = "label" .. XML }) } })
    l = lab.start { speed = 200, fleet = { clusters = { { name = "c" .. XML, hosts = { host } } },
      datastores = { { name = "ds-1" } }, networks = { "net" .. XML }, vms = { vm } } }
  end)
  teardown(function() l:stop() end)
  after_each(function() l.sim:calm() end)

  local function run(words, expected)
    local result = l:command(words)
    assert_safe(result.out, table.concat(words, " ") .. ": stdout")
    assert_safe(result.err, table.concat(words, " ") .. ": stderr")
    if expected then
      local all = result.out .. result.err
      assert.is_truthy(all:find(expected, 1, true), table.concat(words, " ") .. "\n" .. all)
    end
    return result
  end

  it("is visible text: cards, clusters, labels; the columns stay aligned", function()
    local result = run({ "gpus" }, "\\u202e")
    local head, row = result.out:match "^([^\n]*)\n([^\n]*)\n"
    local column = assert(head:find("STATE", 1, true))
    assert.equal("active", row:sub(column, column + 5))
    run({ "gpus", "--json" }, "\\u202E")
  end)

  it("is visible text: names and values that gpupt vim and gpupt doctor show", function()
    run({ "vim", "get", "/DC0/vm/vm*", "--property", "name" }, "\\u202e")
    run({ "vim", "get", "/DC0/vm/vm*", "--property", "name", "--property", "config.files", "--json" }, "\\u202E")
    run({ "vim", "get", "/DC0/vm/" .. TEXT, "--property", "name" })
    run({ "vim", "RetrieveServiceContent", "ServiceInstance" })
    run { "doctor", "/DC0/vm/vm*" }
    run { "doctor", "/DC0/vm/vm*", "--json" }
  end)

  it("is visible text: the messages of faults", function()
    l.sim:trouble({ method = "PowerOffVM_Task", count = 1 }, { kind = "fault", fault = "InvalidState", message = XML })
    run({ "vim", "PowerOffVM_Task", "/DC0/vm/vm*" }, "\\u202e")
    l.sim:trouble({ method = "PowerOffVM_Task", count = 1 }, { kind = "task-fail", fault = "InvalidState", message = XML })
    run({ "vim", "PowerOffVM_Task", "/DC0/vm/vm*" }, "\\u202e")
  end)

  it("is visible text: plan, progress, events, tables and errors of a run", function()
    local head = [[return p.playbook { name = NAME, p.vms { where = "/DC0/vm/vm*",
      login = p.login("ops" .. NAME, p.secret.callback(function() return "wr0ng-Secret" end)),
      p.guest.verify { gpus = 0 } } }]]
    local path = l:write(("local NAME = %q\n"):format(TEXT) .. head)
    run({ "plan", path }, "\\u202e")
    run({ "plan", path, "--json" }, "\\u202E")
    run({ "apply", path }, "\\u202e")
    run({ "apply", path, "--json" }, "\\u202E")
    run({ "apply", path, "--events" }, "\\u202E")
    run({ "status" }, "failed")
    run({ "plan", path, "--limit", TEXT }, "\\x1b[31m")
  end)

  it("is visible text: what a guest prints", function()
    local vc = l:client()
    assert(vc.guest:ready(assert(vc:one "/DC0/vm/vm*"), { timeout = 30 }))
    local text = [[
local step = p.step { name = "say.it", scope = "vms", options = {}, needs = {},
  observe = function() return {} end,
  plan = function() return { { sign = "+", what = "ask " .. NAME } } end,
  apply = function(ctx, target)
    local login = { username = "ops", password = "gu3st-Secret" }
    local said, message, code = ctx.vc.guest:run(target.ref, login, { program = "/bin/echo", arguments = "'" .. NAME .. "'" })
    if not said then return nil, message, code end
    ctx:note(target, said.stdout)
    return nil, "the guest said " .. said.stdout, "EGUEST"
  end,
  prove = function() return true end }
return p.playbook { name = "say", p.vms { where = "/DC0/vm/vm*", step {} } }]]
    local path = l:write(("local NAME = %q\n"):format(XML) .. text)
    run({ "apply", path }, "the guest said ev\\u009b31m")
    run({ "apply", path, "--events" }, "the guest said ev\\u009B31m")
  end)
end)
