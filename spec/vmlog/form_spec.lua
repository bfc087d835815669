-- Form before meaning: what mail, forums, terminals and word processors do to a log.
local vmlog = require "gpupt.vmlog"

local LIMIT = "PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing"
local STAMP = "2022-04-22T03:04:15.771Z| vmx| | I005: "
local BAR = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12"

local function scan(text) return assert(vmlog.scan { text = text }) end

local function first(text)
  local finding = scan(text).findings[1]
  return finding and finding.code
end

local function notes(text)
  local list = {}
  for i, one in ipairs(scan(text).repairs) do list[i] = one.what end
  return table.concat(list, ", ")
end

--- Breaks a text at blanks so that no line is longer than `width`; `indent` before each line but the first.
local function wrap(text, width, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    local longer = line == "" and word or line .. " " .. word
    if #longer > width and line ~= "" then
      lines[#lines + 1] = line
      line = (indent or "") .. word
    else
      line = longer
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n") .. "\n"
end

local function hard_wrap(text, width)
  return (text:gsub(("."):rep(width), "%0\n")) .. "\n"
end

describe("a wrapped log", function()
  local log = { STAMP .. "DICT        firmware = \"efi\"", STAMP .. LIMIT, STAMP .. "Module 'DevicePowerOn' power on failed.",
    STAMP .. BAR }
  for _, width in ipairs { 60, 72, 76, 80, 100 } do
    for name, indent in pairs { ["without indentation"] = "", ["with indentation"] = "      " } do
      it(("at %d columns, %s, is read whole"):format(width, name), function()
        local parts, starts, line = {}, {}, 1
        for i, one in ipairs(log) do
          parts[i], starts[i] = wrap(one, width, indent), line
          line = line + select(2, parts[i]:gsub("\n", ""))
        end
        local result = scan(table.concat(parts))
        assert.equal("mmio-limit", result.findings[1].code)
        assert.equal(starts[2], result.findings[1].line)
        assert.equal(LIMIT, result.findings[1].message)
        assert.equal("device-power-on", result.findings[1].consequences[1].code)
        assert.equal(34359738368, result.devices[1].bars[1].size)
        assert.equal(starts[4], result.devices[1].line)
        assert.equal("efi", result.config.firmware.value)
        assert.equal(line - 1, result.lines)
        assert.same({}, result.not_understood)
        assert.equal("wrapped lines", result.repairs[1].what)
      end)
    end
    it(("hard at %d columns, through words, is read whole"):format(width), function()
      local text = hard_wrap(STAMP .. LIMIT, width) .. hard_wrap(STAMP .. "PCI passthrough devices cannot be added when Nested "
        .. "Hardware-Assisted Virtualization is enabled.", width)
      local result = scan(text)
      local codes = {}
      for i, finding in ipairs(result.findings) do codes[i] = finding.code .. finding.count end
      assert.same({ "mmio-limit1", "nested-hv1" }, codes)
    end)
  end

  it("without time stamps is read by paragraphs, and each message counted once", function()
    local result = scan("Start-VM The operation for the entity\n\"desk-61-4\" failed with the following message: \"The systemId does not match\n"
      .. "the current system or the deviceId, and the vendorId does not match the device\ncurrently at 97:0.0.\".\n")
    assert.equal(1, #result.findings)
    assert.equal("system-id", result.findings[1].code)
    assert.equal(2, result.findings[1].line)
    assert.equal(4, result.findings[1].last_line)
    assert.equal(1, result.findings[1].count)
  end)

  it("is not made of lines that stand for themselves", function()
    local text = "Name : NVIDIA A40\nStatus : Error\nConfigManagerErrorCode : 43\nDriver : nvlddmkm\n"
    local result = scan(text)
    assert.equal(3, result.findings[1].line)
    assert.equal("ConfigManagerErrorCode : 43", result.findings[1].text)
    assert.equal("", notes(text))
  end)

  it("keeps the records apart in a log that was not wrapped", function()
    local text = STAMP .. BAR .. "\n" .. STAMP .. BAR:gsub("barIndex 1", "barIndex 3") .. "\nloose text\n" .. STAMP .. LIMIT .. "\n"
    local result = scan(text)
    assert.equal(2, #result.devices[1].bars)
    assert.equal(4, result.findings[1].line)
  end)
end)

describe("a pasted log", function()
  local quotes = "Module \u{2018}DevicePowerOn\u{2019} power on failed."
  for what, case in pairs {
    ["with mail quoting"] = { "> " .. STAMP .. LIMIT .. "\n>\n> > " .. STAMP .. "x\n", "mmio-limit", "mail quoting" },
    ["with HTML entities"] = { STAMP .. "Module &#39;DevicePowerOn&#39; power on failed.\n", "device-power-on", "HTML" },
    ["with HTML tags"] = { "<pre><code>" .. STAMP .. LIMIT .. "</code></pre>\n", "mmio-limit", nil },
    ["with <br>"] = { STAMP .. "x<br>" .. STAMP .. LIMIT .. "<br />", "mmio-limit", "HTML" },
    ["with typographic quotes"] = { STAMP .. quotes .. "\n", "device-power-on", "typographic quotes" },
    ["with non-breaking blanks"] = { STAMP .. LIMIT:gsub(" ", "\u{A0}") .. "\n", "mmio-limit", "non-breaking blanks" },
    ["with zero-width blanks"] = { STAMP .. LIMIT:gsub("pages", "pa\u{200B}ges") .. "\n", "mmio-limit", "invisible characters" },
    ["with typographic dashes"] = { "amdgpu: probe of 0000:03:00.0 failed with error \u{2013}12\n", "amdgpu-memory", "typographic dashes" },
    ["with colour codes"] = { "\27[1;31m" .. STAMP .. "\27[0m" .. LIMIT:gsub("pages", "\27[31mpages\27[0m") .. "\n", "mmio-limit", "colour codes" },
    ["with colour codes that lost their escape"] = { STAMP .. LIMIT:gsub("pages", "[31mpages[0m") .. "\n", "mmio-limit", "colour codes" },
    ["with a byte order mark"] = { "\u{FEFF}" .. STAMP .. LIMIT .. "\n", "mmio-limit", "invisible characters" },
    ["with old Mac line ends"] = { STAMP .. "x\r" .. STAMP .. LIMIT .. "\r", "mmio-limit", nil },
    ["with CRLF"] = { STAMP .. "x\r\n" .. STAMP .. LIMIT .. "\r\n", "mmio-limit", nil },
    ["with grep's names and numbers"] = { "vmware.log:1182:" .. STAMP .. LIMIT .. "\n", "mmio-limit", "names of files before the lines" },
    ["with lines indented by a forum"] = { "    " .. STAMP .. LIMIT .. "\n", "mmio-limit", nil },
    ["from JSON"] = { '"message": "Module \\u0027DevicePowerOn\\u0027 power on failed."', "device-power-on", "JSON escapes" },
    ["in a fence"] = { "```\n" .. STAMP .. LIMIT .. "\n```\n", "mmio-limit", nil },
  } do
    it(what .. " is read as it was", function()
      assert.equal(case[2], first(case[1]))
      if case[3] then assert.matches(case[3], notes(case[1]), 1, true) end
    end)
  end

  it("names what was undone once, with its first line and its count", function()
    local result = scan("x\n" .. (STAMP .. quotes .. "\n"):rep(3))
    assert.same({ { what = "typographic quotes", line = 2, count = 6 } }, result.repairs)
    assert.equal("Module 'DevicePowerOn' power on failed.", result.findings[1].message)
  end)

  it("has commands, which are no messages", function()
    for _, prompt in ipairs { "[root@esx:~] ", "[root@esx-01:/var/log] ", "root@guest:~# ", "user@guest:/tmp$ ", "PS C:\\Users\\a> ", "C:\\> " } do
      local result = scan(prompt .. "grep -i 'nvidia failed' /var/log/vmkernel.log | grep NVRM: error\n" .. STAMP .. "x\n")
      assert.same({}, result.not_understood, prompt)
      assert.equal("console prompts", result.repairs[1].what, prompt)
    end
    assert.equal("", notes "# NVRM: No NVIDIA GPU found.\n")
    assert.equal("nvrm-no-gpu", first "# NVRM: No NVIDIA GPU found.\n")
  end)

  it("may be translated: the ids of messages and the names of modules are not", function()
    assert.equal("platform-not-supported", first "[msg.pciPassthru.createAdapterFailedPlatformNotSupported] Das Geraet konnte nicht registriert werden")
    assert.equal("device-power-on", first "\u{6A21}\u{5757}\u{201C}DevicePowerOn\u{201D}\u{6253}\u{5F00}\u{7535}\u{6E90}\u{5931}\u{8D25}\u{3002}")
    assert.equal("windows-code-43", first "Dieses Ger\u{E4}t wurde angehalten. (Code 43)")
    for _, code in ipairs { "(Code 43)", "(Codice 43)", "(c\u{F3}digo 43)", "(\u{41A}\u{43E}\u{434} 43)", "(\u{30B3}\u{30FC}\u{30C9} 43)",
      "(\u{4EE3}\u{7801} 43)", "\u{FF08}\u{4EE3}\u{7801} 43\u{FF09}", "(\u{CF54}\u{B4DC} 43)" } do
      assert.equal("windows-code-43", first("x " .. code .. "\n"), code)
    end
    assert.equal("windows-code-43", first "Windows ha detenido este dispositivo. (C\u{F3}digo 43)")
  end)

  it("is read in linear time whatever it is made of", function()
    for _, part in ipairs { " ", ">", "> ", "&quot;", "<b>", "<", "a", "\27[", "[root@esx:~] ", "NVRM: ", "\u{201C}", "x\n", "word word\n" } do
      local text = part:rep(100000 // #part)
      local from = os.clock()
      assert(vmlog.scan { text = text .. "</a>\n" })
      assert.is_true(os.clock() - from < 5, part)
    end
  end)

  it("of a megabyte and more is read as it is", function()
    local pad = (STAMP .. "SVGA: x\n"):rep(30000)
    assert.equal("mmio-limit", first(pad .. STAMP .. LIMIT .. "\n"))
    assert.equal("", notes(pad .. STAMP .. quotes .. "\n"))
  end)
end)

describe("every message of the catalogue", function()
  local messages = require "spec.vmlog.messages"
  local prefixes = { dmesg = "[    4.123456] ", vmkernel = "2024-03-01T00:00:00.000Z cpu1:2097152)", ["guest text"] = "",
    ["vmware.log"] = "2024-03-01T00:00:00.000Z In(05) vmx - " }

  --- The stamped message of each entry, without a stamp of its own.
  local function each_text()
    local list = {}
    for _, entry in ipairs(vmlog.catalogue()) do
      if not (entry.lead or entry.note or entry.unclear) then
        for _, text in ipairs(messages[entry.code][1]) do
          list[#list + 1] = { entry.code, prefixes[entry.form] .. text:gsub("^%d%d%d%d%-%S+ ", ""):gsub("^%[[%d. ]+%] ", "") }
        end
      end
    end
    return list
  end

  for _, width in ipairs { 72, 80, 100 } do
    for name, break_lines in pairs { ["at blanks"] = wrap, ["through words"] = hard_wrap } do
      it(("is found when wrapped at %d columns, %s"):format(width, name), function()
        for _, one in ipairs(each_text()) do
          local other = wrap(prefixes["vmware.log"] .. ("another line that is long enough to be wrapped at the same column "):rep(3), width)
          local found = false
          for _, finding in ipairs(scan(break_lines(one[2], width) .. other).findings) do found = found or finding.code == one[1] end
          assert.is_true(found, one[1] .. ": " .. one[2])
        end
      end)
    end
  end
end)
