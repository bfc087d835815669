--- What csrc/test/oomhost.c runs while memory fails: the offline modules' C code (see oom_spec.lua).
-- A function ends normally, or raises anything but WRONG: a result that is not what it should be.
local core = require "gpupt.core"

local function expect(condition, what)
  if not condition then error("WRONG: " .. tostring(what), 0) end
end

--- nil, message, code is a valid end when the code means out of memory.
local function got(value, message, code)
  if value ~= nil then return value, message, code end
  expect(code == "ENOMEM", tostring(message) .. " " .. tostring(code))
  error("out of memory", 0)
end

local value = { list = core.json.array {}, text = ("x"):rep(200), number = 1.25, big = math.maxinteger, yes = true,
  deep = { { { a = { 1, 2, 3 }, b = "\u{20ac}", none = core.json.null } } } }
local encoded = assert(core.json.encode(value, 2, false))

local lspci = [[
65:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 PCIe 80GB] [10de:20b5] (rev a1)
	Subsystem: NVIDIA Corporation Device [10de:1533]
	Region 1: Memory at 1ff000000000 (64-bit, prefetchable) [size=128G]
	BAR 1: current size: 128GB, supported: 64GB 128GB
	Kernel driver in use: vfio-pci
0000:04:00.0
   Vendor ID: 0x1000
   Parent Device: PCI 0:0:2:0
]]

local many = {}
for i = 0, 150 do many[i + 1] = ("0000:%02x:00.0 10de:1b38 10de:11d9 passthru"):format(i) end
many = table.concat(many, "\n")

local log = ("noise\n"):rep(50)
  .. "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12\n"
local words = { "PCIPassthru: ", "DICT " }

local function read_all(reader)
  local lines = 0
  while true do
    local text, message, code = reader:next()
    if not text then
      if message then got(nil, message, code) end
      return lines
    end
    lines = lines + 1
  end
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local packed = os.tmpname()
write(packed .. ".log", log)
os.execute("gzip -c " .. packed .. ".log > " .. packed)
os.remove(packed .. ".log")

local bodies = {}

bodies["json.encode"] = function() expect(got(core.json.encode(value, 2, false)) == encoded, "other JSON") end
bodies["json.encode, foreign bytes"] = function()
  expect(got(core.json.encode({ ["\xff"] = { "\xfe" } }, 0, true)) == '{"\u{FFFD}":["\u{FFFD}"]}', "other JSON")
end
-- json.decode is left out: jansson's lexer asserts, and so ends the process, when its own buffer cannot grow.
bodies["bar"] = function()
  expect(core.bar.size "32G" == 32 << 30, "other size")
  local window = got(core.bar.compute { { count = 2, window = 1 << 35, total = 1 << 35, largest = 1 << 35 } })
  expect(window.min == 64, "other window")
end
bodies["pci text"] = function()
  local list = got(core.pci.text(lspci))
  expect(#list == 2 and list[1].bars[1].size == 128 << 30 and list[2].parent == "0000:00:02.0", "other devices")
end
bodies["pci text of many"] = function() expect(#got(core.pci.text(many)) == 151, "other devices") end
bodies["pci sysfs"] = function()
  local list, message, code = core.pci.sysfs "/sys"
  if not list and code == "ENOENT" then return end
  got(list, message, code)
end
bodies["vmlog"] = function()
  local reader <close> = got(core.vmlog.open(nil, log, got(core.vmlog.words(words))))
  expect(read_all(reader) == 1, "other lines")
  local address, bar = core.vmlog.bar(log:sub(-100))
  expect(address == nil or bar.size == 32 << 30, "other BAR")
end
bodies["vmlog gzip"] = function()
  local reader <close> = got(core.vmlog.open(packed, nil, got(core.vmlog.words(words))))
  expect(got(reader:head()) == "noise", "other head")
  expect(read_all(reader) == 1, "other lines")
end
bodies["vmlog judged"] = function()
  local ready = got(core.vmlog.words({ "PCIPassthru: " }, true))
  local text = 'DICT memSize = "4096"\nWARNING: PCI: 0000:0d:00.3 x\nscsi\nDICT memSize = "8192"\n'
  local reader <close> = got(core.vmlog.open(nil, text, ready))
  expect(read_all(reader) == 1, "other lines")
  expect(reader:settings().memsize.value == "8192", "other setting")
  local whole <close> = got(core.vmlog.open(nil, text, ready))
  expect(got(whole:whole(1 << 20)) == text, "other text")
end
bodies["folder"] = function()
  local folder <close> = got(core.folder.open "spec/json")
  expect(#got(folder:list("", 1000)) >= 2, "other names")
  local file <close>, message, code = folder:file "json_spec.lua" -- luacheck: ignore
  got(file, message, code)
  local reader <close> = got(core.vmlog.open(file, nil, got(core.vmlog.words(words))))
  expect(read_all(reader) == 0, "other lines")
end
bodies["vmlog prefix"] = function()
  expect(core.vmlog.prefix("2023-07-21T09:40:52.413Z In(05) vmx - x").message == "x", "other message")
end

local folder = os.getenv "GPUPT_OOM_FOLDER" or "build/oom-files"
assert(os.execute("mkdir -p " .. folder))
assert(core.system.write(folder .. "/a", "whole"))

bodies["system files"] = function()
  got(core.system.write(folder .. "/a", "whole"))
  local file <close> = got(core.system.open(folder .. "/b", "new"))
  expect(file:write "part", "other writing")
  got(core.system.publish(file, folder .. "/b", folder .. "/c"))
end
bodies["system trace"] = function()
  local wide = io.open(folder .. "/d", "w")
  if wide then wide:close() end
  local file <close> = got(core.system.open(folder .. "/d", "renew"))
  file:write "line"
end
bodies["system secure"] = function()
  local text = got(core.system.secure(folder .. "/a"))
  expect(text == "whole", "other text")
end
bodies["system refusals"] = function()
  local text, _, code = core.system.secure "/etc/passwd"
  expect(text == nil and (code == "EACCES" or code == "ENOMEM"), code)
  text, _, code = core.system.ask "? "
  expect(text == nil and (code == "ENOTTY" or code == "ENOMEM"), code)
end

return bodies
