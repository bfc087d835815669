--- Runs every suite, shows what failed and which files took longest, and ends with one plain line:
-- "N passed, N failed".
-- A suite is a list of commands, its parts, that print "ok NAME" / "not ok NAME" lines (TAP) or Go's -json events. A
-- part that crashes, or that ran no test, counts as one failure. Most specs wait for simulated time: so GPUPT_JOBS
-- parts run at once (default: two for each processor), the long ones first. What they write goes to a folder of their
-- own, in memory if there is room: on a disk a third of their processor time was the file system's.
--   lua5.4 build-support/test.lua [--full] [SUITE ...]
local root = (arg[0]:match "^(.*)/build%-support/[^/]*$" or ".")
package.path = root .. "/build-support/?.lua;" .. package.path
local suites = require "suites"
io.stdout:setvbuf "line" -- a log shows how far a run is

local readers = {}
local slowest = {} -- the files of specs: { name =, suite =, seconds = }

-- TAP of busted and of our C tests: "not ok" lines are followed by their explanation.
function readers.tap(pipe, result)
  local failing = false
  for line in pipe:lines() do
    local verdict, name = line:match "^(n?o?t? ?ok)%s+%d*%s*%-?%s*(.*)$"
    local seconds, file = line:match "^# ([%d.]+) seconds in (spec/%S+)$"
    if seconds then
      slowest[#slowest + 1] = { name = file, suite = result.name, seconds = tonumber(seconds) }
    elseif verdict == "ok" then
      failing = false
      if name:find "# SKIP" then result.skipped = result.skipped + 1 else result.passed = result.passed + 1 end
    elseif verdict == "not ok" then
      failing = true
      result.failed = result.failed + 1
      print("FAILED " .. result.name .. ": " .. name)
    elseif failing and line ~= "" and not line:match "^%d+%.%.%d+" then
      print("    " .. line)
    elseif not line:match "^%d+%.%.%d+" then
      result.noise[#result.noise + 1] = line
    end
  end
end

-- go test -json, one event a line; output is kept by test and shown when it fails.
function readers.go(pipe, result)
  local output = {}
  for line in pipe:lines() do
    local action, test = line:match '"Action":"(%w+)"', line:match '"Test":"([^"]+)"'
    local package = line:match '"Package":"([^"]+)"' or ""
    local key = package .. " " .. (test or "")
    if action == "output" then
      local text = (line:match '"Output":"(.*)"}$' or ""):gsub("\\n$", ""):gsub("\\t", "  "):gsub('\\"', '"')
      text = text:gsub("\\u003c", "<"):gsub("\\u003e", ">"):gsub("\\u0026", "&")
      output[key] = output[key] or {}
      table.insert(output[key], text)
    elseif action == "pass" and test then
      result.passed = result.passed + 1
    elseif action == "skip" and test then
      result.skipped = result.skipped + 1
    elseif action == "fail" then
      -- a package fails with its tests; it counts only when it did not build or run
      if test then
        result.failed = result.failed + 1
        result.failed_packages = result.failed_packages or {}
        result.failed_packages[package] = true
      elseif not (result.failed_packages or {})[package] then
        result.failed = result.failed + 1
      end
      print("FAILED " .. result.name .. ": " .. key)
      for _, text in ipairs(output[key] or {}) do print("    " .. text) end
    elseif not action then
      result.noise[#result.noise + 1] = line
    end
  end
end

-- A command that is one test: its exit status decides.
function readers.status(pipe, result)
  for line in pipe:lines() do result.noise[#result.noise + 1] = line end
end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function shell(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "a"
  assert(pipe:close(), command .. " failed")
  return text
end

-- What one part of a suite printed is added to the suite's result.
local function count(suite, result, path, status)
  local before, noise = result.passed + result.failed + result.skipped, result.noise
  local failed_before = result.failed
  result.noise = {}
  local output <close> = assert(io.open(path))
  readers[suite.reader](output, result)
  local died = status ~= 0
  if suite.reader == "status" then
    if died then result.failed = result.failed + 1 else result.passed = result.passed + 1 end
  elseif result.passed + result.failed + result.skipped == before then
    result.failed = result.failed + 1
    print("FAILED " .. suite.name .. ": no test ran")
  elseif died and result.failed == failed_before then
    result.failed = result.failed + 1
    print(("FAILED %s: exited with %d after its tests passed"):format(suite.name, status))
  end
  if result.failed > failed_before and (suite.reader == "status" or died) then
    for i = math.max(1, #result.noise - 60), #result.noise do print("    " .. result.noise[i]) end
  end
  result.noise = noise
end

local wanted, full = {}, false
for _, name in ipairs(arg) do
  if name == "--full" then full = true else wanted[name] = true end
end

-- Where the specs write. A program has to run from there (some systems forbid it for memory), and the little that they
-- keep at any time must fit many times over. TMPDIR decides if it is set.
local SCRATCH = [[
base=${TMPDIR:-}
if [ -z "$base" ]; then
  base=/tmp
  room=$(df --output=avail -m -t tmpfs /dev/shm 2>/dev/null | tail -n 1)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  if [ "${room:-0}" -ge 2048 ] && [ "${memory:-0}" -ge 4096 ] &&
    try=$(mktemp -d /dev/shm/gpupt-try.XXXXXX 2>/dev/null); then
    printf '#!/bin/sh\n' >"$try/program" && chmod +x "$try/program" && "$try/program" 2>/dev/null && base=/dev/shm
    rm -rf "$try"
  fi
fi
mktemp -d "$base/gpupt-test.XXXXXX"]]

-- One file per part; xargs runs them and tells the number, the status and the seconds of each one that has ended.
local folder = shell(SCRATCH):match "[^\n]+"
local jobs, left, list = {}, {}, suites.list(root, full)
table.sort(list, function(a, b)
  if a.weight ~= b.weight then return a.weight > b.weight end
  return a.name < b.name
end)
for _, suite in ipairs(list) do
  if next(wanted) == nil or wanted[suite.name] then
    left[suite] = { name = suite.name, parts = #suite.commands, passed = 0, failed = 0, skipped = 0, seconds = 0,
      noise = {} }
    for _, command in ipairs(suite.commands) do
      jobs[#jobs + 1] = suite
      local file <close> = assert(io.open(("%s/%d"):format(folder, #jobs), "w"))
      assert(file:write("cd '" .. root .. "' && { " .. command .. "\n}\n"))
    end
  end
end

local RUN = [[export TMPDIR=$0/files
read begin _ </proc/uptime; bash "$0/$1" >"$0/$1.out" 2>&1 </dev/null; status=$?; read end _ </proc/uptime
echo "$1 $status $begin $end"]]
local at_once = tonumber(os.getenv "GPUPT_JOBS") or 2 * tonumber(shell "nproc")
-- some specs become another user: its files are as /tmp is
local ALL = [[chmod 711 "$1"; mkdir -m 1777 "$1/files"
trap 'chmod -R u+rwX "$1"; rm -rf "$1"; exit 130' INT TERM
seq "$2" | xargs -P "$3" -n 1 bash -c "$4" "$1"]]
local pipe = assert(io.popen(("bash -c %s all %s %d %d %s"):format(quoted(ALL), quoted(folder), #jobs, at_once,
  quoted(RUN)), "r"))
local passed, failed, skipped, ended = 0, 0, 0, 0
for line in pipe:lines() do
  local number, status, begin, finish = line:match "^(%d+) (%d+) ([%d.]+) ([%d.]+)$"
  local suite = jobs[math.tointeger(number)]
  local result = left[suite]
  ended = ended + 1
  count(suite, result, ("%s/%s.out"):format(folder, number), math.tointeger(status))
  result.parts, result.seconds = result.parts - 1, result.seconds + finish - begin
  if result.parts == 0 then
    print(("%-22s %5d passed %4d failed%s %6.1f s"):format(result.name, result.passed, result.failed,
      result.skipped > 0 and (" %d skipped"):format(result.skipped) or "", result.seconds))
    passed, failed, skipped = passed + result.passed, failed + result.failed, skipped + result.skipped
  end
end
pipe:close()
os.execute(("chmod -R u+rwX %s; rm -rf %s"):format(quoted(folder), quoted(folder)))
if ended < #jobs then
  failed = failed + 1
  print(("FAILED: %d of %d parts did not run"):format(#jobs - ended, #jobs))
end
table.sort(slowest, function(a, b)
  if a.seconds ~= b.seconds then return a.seconds > b.seconds end
  return a.name < b.name
end)
for i = 1, math.min(#slowest, 10) do
  local one = slowest[i]
  print(("%-22s %6.1f s  %s%s"):format(i == 1 and "slowest files:" or "", one.seconds, one.name,
    one.suite == "sanitized" and ", sanitized" or ""))
end
print(("%d passed, %d failed%s"):format(passed, failed, skipped > 0 and (", %d skipped"):format(skipped) or ""))
os.exit(failed == 0 and passed > 0)
