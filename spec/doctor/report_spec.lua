--- gpupt doctor --report: one page to hand on, with names replaced, and nothing in it that a log could have planted.
local command = require "spec.support.command"
local gpupt = require "gpupt"

local VMX = [[
config.version = "8"
virtualHW.version = "19"
displayName = "marketing-gpu-01"
memsize = "16384"
firmware = "efi"
sched.mem.min = "16384"
sched.mem.pin = "TRUE"
pciBridge4.present = "TRUE"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x20b5"
pciPassthru0.vendorId = "0x10de"
pciPassthru0.systemId = "5f1c2b3a-0001-0002-0003-aabbccddeeff"
]]

-- every kind of name that must not leave the house, in lines that become evidence
local SECRETS = {
  "marketing-gpu-01", "esx17", "corp.example.com", "10.20.30.40", "fe80::250:56ff:fe01:2", "00:50:56:aa:bb:cc",
  "5f1c2b3a-0001-0002-0003-aabbccddeeff", "ds-gold", "alice", "CZ1234ABCD", "mallory@example.org", "hunter22",
  "56 4d 1a 2b 3c 4d 5e 6f-70 81 92 a3 b4 c5 d6 e7",
}
local LOG = "2023-07-21T09:40:52.413Z esx17.corp.example.com vmkernel: cpu1:1)PCI: %s"
local LINES = {
  LOG:format "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing",
}
local UNKNOWN = {
  "[alice@esx17:~] cat /vmfs/volumes/ds-gold/marketing-gpu-01/marketing-gpu-01.vmx",
  "[ds-gold] marketing-gpu-01/marketing-gpu-01.vmx for entity \"marketing-gpu-01\" on esx17 (10.20.30.40, fe80::250:56ff:fe01:2)",
  "eth0 00:50:56:aa:bb:cc serial number: CZ1234ABCD uuid 5f1c2b3a-0001-0002-0003-aabbccddeeff password=hunter22",
  "mail mallory@example.org uuid.bios = \"56 4d 1a 2b 3c 4d 5e 6f-70 81 92 a3 b4 c5 d6 e7\" in /home/alice/x",
  "NVRM: GPU 0000:42:00.0 (PCI ID: 10de:20b5) driver 535.104.05 at 09:40:52, BAR1 is 0M @ 0x0, msg.pciPassthru.noMigration",
}

local function result_of(more)
  local unknown = {}
  for i, text in ipairs(more or UNKNOWN) do unknown[i] = { line = 10 + i, text = text, word = "NVRM" } end
  local scan = gpupt.check(gpupt.vmlog.scan { text = table.concat(LINES, "\n") .. "\n", name = "/home/alice/case/esx17-vmkernel-2.txt" })
  scan.files = { "/home/alice/case/esx17-vmkernel-2.txt" }
  scan.not_understood = unknown
  return gpupt.check(gpupt.doctor.examine { vmx = { text = VMX, name = "/home/alice/case/marketing-gpu-01.vmx" }, log = scan })
end

