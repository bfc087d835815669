--- Runs every suite, shows what failed, and ends with one plain line: "N passed, N failed".
-- A suite is a command that prints "ok NAME" / "not ok NAME" lines (TAP) or Go's -json events. A suite that crashes, or
-- that ran no test, counts as one failure.
--   lua5.4 build-support/test.lua [--full] [SUITE ...]
local root = (arg[0]:match "^(.*)/build%-support/[^/]*$" or ".")
package.path = root .. "/build-support/?.lua;" .. package.path
local suites = require "suites"

local function seconds()
  local f = assert(io.open "/proc/uptime")
  local up = f:read "n"
  f:close()
  return up
end

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

local function run(suite)
  local result = { name = suite.name, passed = 0, failed = 0, skipped = 0, noise = {} }
  local started = seconds()
  local pipe = assert(io.popen("cd '" .. root .. "' && { " .. suite.command .. "\n} 2>&1 </dev/null", "r"))
  readers[suite.reader](pipe, result)
  local _, how, status = pipe:close()
  local died = status ~= 0
  if suite.reader == "status" then
    if died then result.failed = 1 else result.passed = 1 end
  elseif result.passed + result.failed == 0 then
    result.failed = 1
    print("FAILED " .. suite.name .. ": no test ran")
  elseif died and result.failed == 0 then
    result.failed = 1
    print(("FAILED %s: exited with %s %s after its tests passed"):format(suite.name, how, status))
  end
  if result.failed > 0 and (suite.reader == "status" or died) then
    for i = math.max(1, #result.noise - 60), #result.noise do print("    " .. result.noise[i]) end
  end
  print(("%-22s %5d passed %4d failed%s %6.1f s"):format(suite.name, result.passed, result.failed,
    result.skipped > 0 and (" %d skipped"):format(result.skipped) or "", seconds() - started))
  return result
end

local wanted, full = {}, false
for _, name in ipairs(arg) do
  if name == "--full" then full = true else wanted[name] = true end
end
local passed, failed, skipped = 0, 0, 0
for _, suite in ipairs(suites.list(root, full)) do
  if next(wanted) == nil or wanted[suite.name] then
    local result = run(suite)
    passed, failed, skipped = passed + result.passed, failed + result.failed, skipped + result.skipped
  end
end
print(("%d passed, %d failed%s"):format(passed, failed, skipped > 0 and (", %d skipped"):format(skipped) or ""))
os.exit(failed == 0 and passed > 0)
