-- ks.cfg: the whole text for known options, and the problems of users' files. pykickstart reads it in installers_full.lua.
local answer = require "gpupt.guest.answer"
local crypt = require "gpupt.guest.crypt"

local function made(o)
  local options = { hostname = "train-01", user = "ops", password = "secret-" .. "word", salt = "abc" }
  for key, value in pairs(o or {}) do options[key] = value end
  if options.password == false then options.password = nil end
  return answer.kickstart(options)
end

describe("a ks.cfg", function()
  it("has every answer, each once, and EFI partitions", function()
    assert.equal(([[
text
lang en_US.UTF-8
keyboard --xlayouts=us
timezone Etc/UTC --utc
network --bootproto=dhcp --device=link --activate --hostname=train-01
rootpw --lock
user --name=ops --groups=wheel --iscrypted --password='HASH'
firewall --enabled --service=ssh
services --enabled=sshd,vmtoolsd
firstboot --disable
eula --agreed
ignoredisk --only-use=sda
zerombr
clearpart --all --initlabel --disklabel=gpt --drives=sda
part /boot/efi --fstype=efi --size=600 --ondisk=sda
part /boot --fstype=xfs --size=1024 --ondisk=sda
part / --fstype=xfs --size=8192 --grow --ondisk=sda
bootloader --boot-drive=sda
reboot --eject
%packages
@core
open-vm-tools
pciutils
%end
%post --erroronfail
set -e
echo 'ops ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/90-ops && chmod 0440 /etc/sudoers.d/90-ops
%end
]]):gsub("HASH", function() return crypt.sha512("secret-word", "abc") end), (made()))
  end)

  it("has the keys, packages, commands, disk and volume group that are asked for", function()
    local text = assert(made { sudo = false, ssh_keys = { "ssh-ed25519 AAAA it's@x" }, packages = { "gcc", "open-vm-tools", "@development" },
      commands = { "echo a\necho b" }, disk = "nvme0n1", storage = "lvm", environment = "@^minimal-environment", locale = "de_DE.UTF-8",
      keyboard = "de", timezone = "Europe/Berlin" })
    for _, line in ipairs { "user --name=ops --iscrypted ", [[sshkey --username=ops 'ssh-ed25519 AAAA it'\''s@x']], "lang de_DE.UTF-8",
      "keyboard --xlayouts=de", "timezone Europe/Berlin --utc", "part pv.01 --size=8192 --grow --ondisk=nvme0n1", "volgroup system pv.01",
      "logvol / --vgname=system --name=root", "%packages\n@^minimal-environment\nopen-vm-tools\npciutils\ngcc\n@development\n%end",
      "%post --erroronfail\nset -e\necho a\necho b\n%end" } do
      assert.is_truthy(text:find(line, 1, true), line .. "\n" .. text)
    end
    assert.is_nil(text:find "NOPASSWD")
    assert.is_nil(made({ sudo = false }):find "%%post")
  end)

  it("has no problem that we know of", function()
    assert.same({}, answer.problems(assert(made())))
    assert.same({}, answer.problems({ ["ks.cfg"] = assert(made { storage = "lvm", ssh_keys = { "k" } }) }, { label = "OEMDRV" }))
  end)

  it("holds the hash and never the password, which is asked once", function()
    local asked = 0
    local function secret()
      asked = asked + 1
      return "secret-word"
    end
    local text = assert(made { password = secret })
    assert.equal(1, asked)
    assert.is_nil(text:find "secret%-word")
    local shown = assert(made { password = secret, redacted = true })
    assert.equal(1, asked)
    assert.is_truthy(shown:find("--password='********'", 1, true))
  end)

  it("is refused with what is wrong", function()
    local function refused(o, words, code)
      local text, message, kind = made(o)
      assert.is_nil(text)
      assert.matches(words, message)
      assert.equal(code or "EINVAL", kind)
      assert.is_nil(message:find "secret%-word")
    end
    refused({ hostname = "a b" }, "hostname")
    refused({ user = "root" }, "user")
    refused({ password = false }, "password or password_hash")
    refused({ password_hash = "plain" }, "not a hash")
    refused({ password = function() return nil, "sealed" end }, "password: sealed", "ESECRET")
    refused({ disk = "/dev/sda" }, "disk '/dev/sda'")
    refused({ disk = "sda --x" }, "disk")
    refused({ packages = { "a b" } }, "packages: 'a b'")
    refused({ packages = { "%end" } }, "packages: '%%end'")
    refused({ environment = "-core" }, "packages: '%-core'")
    refused({ commands = { "true\n %end" } }, "would end the section")
    refused({ ssh_keys = { "a\nrootpw x" } }, "ssh_keys")
    refused({ locale = "a\nb" }, "locale")
    assert.error_matches(function() made { storage = "lwm" } end, "did you mean 'lvm'")
  end)
end)

describe("the problems of a ks.cfg that a user supplies", function()
  local good

  setup(function() good = assert(made { commands = { "true" } }) end)

  -- what is replaced, by what, and the problem's code
  local rows = {
    { "a command that does not exist", "zerombr", "zerombbr", "unknown-command" },
    { "a section that does not exist", "%%post", "%%posst", "unknown-section" },
    { "a section without an end", "open%-vm%-tools\npciutils\n%%end", "open-vm-tools", "no-end" },
    { "a last section without an end", "%%end\n$", "", "no-end" },
    { "a quote that is not closed", "lang en_US", "lang 'en_US", "open-quote" },
    { "no language", "lang [^\n]*\n", "", "asks" },
    { "no keyboard", "keyboard [^\n]*\n", "", "asks" },
    { "no time zone", "timezone [^\n]*\n", "", "asks" },
    { "a rescue system", "^", "rescue\n", "asks" },
    { "no account", "user [^\n]*\n", "", "no-account" },
    { "an account without a password", " %-%-iscrypted [^\n]*", "", "locked-password" },
    { "a plain password as hash", "%-%-password=%S+", "--password=plain", "plain-password" },
    { "a bad account", "%-%-name=ops", "--name=Ops", "bad-name" },
    { "no partition for the system", "part / [^\n]*\n", "", "no-disk" },
    { "no EFI system partition", "part /boot/efi [^\n]*\n", "", "no-esp" },
    { "no restart", "reboot[^\n]*\n", "", "no-reboot" },
    { "a halt at the end", "reboot[^\n]*\n", "halt\n", "no-reboot" },
    { "a power-off at the end", "reboot[^\n]*\n", "poweroff\n", "powers-off" },
    { "no packages", "%%packages.-%%end\n", "", "no-packages" },
    { "no Tools", "\nopen%-vm%-tools", "", "no-tools" },
    { "Tools in a comment", "\nopen%-vm%-tools", "\n# open-vm-tools", "no-tools" },
    { "Tools left out", "\nopen%-vm%-tools", "\n-open-vm-tools", "no-tools" },
    { "a file that is included", "^", "%%include /tmp/x\n", "include" },
  }
  for _, row in ipairs(rows) do
    it("tell of " .. row[1], function()
      local broken, count = good:gsub(row[2], row[3], 1)
      assert.is_true(count > 0, "the pattern fits nothing")
      local codes = {}
      for _, problem in ipairs(answer.problems { ["ks.cfg"] = broken }) do
        codes[#codes + 1] = problem.code
        assert.is_true(#problem.message > 20 and problem.file == "ks.cfg")
      end
      assert.is_truthy((" " .. table.concat(codes, " ") .. " "):find(" " .. row[4] .. " ", 1, true),
        row[4] .. " is not among: " .. table.concat(codes, " "))
    end)
  end

  it("are none for other ways: autopart, reqpart, a clear password, Tools by a command, lines of Windows", function()
    local function none(text) assert.same({}, answer.problems { ["ks.cfg"] = text }) end
    none((good:gsub("part /boot/efi.-\nbootloader", "autopart\nbootloader")))
    none((good:gsub("part /boot/efi[^\n]*\n", "reqpart\n")))
    none((good:gsub("%-%-iscrypted %-%-password=%S+", "--plaintext --password=x")))
    none((good:gsub("\nopen%-vm%-tools", ""):gsub("\ntrue\n", "\ndnf install -y open-vm-tools\n")))
    none((good:gsub("\n", "\r\n")))
    none((good:gsub("rootpw %-%-lock", "rootpw --iscrypted '$6$a$b'"):gsub("user [^\n]*\n", "")))
    none("# a comment\n\n" .. good)
  end)

  it("name the line, the nearest command and the label", function()
    local problems = answer.problems({ ["ks.cfg"] = good:gsub("zerombr", "zerombbr") }, { label = "KS" })
    assert.same({ "wrong-label", "unknown-command", 13 }, { problems[1].code, problems[2].code, problems[2].line })
    assert.matches("zerombr", problems[2].message)
    assert.equal("no-answer", answer.problems({ ["KS.CFG"] = good })[1].code)
  end)
end)

describe("the problems of an autoinst.xml", function()
  local good = [[
<?xml version="1.0"?>
<!DOCTYPE profile>
<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">
  <general><mode><confirm config:type="boolean">false</confirm></mode></general>
  <software><packages config:type="list"><package>open-vm-tools</package></packages></software>
  <users config:type="list"><user><encrypted config:type="boolean">true</encrypted>
    <username>ops</username><user_password>$6$a$b</user_password></user></users>
</profile>
]]
  local function codes(text)
    local list = {}
    for i, problem in ipairs(answer.problems(text)) do
      list[i] = problem.code
      assert.is_true(#problem.message > 20 and problem.file == "autoinst.xml")
    end
    return table.concat(list, " ")
  end

  it("are none for a profile that installs unattended, with open-vm-tools", function()
    assert.equal("", codes(good))
    assert.same({}, answer.problems({ ["autoinst.xml"] = good }, { label = "OEMDRV" }))
  end)

  for code, swap in pairs { ["asks"] = { ">false<", ">true<" }, ["no-tools"] = { "open%-vm%-tools", "jq" },
    ["no-account"] = { "<user_password>.-</user_password>", "" }, ["plain-password"] = { "%$6%$a%$b", "plain" },
    ["not-xml"] = { "</profile>", "" }, ["not-profile"] = { "yast2ns", "other" }, ["bad-name"] = { "<username>ops", "<username>" },
    ["powers-off"] = { "<mode>", "<mode><final_halt>true</final_halt>" } } do
    it("tell of " .. code, function() assert.equal(code, codes((good:gsub(swap[1], swap[2], 1)))) end)
  end

  it("refuse a document type of its own, and name the line", function()
    assert.equal("not-xml", codes((good:gsub("<!DOCTYPE profile>", '<!DOCTYPE profile [<!ENTITY a "b">]>'))))
    local problem = answer.problems((good:gsub(">false<", ">true<")))[1]
    assert.equal(4, problem.line)
  end)
end)
