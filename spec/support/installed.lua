--- `make install` into a temporary folder, and the command run from there as a user runs it: without this checkout in
-- any path or variable.
local installed = {}

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return status or 0, output
end
installed.run = run

function installed.must(command)
  local status, output = run(command)
  assert(status == 0, command .. "\n" .. output)
  return output
end

function installed.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- { path, make(target, variables), gpupt(command, words, environment), remove() }: status and output.
function installed.folder()
  local self = { path = installed.must("mktemp -d"):match "%S+" }
  local build = os.getenv "GPUPT_BUILD" or "build"
  function self.make(target, variables)
    local words = {}
    for name, value in pairs(variables) do words[#words + 1] = name .. "=" .. installed.quote(value) end
    return run(("env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -s %s BUILD=%s %s"):format(target,
      installed.quote(build), table.concat(words, " ")))
  end
  function self.gpupt(command, words, environment)
    return run(("cd '%s' && env -u LUA_PATH -u LUA_CPATH -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u GPUPT_BUILD %s %s %s"):format(
      self.path, environment or "", installed.quote(command), words))
  end
  --- Every file and folder below `path`, sorted.
  function self.tree(path)
    return installed.must(("cd %s && find . -mindepth 1 | LC_ALL=C sort"):format(installed.quote(path)))
  end
  function self.write(name, text)
    local path = self.path .. "/" .. name
    installed.must("mkdir -p " .. installed.quote(path:match "^(.*)/"))
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
  end
  function self.remove() run("rm -rf " .. installed.quote(self.path)) end
  return self
end

--- Sanitized libraries need a runtime that only the sanitized specs load.
function installed.unless_sanitized(describe) return os.getenv "GPUPT_SANITIZED" and function() end or describe end

return installed
