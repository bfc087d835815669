-- Sources of any kind and size: constant memory, clear errors, partial results marked partial.
local vmlog = require "gpupt.vmlog"
local core = require "gpupt.core".vmlog

local folder

local function path(name) return folder .. "/" .. name end

local function write(name, content)
  local file = assert(io.open(path(name), "wb"))
  file:write(content)
  file:close()
  return path(name)
end

local function shell(format, ...)
  local ok = os.execute(format:format(...))
  assert(ok, "the shell command failed")
end

local function resident_kb()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then return tonumber(kb) end
  end
end

local BAR = "2023-07-21T09:40:51.000Z In(05) vmx - PCIPassthru: Device 0000:%02x:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12\n"
local NESTED = "PCI passthrough devices cannot be added when Nested Hardware-Assisted Virtualization is enabled.\n"
local NOISE = "2023-07-21T09:40:51.000Z In(05) vmx - SVGA: nothing of interest here at all\n"

describe("a log as a stream", function()
  setup(function()
    local pipe = io.popen "mktemp -d"
    folder = pipe:read "l"
    pipe:close()
  end)
  teardown(function() os.execute("chmod -R u+rwx " .. folder .. " && rm -rf " .. folder) end)

  it("finds the same in memory, in a file, through a pipe and in gzip", function()
    local text = NOISE:rep(5000) .. BAR:format(0x42) .. NOISE:rep(9000) .. NESTED .. NOISE:rep(100)
    local file = write("a.log", text)
    shell("gzip -k %s", file)
    local want = assert(vmlog.scan { text = text })
    assert.equal(5001, want.devices[1].line)
    assert.equal(14002, want.findings[1].line)
    assert.equal(14102, want.lines)
    assert.equal(#text, want.bytes)
    for _, source in ipairs { file, file .. ".gz" } do
      local got = assert(vmlog.scan(source))
      assert.same(want.devices, got.devices)
      assert.equal(want.findings[1].line, got.findings[1].line)
      assert.equal(want.lines, got.lines)
      assert.equal(want.bytes, got.bytes)
      assert.same({ source }, got.files)
    end
    local pipe = assert(io.popen(("cat %s | bin/gpupt log - --json"):format(file)))
    local got = require "gpupt.json".decode(pipe:read "a")
    pipe:close()
    assert.equal(14002, got.findings[1].line)
    assert.equal("standard input", got.findings[1].file)
  end)

  it("hands over lines wherever they lie against the window's edges", function()
    local window = 256 * 1024
    for _, shift in ipairs { -200, -100, -60, -1, 0, 1, 2, 60, 100, 200 } do
      local pad = ("x"):rep(79) .. "\n"
      local before = pad:rep((window + shift) // 80) .. ("y"):rep((window + shift) % 80)
      local text = before .. "\n" .. BAR:format(0x42) .. pad:rep(4000) .. NESTED
      local got = assert(vmlog.scan { text = text })
      assert.equal(select(2, before:gsub("\n", "")) + 2, got.devices[1].line)
      assert.equal(1, #got.findings)
    end
  end)

  it("numbers lines that have no line end behind them, and CRLF", function()
    assert.equal(1, assert(vmlog.scan { text = NESTED:sub(1, -2) }).lines)
    assert.equal(0, assert(vmlog.scan { text = "" }).lines)
    local got = assert(vmlog.scan { text = "a\r\nb\r\n" .. NESTED:sub(1, -2) .. "\r\n" })
    assert.equal(3, got.findings[1].line)
    assert.equal(NESTED:sub(1, -2), got.findings[1].text)
  end)

  it("keeps its memory with a file of 64 MB and with 64 MB on one line", function()
    local chunk = NOISE:rep(1000)
    local file = assert(io.open(path "big.log", "wb"))
    for _ = 1, 64 * 1024 * 1024 // #chunk do file:write(chunk) end
    file:write(NESTED)
    file:close()
    local one = assert(io.open(path "line.log", "wb"))
    local letters = ("z"):rep(1 << 20)
    for i = 1, 64 do
      one:write(letters)
      if i == 30 then one:write(NESTED:sub(1, -2)) end
    end
    one:write("\n", BAR:format(0x42))
    one:close()
    collectgarbage()
    assert(vmlog.scan(path "line.log"))
    local before = resident_kb()
    local big, line = assert(vmlog.scan(path "big.log")), assert(vmlog.scan(path "line.log"))
    assert.is_true(resident_kb() - before < 8 * 1024)
    assert.equal("nested-hv", big.findings[1].code)
    assert.equal("nested-hv", line.findings[1].code)
    assert.equal(1, line.findings[1].line)
    assert.is_true(#line.findings[1].text <= 500)
    assert.equal(2, line.devices[1].line)
    assert.equal(2, line.lines)
  end)

  it("finds a word at every place of a long line, across the window's edges", function()
    for _, at in ipairs { 0, 255, 4096, 262100, 262144, 262160, 520000 } do
      local text = ("q"):rep(at) .. "AH No device hints found" .. ("q"):rep(600000 - at)
      local got = assert(vmlog.scan { text = text })
      assert.equal("no-device-hints", got.findings[1].code)
      assert.equal(1, got.findings[1].count)
    end
  end)

  it("reads binary files without complaint", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local file = write("binary", table.concat(bytes):rep(3000) .. "\0" .. NESTED .. "\xff\xfe")
    local got = assert(vmlog.scan(file))
    assert.equal("nested-hv", got.findings[1].code)
    assert.is_nil(got.partial)
  end)

  it("reads UTF-16 of either order, with and without a mark, and says so", function()
    local function wide(text, little) return (text:gsub(".", little and "%0\0" or "\0%0")) end
    for _, text in ipairs { "\xff\xfe" .. wide(NESTED, true), "\xfe\xff" .. wide(NESTED, false), wide(NESTED, true),
      wide(NESTED, false) } do
      local got = assert(vmlog.scan { text = text })
      assert.equal("nested-hv", got.findings[1].code)
      assert.equal(NESTED:sub(1, -2), got.findings[1].text)
      assert.same({ what = "UTF-16", line = 1, count = 1 }, got.repairs[1])
    end
    local file = write("wide.log", "\xff\xfe" .. wide(NOISE, true):rep(30000) .. "\xd8" .. "\0" .. "\x3d\xd8\x00\xde"
      .. wide(NESTED, true))
    local got = assert(vmlog.scan(file))
    assert.equal(30001, got.findings[1].line)
    assert.matches("\u{1F600}PCI", got.findings[1].text, 1, true)
  end)

  it("marks a gzip file that ends too early as partial, and gives what was there", function()
    write("cut.log", BAR:format(0x42) .. NESTED .. ("%d\n"):rep(100000):gsub("%%d", function() return math.random(1 << 40) end))
    shell("gzip -c %s | head -c 300000 > %s", path "cut.log", path "cut.log.gz")
    local got = assert(vmlog.scan(path "cut.log.gz"))
    assert.is_true(got.partial)
    assert.equal("ETRUNCATED", got.code)
    assert.matches("cut.log.gz: the gzip file ends too early", got.problem)
    assert.equal("0000:42:00.0", got.devices[1].address)
    assert.equal("nested-hv", got.findings[1].code)
  end)

  it("refuses a gzip file that is damaged from the start", function()
    local got, message, code = vmlog.scan(write("bad.gz", "\x1f\x8b\8\0\0\0\0\0\0\3" .. ("\xff"):rep(100)))
    assert.is_nil(got)
    assert.matches("damaged", message)
    assert.equal("EPARSE", code)
  end)

  it("reads joined gzip files to the end", function()
    local a, b = write("j1", NOISE), write("j2", NESTED)
    shell("(gzip -c %s; gzip -c %s) > %s", a, b, path "joined.gz")
    assert.equal(2, assert(vmlog.scan(path "joined.gz")).findings[1].line)
  end)

  it("says what it cannot open", function()
    local got, message, code = vmlog.scan(path "none.log")
    assert.is_nil(got)
    assert.matches("none.log: No such file", message)
    assert.equal("ENOENT", code)
  end)

  it("says that reading failed", function()
    -- the first page of a process is never mapped
    local got, message, code = vmlog.scan "/proc/self/mem"
    assert.is_nil(got)
    assert.matches("/proc/self/mem: reading the log: Input/output error", message)
    assert.equal("EIO", code)
  end)

  it("survives a file that is cut while it is read", function()
    local file = write("shrink.log", NOISE:rep(20000) .. NESTED)
    local reader <close> = assert(core.open(file, nil, core.words { "SVGA: nothing" }))
    assert.is_string(reader:next())
    write("shrink.log", "")
    local n = 1
    while true do
      local text, message = reader:next()
      if not text then
        assert.is_nil(message)
        break
      end
      n = n + 1
    end
    assert.is_true(n < 20000)
  end)

  it("cannot be used once it is closed", function()
    local reader = assert(core.open(nil, "x", core.words { "word" }))
    reader:close()
    reader:close()
    assert.has_error(function() reader:next() end)
  end)

  it("raises for an invalid source", function()
    assert.error_matches(function() vmlog.scan(5) end, "a path or {text=...}, not a number")
    assert.error_matches(function() vmlog.scan {} end, "a path or {text=...}")
    assert.error_matches(function() vmlog.scan({ text = "" }, { session = "all" }) end, "did you mean 'sessions'")
  end)

  describe("of a folder", function()
    local function make(name, files)
      os.execute("mkdir -p " .. path(name))
      for file, content in pairs(files) do write(name .. "/" .. file, content) end
      return path(name)
    end
    local function dated(day, text)
      return ("2023-07-%02dT09:40:50.413Z In(05) vmx - Log for VMware ESX pid=1 version=VMware ESXi 8.0.%d build=build-1 option=Release\n")
        :format(day, day) .. text
    end

    it("is read oldest first; vmware.log is the newest", function()
      local got = assert(vmlog.scan(make("rotated", {
        ["vmware.log"] = dated(9, BAR:format(9)), ["vmware-36.log"] = dated(3, BAR:format(3)),
        ["vmware-35.log"] = dated(2, BAR:format(2)), ["notes.txt"] = BAR:format(0x77), ["vmware.log.txt"] = BAR:format(0x78),
      }), { sessions = "all" }))
      assert.equal("0000:09:00.0", got.devices[1].address)
      local order = {}
      for i, session in ipairs(got.sessions) do order[i] = session.devices[1].address end
      assert.same({ "0000:02:00.0", "0000:03:00.0", "0000:09:00.0" }, order)
      assert.matches("rotated/vmware%-35.log$", got.files[1])
    end)

    it("goes by the time on the first line where numbers count down, gzip included", function()
      local dir = make("down", { ["vmware-0.log"] = dated(5, BAR:format(5)), ["vmware-1.log"] = dated(4, BAR:format(4)),
        ["vmware.log"] = dated(6, "") })
      shell("gzip %s/vmware-1.log", dir)
      local got = assert(vmlog.scan(dir, { sessions = "all" }))
      assert.matches("vmware%-1.log.gz$", got.files[1])
      assert.matches("vmware.log$", got.files[3])
      -- the newest power-on logged no card: the newest measured one is given
      assert.equal("0000:05:00.0", got.devices[1].address)
    end)

    it("without logs is ENOENT", function()
      local got, message, code = vmlog.scan(make("empty", { ["x.txt"] = "" }))
      assert.is_nil(got)
      assert.matches("no vmware%*.log in this folder", message)
      assert.equal("ENOENT", code)
    end)

    it("with a damaged file gives the rest, marked partial", function()
      local got = assert(vmlog.scan(make("mixed", { ["vmware-1.log"] = "\x1f\x8bx\0", ["vmware.log"] = dated(1, NESTED) })))
      assert.is_true(got.partial)
      assert.matches("vmware%-1.log: the gzip file", got.problem)
      assert.equal("nested-hv", got.findings[1].code)
    end)
  end)
end)

describe("the search for words", function()
  -- An independent reading: every line by string.find.
  local function expected(text, words)
    local lines, number = {}, 0
    for line in (text .. (text:sub(-1) == "\n" and "" or "\n")):gmatch "([^\n]*)\n" do
      number = number + 1
      local found = {}
      for i, word in ipairs(words) do
        if line:find(word, 1, true) then found[#found + 1] = i end
      end
      if #found > 0 then lines[#lines + 1] = number .. ":" .. table.concat(found, ",") end
    end
    return lines
  end

  local function found(text, words, plain)
    local reader <close> = assert(core.open(nil, text, core.words(words, false, plain)))
    local lines = {}
    while true do
      local line = table.pack(reader:next())
      if not line[1] then return lines end
      lines[#lines + 1] = line[2] .. ":" .. table.concat(line, ",", 7)
    end
  end

  for round = 1, 60 do
    it("agrees with a search line by line, wide and plain, round " .. round, function()
      math.randomseed(round)
      local alphabet = round % 3 == 0 and "ab" or round % 3 == 1 and "abcd \n" or "abcdefghij0123ABC \n"
      local function random(n)
        local out = {}
        for i = 1, n do
          local k = math.random(#alphabet)
          out[i] = alphabet:sub(k, k)
        end
        return table.concat(out)
      end
      local words = {}
      for i = 1, math.random(1, round % 5 == 0 and 300 or 40) do words[i] = random(math.random(4, round % 2 == 0 and 6 or 20)):gsub("\n", "x") end
      local parts = {}
      for i = 1, 60 do
        parts[i] = math.random(3) == 1 and words[math.random(#words)] or random(math.random(0, 90))
        if math.random(3) == 1 then parts[i] = parts[i] .. "\n" end
      end
      local text = table.concat(parts)
      local want = expected(text, words)
      assert.same(want, found(text, words, false))
      assert.same(want, found(text, words, true))
    end)
  end

  it("refuses no words, too many, too short, too long, and line ends in them", function()
    local many = {}
    for i = 1, core.most_words + 1 do many[i] = ("word%03d"):format(i) end
    assert.has_error(function() core.words(many) end)
    for _, words in ipairs { {}, { "abc" }, { ("a"):rep(65) }, { "ab\ncd" } } do
      assert.equal("EINVAL", select(3, core.words(words)))
    end
  end)
end)
