-- autounattend.xml: created, checked with xmllint, read back; and the problems of users' files.
local answer = require "gpupt.guest.answer"
local xml = require "gpupt.guest.xml"

local function made(o)
  local options = { computer_name = "CAD-01", password = "secret-" .. "word", image = 2 }
  for key, value in pairs(o or {}) do options[key] = value end
  if options.image == false then options.image = nil end
  return answer.windows(options)
end

local function component(root, pass, name)
  for _, settings in ipairs(xml.all(root, "settings")) do
    for _, one in ipairs(xml.all(settings, "component")) do
      if settings.attr.pass == pass and one.attr.name == name then return one end
    end
  end
end

local function shell_of(text) return component(assert(xml.parse(text)), "oobeSystem", "Microsoft-Windows-Shell-Setup") end
local function setup_of(text) return component(assert(xml.parse(text)), "windowsPE", "Microsoft-Windows-Setup") end

local function values(list, name)
  local out = {}
  for i, element in ipairs(list) do out[i] = xml.value(element, name) end
  return out
end

describe("an autounattend.xml", function()
  it("is well-formed for xmllint, whatever the values hold", function()
    local text = assert(made { password = "p<&\"'>]]>ä{{user}}", user = "o'p&s", organization = "A & B <Ltd>", image = "Win <Pro>",
      product_key = "K&K", drivers = { "E:\\a&b" }, commands = { 'cmd /c "a & b" > C:\\x' } })
    local path = os.tmpname()
    local f = assert(io.open(path, "w"))
    f:write(text)
    f:close()
    local pipe = io.popen("xmllint --noout '" .. path .. "' 2>&1")
    local output = pipe:read "a"
    assert.is_true(pipe:close(), output)
    os.remove(path)
    local shell = shell_of(text)
    assert.equal("p<&\"'>]]>ä{{user}}", xml.value(shell, "AutoLogon", "Password", "Value"))
    assert.equal("o'p&s", xml.value(shell, "AutoLogon", "Username"))
    local line = xml.value(shell, "FirstLogonCommands", "SynchronousCommand", "CommandLine")
    assert.equal(' & (cmd /c "a & b" > C:\\x)"', line:sub(-27))
  end)

  it("has no problem that we know of", function()
    assert.same({}, answer.problems(assert(made())))
    assert.same({}, answer.problems(assert(made { user = "ops", image = "Windows 11 Pro", commands = { "x" } })))
    assert.same({}, answer.problems(assert(made { image = false, product_key = function() return "A-B" end })))
  end)

  it("lays the disk out for EFI: system partition, MSR, Windows", function()
    local setup = setup_of(assert(made()))
    local create = xml.all(setup, "DiskConfiguration", "Disk", "CreatePartitions", "CreatePartition")
    assert.same({ "EFI", "MSR", "Primary" }, values(create, "Type"))
    assert.same({ "300", "16", "" }, values(create, "Size"))
    assert.equal("true", xml.value(create[3], "Extend"))
    local modify = xml.all(setup, "DiskConfiguration", "Disk", "ModifyPartitions", "ModifyPartition")
    assert.same({ "FAT32", "", "NTFS" }, values(modify, "Format"))
    assert.same({ "0", "3" }, { xml.value(setup, "ImageInstall", "OSImage", "InstallTo", "DiskID"),
      xml.value(setup, "ImageInstall", "OSImage", "InstallTo", "PartitionID") })
  end)

  it("chooses the image by index, by name, or by the product key alone", function()
    local function meta(o)
      local setup = setup_of(assert(made(o)))
      local from = xml.first(setup, "ImageInstall", "OSImage", "InstallFrom", "MetaData")
      return { from and xml.value(from, "Key") or "", from and xml.value(from, "Value") or "",
        xml.value(setup, "UserData", "ProductKey", "Key") }
    end
    assert.same({ "/IMAGE/INDEX", "2", "" }, meta())
    assert.same({ "/IMAGE/NAME", "Windows 11 Pro", "" }, meta { image = "Windows 11 Pro" })
    assert.same({ "", "", "AAAAA-BBBBB" }, meta { image = false, product_key = "AAAAA-BBBBB" })
  end)

  it("makes a local administrator for any other name, and logs it on once", function()
    local shell = shell_of(assert(made { user = "ops" }))
    assert.is_nil(xml.first(shell, "UserAccounts", "AdministratorPassword"))
    local account = xml.first(shell, "UserAccounts", "LocalAccounts", "LocalAccount")
    assert.same({ "ops", "Administrators" }, { xml.value(account, "Name"), xml.value(account, "Group") })
    assert.same({ "ops", "1", "true" }, { xml.value(shell, "AutoLogon", "Username"), xml.value(shell, "AutoLogon", "LogonCount"),
      xml.value(shell, "AutoLogon", "Enabled") })
    shell = shell_of(assert(made { user = "administrator" }))
    assert.equal("secret-word", xml.value(shell, "UserAccounts", "AdministratorPassword", "Value"))
  end)

  it("runs the Tools of the CD first, by its label, with the features asked for", function()
    local commands = xml.all(shell_of(assert(made { tools = { horizon = true, nsx = true, version = 11 }, commands = { "second" } })),
      "FirstLogonCommands", "SynchronousCommand")
    assert.same({ "1" }, values(commands, "Order")) -- Windows would start two at the same time
    assert.matches('^cmd.exe /s /c "powershell.exe ', xml.value(commands[1], "CommandLine"))
    assert.matches("FileSystemLabel %-eq 'VMware Tools'", xml.value(commands[1], "CommandLine"))
    assert.is_truthy(xml.value(commands[1], "CommandLine"):find([[/s /v\"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS,AppDefense,SVGA\"]], 1, true))
    assert.matches(' & %(second%)"$', xml.value(commands[1], "CommandLine"))
    local only = shell_of(assert(made { tools = false, commands = { "only" } }))
    assert.equal('cmd.exe /s /c "(only)"', xml.value(only, "FirstLogonCommands", "SynchronousCommand", "CommandLine"))
  end)

  it("names no feature that some Tools release lacks when the release is not known", function()
    assert.is_nil(made():find "AppDefense")
  end)

  it("can do without Tools", function()
    local text = assert(made { tools = false })
    assert.is_nil(text:find "FirstLogonCommands")
    assert.equal("no-tools", answer.problems(text)[1].code)
  end)

  it("reads a secret once, when the text is created, and never when it is redacted", function()
    local asked = 0
    local function secret()
      asked = asked + 1
      return "hidden-value"
    end
    local shown = assert(made { password = secret, product_key = secret, redacted = true })
    assert.equal(0, asked)
    assert.is_nil(shown:find "hidden%-value")
    local real = assert(made { password = secret, product_key = secret })
    assert.equal(2, asked)
    assert.equal(real, (shown:gsub("%*%*%*%*%*%*%*%*", "hidden-value")))
    assert.is_truthy(made({ password = { read = function() return "of an object" end } }):find "of an object")
  end)

  it("refuses what Windows would refuse, without ever showing the secret", function()
    local function refused(o, words, code)
      local text, message, kind = made(o)
      assert.is_nil(text)
      assert.matches(words, message)
      assert.equal(code or "EINVAL", kind)
      assert.is_nil(message:find "secret%-word")
    end
    for _, name in ipairs { "", "has space", "-x", "x-", "12345", "sixteencharacter", "a.b" } do
      refused({ computer_name = name }, "computer_name")
    end
    refused({ image = false }, "image .* or product_key")
    refused({ esp_mb = 50 }, "100 MB")
    refused({ password = "secret-word\1" }, "password: .*control character")
    refused({ password = "secret-word\xff" }, "password: .*UTF%-8")
    refused({ password = "" }, "password: the secret is empty", "ESECRET")
    refused({ password = function() return nil, "the vault is sealed" end }, "password: the vault is sealed", "ESECRET")
    refused({ tools = { version = 12, remove = { "AppDefense" } } }, "tools: .*AppDefense")
    refused({ commands = { ("x"):rep(1025) } }, "have 1%d+ characters; at most 1024")
    refused({ tools = false, commands = { ("x"):rep(1025) } }, "have 1043 characters; at most 1024")
    refused({ commands = { "a", 'echo "' } }, "commands, entry 2: a quote is not closed")
    refused({ commands = { "echo )" } }, "commands, entry 1: its parentheses")
    assert.error_matches(function() made { pasword = "x" } end, "did you mean 'password'")
  end)
end)

describe("the problems of an autounattend.xml that a user supplies", function()
  local good

  setup(function() good = assert(made { tools = { version = 12 } }) end)

  local function codes(text)
    local list = {}
    for i, problem in ipairs(answer.problems(text)) do
      list[i] = problem.code
      assert.is_true(#problem.message > 20)
    end
    return list
  end

  -- what is replaced, by what, and the problem's code
  local rows = {
    { "no EFI system partition", "<Type>EFI</Type>", "<Type>Primary</Type>", "no-esp" },
    { "no MSR", "<Type>MSR</Type>", "<Type>Primary</Type>", "no-msr" },
    { "no place for Windows", "<Type>Primary</Type>", "<Type>MSR</Type>", "no-primary" },
    { "a system partition that is too small", "<Size>300</Size>", "<Size>64</Size>", "small-esp" },
    { "a partition without size", "<Extend>true</Extend>", "", "no-size" },
    { "a disk that is not wiped", "<WillWipeDisk>true", "<WillWipeDisk>false", "no-wipe" },
    { "another partition as target", "<PartitionID>3</PartitionID></InstallTo>", "<PartitionID>2</PartitionID></InstallTo>", "wrong-target" },
    { "no target", "<InstallTo>.-</InstallTo>", "", "no-target" },
    { "no image", "<ImageInstall>.-</ImageInstall>", "", "no-target" },
    { "no disk", "<DiskConfiguration>.-</DiskConfiguration>", "", "no-disk" },
    { "no edition", "<InstallFrom>.-</InstallFrom>", "", "no-edition" },
    { "the licence not accepted", "<AcceptEula>true", "<AcceptEula>false", "no-licence" },
    { "no language for Setup", "<UILanguage>en%-US</UILanguage>", "", "no-language" },
    { "the settings for another architecture", '(Windows%-Setup" processorArchitecture=)"amd64"', '%1"x86"', "wrong-architecture" },
    { "nobody logged on", "<AutoLogon>.-</AutoLogon>", "", "no-logon" },
    { "another one logged on", "<Username>Administrator", "<Username>Somebody", "wrong-logon" },
    { "no account", "<UserAccounts>.-</UserAccounts>", "", "no-account" },
    { "no first logon", '<settings pass="oobeSystem">.-</settings>', "", "no-account" },
    { "no Tools", "<FirstLogonCommands>.-</FirstLogonCommands>", "", "no-tools" },
    { "Tools that ask", "/qn REBOOT=R ", "", "tools-ask" },
    { "Tools by drive letter", "%$f = %$v.DriveLetter %+ ':\\setup64.exe'", "$f = 'D:\\setup64.exe'", "cd-by-letter" },
    { "a feature that Tools 12 lacks", "REMOVE=Hgfs", "REMOVE=AppDefense,Hgfs", "old-feature" },
    { "a feature of no Tools", "REMOVE=Hgfs", "REMOVE=hgfs", "wrong-feature" },
    { "a name that is too long", "<ComputerName>CAD%-01", "<ComputerName>COMPUTER-NUMBER-ONE", "long-name" },
    { "a command that is too long", "<CommandLine>", "<CommandLine>" .. ("x"):rep(1100), "long-command" },
    { "another namespace", "urn:schemas%-microsoft%-com:unattend", "urn:other", "not-unattend" },
    { "an element that does not end", "</unattend>", "", "not-xml" },
    { "an entity of its own", "^(<%?xml[^\n]*\n)", '%1<!DOCTYPE x [<!ENTITY a "b">]>\n', "not-xml" },
  }
  for _, row in ipairs(rows) do
    it("tell of " .. row[1], function()
      local broken, count = good:gsub(row[2], row[3])
      assert.is_true(count > 0, "the pattern fits nothing")
      local found = codes(broken)
      local has = false
      for _, code in ipairs(found) do has = has or code == row[4] end
      assert.is_true(has, row[4] .. " is not among: " .. table.concat(found, " "))
    end)
  end

  it("name the line and the file", function()
    local broken = good:gsub("<Type>MSR</Type>", "<Type>Primary</Type>")
    local line = 1
    for text in good:gmatch "([^\n]*)\n" do
      if text:find "<Disk wcm" then break end
      line = line + 1
    end
    local problem = answer.problems({ ["AutoUnattend.xml"] = broken })[1]
    assert.same({ "no-msr", "error", line, "AutoUnattend.xml" }, { problem.code, problem.severity, problem.line, problem.file })
  end)

  it("are none for a file that does it in another way: a script from the medium runs Tools", function()
    local other = good:gsub("<CommandLine>.-</CommandLine>", "<CommandLine>cmd /c first.cmd</CommandLine>")
    local problems = answer.problems(other)
    assert.same({ "no-tools", "warning" }, { problems[1].code, problems[1].severity })
    assert.is_nil(problems[2])
  end)

  it("come for a medium without any answer file", function()
    local problems = answer.problems { ["readme.txt"] = "x" }
    assert.equal("no-answer", problems[1].code)
    assert.matches("readme.txt", problems[1].message)
    assert.matches("nothing", answer.problems({})[1].message)
    assert.error_matches(function() answer.problems(7) end, "a string or a table")
  end)
end)

describe("the XML reader", function()
  it("reads entities, CDATA, comments and empty elements", function()
    local root = assert(xml.parse "\u{FEFF}<?xml version='1.0'?><!-- c --><a x='1 &amp; 2'><b/>&lt;&#65;&#x42;<![CDATA[<&>]]></a>\n")
    assert.same({ "a", "1 & 2", "<AB<&>", "b" }, { root.name, root.attr.x, root.text, root[1].name })
  end)

  local bad = { "", "x", "<a>", "<a></b>", "<a b></a>", "<a b='1' b='2'/>", "<a b='1></a>", "<a>&x;</a>", "<a>&amp</a>", "<a/><b/>", "<a/>x",
    "<!DOCTYPE a><a/>", "<a><!-- </a>", "<a><![CDATA[x</a>", "<1/>", "</a>" }
  for _, text in ipairs(bad) do
    it("refuses " .. text, function()
      local root, message, code = xml.parse(text, "a.xml")
      assert.is_nil(root)
      assert.matches("^a.xml:%d+: ", message)
      assert.equal("EPARSE", code)
    end)
  end

  it("reads UTF-16, as Windows' own tools write it", function()
    local text = "\xff\xfe" .. ("<?xml version='1.0' encoding='utf-16'?><a>b</a>"):gsub(".", "%0\0")
    assert.equal("b", assert(xml.parse(text)).text)
  end)

  it("refuses a prefix that is bound to nothing", function()
    assert.matches("a.xml:2: ", (select(2, xml.parse("<a>\n<b wcm:action='add'/></a>", "a.xml"))))
  end)

  it("refuses nesting without end", function()
    assert.is_nil((xml.parse(("<a>"):rep(200) .. ("</a>"):rep(200))))
  end)
end)
