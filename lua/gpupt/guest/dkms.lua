--- Why DKMS has no module for the running kernel: what `dkms status` and the make.log of the failed build say.
--
--   dkms.of(status lines, "nvidia")          --> { { version = "570.86.15", state = "added" }, ... }
--   dkms.make_log "nvidia"                   --> the shell text that shows the errors of its builds
--   dkms.why(status lines, "nvidia", kernel, its output)   --> "DKMS failed to build ...", or nil
--
-- The states are DKMS's own: added (never built, or the build failed), built, installed, each of the last two with a
-- kernel. Forms: "nvidia/570.86.15: added", "nvidia/570.86.15, 6.8.0-45-generic, x86_64: installed", and with a comma
-- for the slash before DKMS 3.
local text = require "gpupt.text"

local dkms = {}

--- The entries of a module in the lines of `dkms status`: a list of { version =, kernel =, state = }.
function dkms.of(lines, module)
  local list = {}
  for _, line in ipairs(lines) do
    local name, version, rest, state = line:match "^([%w_.+-]+)[/,]%s*([^,:%s]+)(.-):%s*(%l+)"
    if name and name:sub(1, #module) == module then
      list[#list + 1] = { version = version, kernel = rest:match "^,%s*([^,%s]+)", state = state }
    end
  end
  return list
end

--- The shell text that shows the first errors in the logs of a module's builds, newest log first.
function dkms.make_log(module)
  return ("for f in $(ls -t /var/lib/dkms/%s*/*/build/make.log /var/lib/dkms/%s*/*/*/*/log/make.log 2>/dev/null); do "
    .. "echo \"$f\"; grep -iE 'error|not found|is missing|No space left|No such file|Unable to find' \"$f\" "
    .. "| head -n 3; break; done"):format(module, module)
end

-- What a line of make.log means, in this order: pattern, cause and remedy.
local causes = {
  { "No space left on device", "the guest's disk is full: free space" },
  { "[Uu]nable to find the kernel source", "the kernel's headers are missing: install those of the running kernel" },
  { "linux/[%w_/]+%.h: No such file", "the kernel's headers are missing or of another kernel: install those of the "
    .. "running kernel" },
  { "unrecognized command.line option", "the compiler is another than that of the kernel: install the gcc that the "
    .. "kernel was built with" },
  { "cc[^:]*: [Cc]ommand not found", "there is no compiler: install gcc and make" },
  { "cc: not found", "there is no compiler: install gcc and make" },
  { "implicit declaration", "the driver is older than the kernel allows: take a newer driver branch, or boot the "
    .. "kernel that it supports" },
  { "has no member", "the driver is older than the kernel allows: take a newer driver branch, or boot the kernel that "
    .. "it supports" },
  -- AMD's own check of the kernel's headers
  { "is missing%.?, exit", "the driver does not fit this kernel: take a newer driver, or boot a kernel that it "
    .. "supports" },
  { "incompatible pointer type", "the driver is older than the kernel allows: take a newer driver branch, or boot the "
    .. "kernel that it supports" },
}

local function cause_of(errors)
  for _, one in ipairs(causes) do
    if errors:find(one[1]) then return one[2] end
  end
end

--- Why there is no module of this name for the kernel; nil if DKMS says nothing about it, or has installed it.
-- `log`: the output of make_log.
function dkms.why(lines, module, kernel, log)
  local newest
  for _, one in ipairs(dkms.of(lines, module)) do
    if one.kernel == kernel and one.state == "installed" then return nil end
    if one.state == "added" or one.kernel == kernel then newest = one end
    newest = newest or one
  end
  if not newest then return nil end
  local what = ("%s %s"):format(module, newest.version)
  if newest.state == "installed" then
    return ("DKMS has built %s for the kernel %s only, not for the running %s: install the headers of the running one, "
      .. "then run dkms autoinstall"):format(what, newest.kernel or "?", kernel)
  elseif newest.state == "built" then
    return ("DKMS has built %s for %s and not installed it: run dkms install %s/%s"):format(what, kernel, module,
      newest.version)
  end
  local words = {}
  for line in text.lines(log or "") do words[#words + 1] = text.trim(line) end
  local path = table.remove(words, 1)
  local errors = table.concat(words, "; "):sub(1, 300)
  if not path then
    return ("DKMS has %s, and has not built it for the running kernel %s (no make.log): install the headers of that "
      .. "kernel, then run dkms autoinstall"):format(what, kernel)
  end
  local cause = cause_of(errors)
  return ("DKMS failed to build %s for the running kernel %s%s%s. Its log in the guest: %s"):format(what, kernel,
    errors ~= "" and " (" .. errors .. ")" or "", cause and ": " .. cause or "", path)
end

return dkms
