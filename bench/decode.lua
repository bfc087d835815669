--- Decoding a large answer: gpupt compared with libxml2 alone (the floor), govmomi and pyVmomi, in one run and one
-- thread, as ratios.
-- The answer is what RetrievePropertiesEx of govmomi's simulator returns for 2,000 VMs (19 MB).
-- usage: lua5.4 bench/decode.lua [passes]      needs `make build`, Go and build/venv (make setup)
local net = require "gpupt.net"
local codec = net.codec

local passes = tonumber(arg and arg[1]) or 7
local scratch = "build/bench"

local function run(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  assert(pipe:close(), command .. " failed")
  return text
end

local function build()
  run("mkdir -p " .. scratch)
  run("cc -O2 -shared -fPIC -o " .. scratch .. "/floor.so bench/floor.c $(pkg-config --cflags --libs lua5.4 libxml-2.0)"
    .. " -Wl,--unresolved-symbols=ignore-all")
  run(". build-support/environment && cd bench/peers && go build -o ../../" .. scratch .. "/peers .")
  run(("[ -f %s/answer.xml ] || %s/peers make %s/answer.xml 2000"):format(scratch, scratch, scratch))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function pieces(text)
  local chunks = {}
  for i = 1, #text, 16384 do chunks[#chunks + 1] = text:sub(i, i + 16383) end
  return chunks
end

local function statistics(list)
  table.sort(list)
  return list[1], list[#list // 2 + 1]
end

--- The CPU seconds of one run of fn, from `inner` runs in a row.
local function measure(fn, inner)
  collectgarbage()
  collectgarbage()
  local from = os.clock()
  for _ = 1, inner do fn() end
  return (os.clock() - from) / inner
end

local function numbers(text)
  local list = {}
  for number in text:gmatch("[%d.]+") do list[#list + 1] = tonumber(number) end
  return statistics(list)
end

local function row(name, floor, least, median, limit, unit)
  local scale = unit == "us" and 1e6 or 1
  print(("  %-44s min %9.4f  median %9.4f %s  %6.2f x floor%s"):format(name, least * scale, median * scale, unit or "s",
    least / floor, limit and ("   (at most %.1f)"):format(limit) or ""))
  return not limit or least / floor <= limit
end

local function peak(field)
  return tonumber(read("/proc/self/status"):match(field .. ":%s+(%d+)")) / 1024
end

build()
package.cpath = scratch .. "/?.so;" .. package.cpath
local floor = require "floor"
local good = true

local function compare(title, method, text, inner, limits)
  local chunks = pieces(text)
  print(("%s (%.1f kB)"):format(title, #text / 1000))
  local rounds = math.max(passes, 7)
  local unit = #text < 1e6 and "us" or "s"
  -- other programs run here too, and the speed varies for seconds at a time: each pass measures all three
  local bottom, bottom_median = math.huge, math.huge
  local function sink()
    for _ = 1, inner > 1 and 20 or 1 do
      local least, median = floor(text, rounds)
      bottom, bottom_median = math.min(bottom, least), math.min(bottom_median, median or least)
    end
  end
  local tapes, tables = {}, {}
  for i = 1, rounds do
    sink()
    tapes[i] = measure(function() assert(codec.decode(method, chunks)):release() end, inner)
    tables[i] = measure(function() return assert(codec.decode(method, chunks)):value() end, inner)
  end
  sink()
  local tape_least, tape_median = statistics(tapes)
  local all_least, all_median = statistics(tables)
  row("libxml2 SAX2 push, empty handlers (floor)", bottom, bottom, bottom_median, nil, unit)
  good = row("tape", bottom, tape_least, tape_median, limits.tape, unit) and good
  good = row("typed Lua tables", bottom, all_least, all_median, limits.all, unit) and good
  return bottom, unit
end

local answer = read(scratch .. "/answer.xml")
local before = peak("VmHWM")
do
  -- peak memory first, in a process that has not done anything else yet
  local chunks = pieces(answer)
  local held = peak("VmRSS")
  local value = assert(codec.decode("RetrievePropertiesEx", chunks)):value()
  print(("peak memory of decoding %.1f MB into tables: %.1f MB, %.2f x the answer (at most 3)"):format(#answer / 1e6,
    peak("VmHWM") - held, (peak("VmHWM") - held) * 1048576 / #answer))
  good = good and (peak("VmHWM") - held) * 1048576 / #answer <= 3
  assert(#value.objects == 2000 and before > 0)
end
collectgarbage()

local function peer(name, bottom, unit, command)
  local ok, text = pcall(run, command)
  if not ok then
    print("  " .. name .. ": " .. tostring(text))
    return
  end
  local least, median = numbers(text)
  row(name, bottom, least, median, nil, unit)
end

--- The times of the others for the same answer, in the file `path`.
local function peers(path, bottom, unit)
  peer("govmomi", bottom, unit, ("%s/peers decode %s %d"):format(scratch, path, math.max(passes, 7)))
  peer("pyVmomi", bottom, unit, ("build/venv/bin/python bench/pyvmomi_decode.py %s %d"):format(path,
    unit == "s" and 3 or 7))
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

peers(scratch .. "/answer.xml", compare("2,000 virtual machines", "RetrievePropertiesEx", answer, 1,
  { tape = 1.4, all = 2.5 }))

local first = answer:find("<objects>", 1, true)
local count, at = 0, first
while count < 100 do
  count, at = count + 1, select(2, answer:find("</objects>", at, true)) + 1
end
local tail = answer:match("</returnval>.*$", #answer - 400)
write(scratch .. "/page.xml", answer:sub(1, at - 1) .. tail)
peers(scratch .. "/page.xml", compare("a page of 100 virtual machines", "RetrievePropertiesEx",
  answer:sub(1, at - 1) .. tail, 5, { all = 3.0 }))

local update = '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
  .. 'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
  .. 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><WaitForUpdatesExResponse '
  .. 'xmlns="urn:vim25"><returnval><version>7</version><filterSet><filter type="PropertyFilter">session[52]filter-1'
  .. '</filter><objectSet><kind>modify</kind><obj type="Task">task-4711</obj><changeSet><name>info.state</name>'
  .. '<op>assign</op><val xsi:type="TaskInfoState">running</val></changeSet><changeSet><name>info.progress</name>'
  .. '<op>assign</op><val xsi:type="xsd:int">35</val></changeSet></objectSet></filterSet></returnval>'
  .. "</WaitForUpdatesExResponse></soapenv:Body></soapenv:Envelope>"
write(scratch .. "/update.xml", update)
peers(scratch .. "/update.xml", compare("one task's update", "WaitForUpdatesEx", update, 5000, { all = 3.0 }))

if not good then
  print("a limit is not held")
  os.exit(1)
end
