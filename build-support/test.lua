--- Runs every suite, shows what failed, and ends with one plain line: "N passed, N failed".
-- A suite is a list of commands, its parts, that print "ok NAME" / "not ok NAME" lines (TAP) or Go's -json events. A
-- part that crashes, or that ran no test, counts as one failure. Most specs wait for simulated time: so GPUPT_JOBS
-- parts run at once (default: one more than there are processors), the long ones first.
--   lua5.4 build-support/test.lua [--full] [SUITE ...]
local root = (arg[0]:match "^(.*)/build%-support/[^/]*$" or ".")
package.path = root .. "/build-support/?.lua;" .. package.path
local suites = require "suites"
io.stdout:setvbuf "line" -- a log shows how far a run is

local readers = {}

-- TAP of busted and of our C tests: "not ok" lines are followed by their explanation.
function readers.tap(pipe, result)
  local failing = false
  for line in pipe:lines() do
    local verdict, name = line:match "^(n?o?t? ?ok)%s+%d*%s*%-?%s*(.*)$"
    if verdict == "ok" then
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

-- One file per part; xargs runs them and tells the number, the status and the seconds of each one that has ended.
local folder = shell("mktemp -d"):match "%S+"
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

local RUN = [[read begin _ </proc/uptime; bash "$0/$1" >"$0/$1.out" 2>&1 </dev/null; status=$?; read end _ </proc/uptime
echo "$1 $status $begin $end"]]
local at_once = tonumber(os.getenv "GPUPT_JOBS") or tonumber(shell "nproc") + 1
local pipe = assert(io.popen(("seq %d | xargs -P %d -n 1 bash -c '%s' '%s'"):format(#jobs, at_once, RUN, folder), "r"))
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
os.execute(("rm -rf '%s'"):format(folder))
if ended < #jobs then
  failed = failed + 1
  print(("FAILED: %d of %d parts did not run"):format(#jobs - ended, #jobs))
end
print(("%d passed, %d failed%s"):format(passed, failed, skipped > 0 and (", %d skipped"):format(skipped) or ""))
os.exit(failed == 0 and passed > 0)
