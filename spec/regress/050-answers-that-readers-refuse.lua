--- Answer media were created with texts that installers refuse or change (U+0085 is a line break in YAML 1.1, U+FFFE is
-- not a character of XML), with empty and invalid names, and with a password that was checked only after the VM had been
-- created.
local answer = require "gpupt.guest.answer"
local first_light = require "spec.support.first_light"

local function linux(o)
  local options = { hostname = "train-01", user = "ops", password = "secret-" .. "word" }
  for key, value in pairs(o) do options[key] = value end
  return answer.cloud_init(options)
end

local function windows(o)
  local options = { computer_name = "CAD-01", password = "secret-" .. "word", image = 2 }
  for key, value in pairs(o) do options[key] = value end
  return answer.windows(options)
end

local function refused(make, o, word)
  local made, message, code = make(o)
  assert.is_nil(made)
  assert.equal("EINVAL", code)
  assert.matches(word, message, 1, true)
  assert.is_nil(message:find("secret-word", 1, true))
end

describe("a character that no installer accepts unchanged", function()
  local rows = {
    { "NUL", "\0", "U+0000" }, { "a control character", "\27", "U+001B" }, { "DEL", "\127", "U+007F" },
    { "U+0080", "\u{80}", "U+0080" }, { "U+0085", "\u{85}", "U+0085" }, { "U+009F", "\u{9F}", "U+009F" },
    { "U+2028", "\u{2028}", "U+2028" }, { "U+FEFF", "\u{FEFF}", "U+FEFF" }, { "U+FFFE", "\u{FFFE}", "U+FFFE" },
    { "U+FFFF", "\u{FFFF}", "U+FFFF" }, { "a lone surrogate", "\xED\xA0\x80", "UTF-8" },
    { "half a character", "\xC3", "UTF-8" },
  }
  for _, row in ipairs(rows) do
    it("is refused in each text of both answers: " .. row[1], function()
      local text = "secret-word" .. row[2]
      for _, name in ipairs { "password", "organization", "timezone", "keyboard", "image" } do
        refused(windows, { [name] = text }, row[3])
      end
      for _, name in ipairs { "commands", "drivers" } do refused(windows, { [name] = { text } }, row[3]) end
      for _, name in ipairs { "password", "timezone", "keyboard", "locale", "instance_id" } do
        refused(linux, { [name] = text }, row[3])
      end
      for _, name in ipairs { "packages", "ssh_keys", "runcmd", "late_commands" } do
        refused(linux, { [name] = { text } }, row[3])
      end
    end)
  end

  it("must not be a line break where one line is expected", function()
    for _, name in ipairs { "password", "timezone" } do
      refused(linux, { [name] = "a\nb" }, "U+000A")
      refused(windows, { [name] = "a\nb" }, "U+000A")
    end
    assert(linux { runcmd = { "a\nb\tc" } })
  end)
end)

describe("the name of an account or a host", function()
  it("that Windows does not accept is refused", function()
    for _, name in ipairs { "", " ", "a/b", "a\\b", "a:b", "a|b", "a@b", "a*", "a?", "a+b", "a=b", "a,b", "a;b", "a[b",
      "a<b", 'a"b', "...", "ops.", " ops", "ops ", ("x"):rep(21), "Guest", "SYSTEM", "DefaultAccount", "none", "CAD-01" } do
      refused(windows, { user = name }, "user")
    end
    assert(windows { user = "o'p&s" })
    assert(windows { user = "Jörg Müller" })
  end)

  it("that Linux does not accept is refused", function()
    for _, name in ipairs { "", " ", "Ops", "1ops", "-ops", "o ps", "öps", ("x"):rep(33), "root", "daemon", "nobody" } do
      refused(linux, { user = name }, "user")
    end
    for _, name in ipairs { "", " ", "-a", "a-", "a.b", "a_b", ("x"):rep(64) } do
      refused(linux, { hostname = name }, "hostname")
    end
  end)

  it("or another required text is refused if it is empty", function()
    for _, name in ipairs { "timezone", "keyboard", "locale", "instance_id" } do refused(linux, { [name] = "" }, name) end
    for _, name in ipairs { "timezone", "keyboard", "language", "image" } do refused(windows, { [name] = "" }, name) end
    refused(linux, { packages = { "" } }, "packages")
    refused(linux, { runcmd = { 7 } }, "runcmd")
  end)
end)

describe("a password that cannot be written in an answer file", function()
  local l
  setup(function()
    l = first_light.start { speed = 300, change = function(fleet)
      for _, cluster in ipairs(fleet.clusters) do
        for _, host in ipairs(cluster.hosts) do
          for _, card in ipairs(host.cards) do card.enabled = true end
        end
      end
    end }
  end)
  teardown(function() l:stop() end)

  it("is refused before the VM is created", function()
    l.sim:forget()
    local result, message, code = l:apply [[
return p.playbook { name = "guests",
  p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", within = "60s", answer = p.answer.cloud_init {
      hostname = "vm-1", user = "ops", password = p.secret.callback(function() return "pass\u{85}word" end) } } } }]]
    assert.is_nil(result)
    assert.matches("password: contains the control character U+0085", message, 1, true)
    assert.equal("EINVAL", code)
    assert.same({}, l:changing())
    assert.is_nil(l:truth("vms", "vm-1"))
  end)
end)