describe("a report", function()
  local c
  before_each(function() c = command.folder() end)
  after_each(function() c.remove() end)

  local function page(name, result, opts)
    gpupt.check(gpupt.doctor.report(result or result_of(), c.path .. "/" .. name, opts))
    return c.read(name)
  end

  for _, name in ipairs { "r.html", "r.md" } do
    it("has findings, evidence, what was looked at and what was not understood: " .. name, function()
      local text = page(name)
      for _, wanted in ipairs { "problems", "mmio-window", "33566722", "64bitMMIOSizeGB", "Looked at", "Not understood",
        "Proposal", "Evidence", "msg.pciPassthru.noMigration" } do
        local there = text:find(wanted, 1, true) or text:gsub("\\", ""):find(wanted, 1, true)
        if wanted ~= "Proposal" then assert.truthy(there, wanted) end
      end
    end)

    it("with redact has none of the names, and keeps what it is about: " .. name, function()
      local text = page(name, nil, { redact = true })
      local plain = text:gsub("\\", ""):lower()
      for _, secret in ipairs(SECRETS) do assert.is_nil(plain:find(secret:lower(), 1, true), secret) end
      for _, kept in ipairs { "0000:42:00.0", "10de:20b5", "535.104.05", "09:40:52", "33566722", "0x0",
        "msg.pciPassthru.noMigration", "pciPassthru.64bitMMIOSizeGB" } do
        assert.truthy(plain:find(kept:lower(), 1, true), kept)
      end
    end)

    it("gives a name the same replacement everywhere: " .. name, function()
      local text = page(name, nil, { redact = true }):gsub("\\", "")
      local first = text:match "%[(%w+%-%d+)@"
      assert.equal("user-1", first)
      local host = text:match "@(host%-%d+):"
      assert.truthy(host)
      assert.truthy(text:find(" on " .. host, 1, true))
      assert.truthy(text:find("Z " .. host .. " vmkernel", 1, true))
      local vm = text:match "entity &?#?q?u?o?t?;?\"?(vm%-%d+)"
      assert.truthy(vm, text)
      assert.truthy(text:find(vm .. ".vmx:", 1, true))
    end)
  end

  it("without redact says that it has names, with redact that they were replaced", function()
    assert.matches("use --redact", page "r.html", 1, true)
    assert.matches("were replaced", page("r.html", nil, { redact = true }), 1, true)
  end)

  local HOSTILE = {
    "</pre><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\" onmouseover=\"alert(1)", "' autofocus onfocus='x",
    "</style><svg/onload=alert(1)>", "<!-- ", "&lt;b&gt;", "javascript:alert(1)", "\27[31mred\7", "bad utf8 \xff\xfe\xc0\xaf",
    "right \u{202e}left", "zero\0byte", "``` end of the fence\n# heading", "[x](javascript:alert(1))", "![](http://evil.example/x.png)",
    "<http://evil.example>", "@everyone", "| a | b |", "$x$", "~~~", "- [ ] task", "http://evil.example/",
  }

  it("lets hostile text be nothing but text in HTML", function()
    local text = page("r.html", result_of(HOSTILE))
    local body = text:match "</head>(.*)$"
    assert.is_nil(body:find("<script", 1, true))
    assert.is_nil(body:find("<img", 1, true))
    assert.is_nil(body:find("<svg", 1, true))
    assert.is_nil(body:find("<!--", 1, true))
    assert.is_nil(text:find("[%z\1-\8\11\12\14-\31\127]"))
    assert.is_nil(text:find("\u{202e}", 1, true))
    assert.truthy(utf8.len(text))
    assert.matches("default%-src 'none'", text)
    for tag in body:gmatch "<(/?%w+)" do
      assert.truthy(({ body = 1, main = 1, h1 = 1, h2 = 1, h3 = 1, div = 1, strong = 1, article = 1, span = 1, p = 1, dl = 1,
        dt = 1, dd = 1, pre = 1, ul = 1, li = 1, html = 1 })[tag:gsub("/", "")], tag)
    end
    -- a quote inside an attribute would end it: attributes hold fixed words only
    for attribute in body:gmatch '%w+="([^"]*)"' do assert.matches("^[%w %-]*$", attribute) end
  end)

  it("lets hostile text be nothing but text in Markdown", function()
    local text = page("r.md", result_of(HOSTILE))
    assert.truthy(utf8.len(text))
    assert.is_nil(text:find("[%z\1-\8\11-\31\127]"))
    -- outside of code blocks there is no link, tag, mention or image
    local outside, fence = {}, nil
    for line in text:gmatch "[^\n]*" do
      local ticks = line:match "^(```+)"
      if not fence and ticks then fence = ticks
      elseif fence and line == fence then fence = nil
      elseif not fence then outside[#outside + 1] = line end
    end
    assert.is_nil(fence)
    local prose = table.concat(outside, "\n")
    for _, bad in ipairs { "evil%.example", "[^\\]<", "[^\\]%]%(", "@", "heading", "alert" } do
      assert.is_nil(prose:find(bad), bad)
    end
  end)

  it("escapes the parts of a sentence as well: a value in a cause", function()
    local doc = VMX:gsub('"efi"', '"<b>[x](y)`z`@me"')
    local result = gpupt.check(gpupt.doctor.examine { vmx = { text = doc, name = "a.vmx" } })
    assert.is_nil(page("r.html", result):find("<b>", 1, true))
    local cause = page("r.md", result):match "\n(firmware is [^\n]*)"
    assert.equal("firmware is \"\\<b\\>\\[x\\](y)\\`z\\`&#64;me\": hosts know efi and bios.", cause)
  end)

  it("is a .html or a .md file, and nothing else", function()
    assert.equal("EINVAL", (select(3, gpupt.doctor.report(result_of(), c.path .. "/r.pdf"))))
    assert.equal("EINVAL", (select(3, gpupt.doctor.report(result_of(), c.path .. "/r"))))
  end)

  it("is not written through a symbolic link, and replaces its own file whole", function()
    c.write("other.txt", "precious")
    os.execute(("ln -s other.txt '%s/r.html'"):format(c.path))
    assert.equal("ELINK", (select(3, gpupt.doctor.report(result_of(), c.path .. "/r.html"))))
    assert.equal("precious", c.read "other.txt")
    c.write("s.html", "old")
    assert.matches("^<!DOCTYPE html>.*</html>\n$", page "s.html")
    assert.is_nil(gpupt.doctor.report(result_of(), c.path .. "/nowhere/r.html"))
  end)
end)

describe("redaction", function()
  local function redacted(text, more)
    local redact = require "gpupt.doctor.redact".new()
    for _, path in ipairs(more or {}) do redact:file(path) end
    redact:learn(text)
    return redact:apply(text)
  end

  for text, wanted in pairs {
    ["at 10.1.2.3."] = "at ip-1.", ["10.1.2.3:443"] = "ip-1:443", ["from [2001:db8::1]:902"] = "from [ip-1]:902",
    ["fe80::1%vmk0 is down"] = "ip-1%vmk0 is down", ["::1"] = "ip-1", ["a 1:2:3:4:5:6:7:8 b"] = "a ip-1 b",
    ["std::vector<int>, Foo::bar"] = "std::vector<int>, Foo::bar", ["at 12:36:44 PM"] = "at 12:36:44 PM",
    ["0000:42:00.0 and 42:00.0"] = "0000:42:00.0 and 42:00.0", ["Driver Version: 31.0.15.3713"] = "Driver Version: 31.0.15.3713",
    ["OS Version: 6.1.7601.2.1.0.256.48"] = "OS Version: 6.1.7601.2.1.0.256.48", ["ESXi 8.0.2 build-22380479"] = "ESXi 8.0.2 build-22380479",
    ["esx17.acme.ninja said esx17"] = "host-1 said host-1", ["mail.acme.de"] = "host-1", ["see acme.com"] = "see host-1",
    ["vim.fault.InvalidState"] = "vim.fault.InvalidState", ["windows.vbs.enabled is TRUE"] = "windows.vbs.enabled is TRUE",
    ["hypervisor.cpuid.v0, sched.mem.pin"] = "hypervisor.cpuid.v0, sched.mem.pin", ["libpci_bus.so, nv-pci.c"] = "libpci_bus.so, nv-pci.c",
    ["pciPassthru0.id = \"00000:066:00.0\""] = "pciPassthru0.id = \"00000:066:00.0\"",
    ["Serial Number    : 1320220012345"] = "Serial Number    : serial-1", ["Service Tag: 7XK2P12"] = "Service Tag: serial-1",
    ["naa.600508b1001c4d41 lost"] = "naa.disk-1 lost", ["GPU-5f1c2b3a-0001-0002-0003-aabbccddeeff"] = "GPU-uuid-1",
    ["SHA1 AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD"] = "SHA1 mac-1",
    ["payroll-db.vmdk and win11.iso"] = "file-1.vmdk and file-2.iso",
    ["Hostname: esx17"] = "Hostname: host-1", ["C:\\Users\\alice\\Desktop\\x.txt"] = "C:\\Users\\(path)",
    ["PCI\\VEN_10DE&DEV_20B5&SUBSYS_153310DE"] = "PCI\\VEN_10DE&DEV_20B5&SUBSYS_153310DE",
  } do
    it(("makes \"%s\" of \"%s\""):format(wanted, text), function() assert.equal(wanted, redacted(text)) end)
  end

  it("leaves no secret that it was shown, whatever stands around it (3,000 lines)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261130)
    local function pick(list) return list[math.random(#list)] end
    local secrets = { "esx17.corp.example.com", "esx17", "payroll-gpu", "10.20.30.40", "2001:db8::17", "fe80::1:2:3:4",
      "00:50:56:aa:bb:cc", "00-50-56-AA-BB-CC", "5f1c2b3a-0001-0002-0003-aabbccddeeff", "5f1c2b3a-00010002-0003-aabbccddeeff",
      "ds-gold", "alice.smith", "bob@acme.example" }
    local before = { "", " ", "(", "[", "'", '"', "=", ": ", ", ", "//", "<", "at ", "_", "|" }
    local after = { "", " ", ")", "]", "'", '"', ".", ",", ";", ": x", "\n", "/x", ">", "_1.vmdk", "|", "!", "?" }
    for _ = 1, 3000 do
      local redact = require "gpupt.doctor.redact".new()
      redact:name("vm", "payroll-gpu")
      redact:learn "[alice.smith@esx17:~] cat /vmfs/volumes/ds-gold/payroll-gpu/payroll-gpu.vmx on esx17.corp.example.com"
      local lines = {}
      for i = 1, 3 do lines[i] = pick(before) .. pick(secrets) .. pick(after) end
      local text = table.concat(lines, " and ")
      redact:learn(text)
      local shown = redact:apply(text):lower()
      for _, secret in ipairs(secrets) do
        assert.is_nil(shown:find(secret:lower(), 1, true), ("%s\n is shown as\n%s"):format(text, shown))
      end
      -- what is redacted is not redacted again to something else
      assert.equal(shown, redact:apply(redact:apply(text)):lower())
    end
  end)

  it("takes the name of a file for no part of another word", function()
    assert.equal("x = 1, file-2.txt:3", redacted("x = 1, alice.txt:3", { "x", "alice.txt" }))
    assert.equal("vmware.log", redacted("vmware.log", { "/home/alice/vmware.log" }))
    assert.equal("vmware.log", redacted("/home/alice/vmware.log", { "/home/alice/vmware.log" }))
  end)
end)

describe("gpupt doctor --report", function()
  local c
  before_each(function()
    c = command.folder()
    c.write("a.vmx", VMX)
  end)
  after_each(function() c.remove() end)

  it("writes the page beside the ordinary output, and exits by the verdict", function()
    local status, out, err = c.gpupt "doctor --vmx a.vmx --report r.html --redact"
    assert.equal(1, status)
    assert.matches("error: mmio%-window", out)
    assert.matches("the report is in r.html", err, 1, true)
    assert.matches("mmio%-window", c.read "r.html")
  end)

  it("is refused for another ending before anything is read, and --redact alone is wrong usage", function()
    for _, words in ipairs { "doctor --vmx nowhere.vmx --report r.pdf", "doctor --vmx a.vmx --redact" } do
      assert.equal(2, (c.gpupt(words)), words)
    end
  end)

  it("of a bundle has a part for each VM and one for the host", function()
    os.execute(("mkdir -p '%s/b/vmfs/volumes/ds/vm'; cp '%s/a.vmx' '%s/b/vmfs/volumes/ds/vm/'"):format(c.path, c.path, c.path))
    assert.equal(1, (c.gpupt "doctor --bundle b --report r.md --redact"))
    local text = c.read "r.md"
    assert.matches("## .-: problems\n", text)
    assert.matches("## The host: ", text)
    assert.is_nil(text:find("marketing", 1, true))
  end)
end)
