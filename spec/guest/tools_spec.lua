-- VMware Tools' installer: the exact command line for each release and each use of the guest, and what its end means.
local medium = require "gpupt.guest.tools_medium"
local tools = require "gpupt.guest.tools"

local function line(o) return assert(tools.command(o)).line end

describe("the Tools command line", function()
  local base = [[setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=%s"]]
  -- version, horizon, nsx, what is left out
  local rows = {
    { "10.3.10", false, false, "Hgfs,VSS,AppDefense,NetworkIntrospection" },
    { "10.3.10", false, true, "Hgfs,VSS,AppDefense" },
    { "10.3.10", true, false, "Hgfs,VSS,AppDefense,SVGA,NetworkIntrospection" },
    { "10.3.10", true, true, "Hgfs,VSS,AppDefense,SVGA" },
    { "11.3.5", false, false, "Hgfs,VSS,AppDefense,NetworkIntrospection" },
    { "11.3.5", false, true, "Hgfs,VSS,AppDefense" },
    { "11.3.5", true, false, "Hgfs,VSS,AppDefense,SVGA,NetworkIntrospection" },
    { "11.3.5", true, true, "Hgfs,VSS,AppDefense,SVGA" },
    { "12.4.0", false, false, "Hgfs,VSS,NetworkIntrospection" },
    { "12.4.0", false, true, "Hgfs,VSS" },
    { "12.4.0", true, false, "Hgfs,VSS,SVGA,NetworkIntrospection" },
    { "12.4.0", true, true, "Hgfs,VSS,SVGA" },
    { "13.0.0", false, false, "Hgfs,VSS,NetworkIntrospection" },
    { "13.0.0", false, true, "Hgfs,VSS" },
    { "13.0.0", true, false, "Hgfs,VSS,SVGA,NetworkIntrospection" },
    { "13.0.0", true, true, "Hgfs,VSS,SVGA" },
  }
  for _, row in ipairs(rows) do
    it(("of Tools %s, Horizon %s, NSX %s, leaves out %s"):format(table.unpack(row)), function()
      assert.equal(base:format(row[4]), line { version = row[1], horizon = row[2], nsx = row[3] })
    end)
  end

  it("hands one quoted string to msiexec and the same text to UpgradeTools_Task", function()
    local c = assert(tools.command { version = 12, nsx = true })
    assert.equal("/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS", c.msi)
    assert.equal([[/s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS"]], c.arguments)
    assert.equal(c.arguments, c.installer_options)
    assert.same({ "Hgfs", "VSS" }, c.remove)
  end)

  it("gives the reason for each removed feature", function()
    local c = assert(tools.command { version = "11.0.0", horizon = true })
    local why = {}
    for _, entry in ipairs(c.why) do why[entry.feature] = entry.why end
    assert.matches("Horizon Agent", why.SVGA)
    assert.matches("Tools 12 no longer", why.AppDefense)
    assert.matches("NSX is not used", why.NetworkIntrospection)
  end)

  it("notes that the feature list of Tools 13 is assumed, and nothing for 12", function()
    assert.matches("that of 12 is assumed", tools.command({ version = 13 }).notes[1])
    assert.same({}, tools.command({ version = 12 }).notes)
  end)

  it("names only features that this installer has, when its list is given", function()
    local c = assert(tools.command { version = 13, features = { "Hgfs", "SVGA", "VMXNet3" }, horizon = true })
    assert.same({ "Hgfs", "SVGA" }, c.remove)
    assert.same({ "VSS is not removed: this installer does not have it",
      "NetworkIntrospection is not removed: this installer does not have it" }, c.notes)
  end)

  it("removes more, or fewer, on request", function()
    assert.equal([[setup64.exe /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,NetworkIntrospection,FileIntrospection"]],
      line { version = 12, keep = { "VSS" }, remove = { "FileIntrospection", "Hgfs" } })
  end)

  it("has no REMOVE when nothing is removed, and lets the guest reboot on request", function()
    assert.equal([[setup64.exe /s /v"/qn ADDLOCAL=ALL"]],
      line { version = 12, nsx = true, keep = { "VSS", "Hgfs" }, reboot = true })
  end)

  it("escapes the quotes of a log's path inside the quoted string", function()
    assert.equal([["C:\Tools CD\setup64.exe" /s /v"/qn REBOOT=R ADDLOCAL=ALL REMOVE=Hgfs,VSS /l*v \"C:\a b.log\""]],
      line { version = 12, nsx = true, log = [[C:\a b.log]], program = [[C:\Tools CD\setup64.exe]] })
  end)

  it("refuses a feature name that the installer does not know, and names the nearest", function()
    local c, message, code = tools.command { version = 12, remove = { "AppDefence" } }
    assert.is_nil(c)
    assert.equal("EINVAL", code)
    assert.matches("no feature 'AppDefence'", message)
    assert.matches("2711", message)
    assert.is_nil(tools.command { version = 12, remove = { "AppDefense" } })
    assert.is_table(tools.command { version = 11, remove = { "AppDefense" } })
    assert.matches("did you mean 'Hgfs'", select(2, tools.command { version = 12, remove = { "hgfs" } }))
  end)

  it("refuses unsupported releases, and text that is not a version", function()
    for _, version in ipairs { "9.4.0", "twelve", "", "12.x" } do
      local c, message, code = tools.command { version = version }
      assert.is_nil(c)
      assert.equal("EINVAL", code)
      assert.is_string(message)
    end
  end)

  it("raises for a misspelt option", function()
    assert.error_matches(function() tools.command { version = 12, horison = true } end, "did you mean 'horizon'")
  end)
end)

describe("a Tools version", function()
  it("is read from text and from guest.toolsVersion's packed number", function()
    assert.same({ major = 12, minor = 4, patch = 0, text = "12.4.0" }, tools.version "12.4.0")
    assert.same({ major = 12, minor = 4, patch = 0, text = "12.4.0" }, tools.version "12.4.0.23259341")
    assert.same({ major = 11, minor = 3, patch = 5, text = "11.3.5" }, tools.version "11365")
    assert.same({ major = 10, minor = 3, patch = 10, text = "10.3.10" }, tools.version(10346))
    assert.same({ major = 12, minor = 0, patch = 0, text = "12.0.0" }, tools.version(12))
  end)

  it("2147483647 is a guest that manages its Tools itself", function()
    local v, message, code = tools.version "2147483647"
    assert.is_nil(v)
    assert.matches("open%-vm%-tools", message)
    assert.equal("EINVAL", code)
  end)
end)

describe("the installer run from its CD", function()
  -- what CommandLineToArgvW and the C runtime make of a command line
  local function split(text)
    local words, word, quoted, at = {}, nil, false, 1
    while at <= #text do
      local slashes, quote = text:match('^(\\*)("?)', at)
      if slashes ~= "" or quote ~= "" then
        word = word or ""
        if quote == "" then
          word = word .. slashes
        else
          word = word .. slashes:sub(1, #slashes // 2)
          if #slashes % 2 == 1 then word = word .. '"' else quoted = not quoted end
        end
        at = at + #slashes + #quote
      else
        local c = text:sub(at, at)
        if c == " " and not quoted then
          words[#words + 1], word = word, nil
        else
          word = (word or "") .. c
        end
        at = at + 1
      end
    end
    words[#words + 1] = word
    return words
  end

  it("is found by the CD's label, never by a letter", function()
    local run = medium.from_cd(assert(tools.command { version = 12 }))
    assert.matches("FileSystemLabel %-eq 'VMware Tools'", run.arguments)
    assert.is_nil(run.line:find "[D-Z]:\\")
  end)

  it("passes the installer's arguments through PowerShell's command line unharmed", function()
    local command = assert(tools.command { version = 12, horizon = true, log = [[C:\a b.log]] })
    local words = split(medium.from_cd(command).arguments)
    assert.equal("-Command", words[#words - 1])
    assert.equal(command.arguments, words[#words]:match "%-ArgumentList '(.-)' %-Wait")
  end)

  it("fits into a SynchronousCommand of an answer file (1024 characters)", function()
    local command = assert(tools.command { version = 11, horizon = true, remove = { "FileIntrospection" } })
    assert.is_true(#medium.from_cd(command).line < 1024)
  end)
end)

describe("the installer's end", function()
  it("0 is done, 3010 needs a reboot, 1641 has started one: all three are successes", function()
    local o = tools.outcome(0)
    assert.same({ true, false, false, false }, { o.success, o.reboot, o.rebooting, o.retry })
    o = tools.outcome(3010)
    assert.same({ true, true, false, false }, { o.success, o.reboot, o.rebooting, o.retry })
    o = tools.outcome(1641)
    assert.same({ true, true, true, false }, { o.success, o.reboot, o.rebooting, o.retry })
  end)

  it("1618 is worth another try; 1602, 1603, 1605 and 2711 are not", function()
    assert.same({ false, true }, { tools.outcome(1618).success, tools.outcome(1618).retry })
    for _, code in ipairs { 1602, 1603, 1605, 2711 } do
      local o = tools.outcome(code)
      assert.same({ false, false }, { o.success, o.retry }, tostring(code))
      assert.is_string(o.meaning)
    end
  end)

  it("an unknown code is a failure and is shown", function()
    assert.matches("exit code 77", tools.outcome(77).meaning)
    assert.is_false(tools.outcome(77).success)
    assert.matches("0xC0000005", tools.outcome(-1073741819).meaning)
  end)

  it("1603 with its log names the feature that does not exist", function()
    local utf16 = "\xFF\xFE" .. ("MSI (s) (3C:90): Note: 1: 2711 2: AppDefense \r\n"):gsub(".", "%0\0")
    local logs = {
      "Error 2711. The specified Feature name ('AppDefense') not found in Feature table.\r\n",
      "x\r\nThe error code is 2711. The arguments are: AppDefense, , \r\n",
      utf16,
    }
    for _, log in ipairs(logs) do
      local o = tools.outcome(1603, log)
      assert.equal("AppDefense", o.feature)
      assert.matches("'AppDefense'", o.meaning)
      assert.matches("remove AppDefense from REMOVE", o.remedy)
    end
    assert.is_nil(tools.outcome(1603, "MainEngineThread is returning 1603\r\n").feature)
  end)
end)
