-- Which files of the library and the command write to standard output or standard error by themselves: only
-- lua/gpupt/printer.lua may, because it makes control characters visible (gpupt.visible). Prints the lines; exit 1 when
-- there are any.    lua5.4 build-support/printed.lua [FOLDER]
local folder = arg[1] or "."

local patterns = {
  { "%f[%w_.:]print%f[^%w_]%s*[%(\"'%[{]", "print" }, { "[%w_]%s*=%s*print%f[^%w_]", "print" },
  { "_G%s*%.%s*print", "print" },
  { "%f[%w_]io%s*%.%s*write%f[^%w_]", "io.write" }, { "%f[%w_]io%s*%.%s*output%f[^%w_]", "io.output" },
  { "%f[%w_]io%s*%.%s*stdout%f[^%w_]", "io.stdout" }, { "%f[%w_]io%s*%.%s*stderr%f[^%w_]", "io.stderr" },
  { "%f[%w_]io%s*%[", "io[...]" }, { "=%s*io%f[^%w_.]%s*$", "io under another name" },
  { "/dev/stdout", "/dev/stdout" }, { "/dev/stderr", "/dev/stderr" }, { "/proc/self/fd", "/proc/self/fd" },
  { "debug%.debug", "debug.debug" },
}
local c_patterns = { { "%f[%w_]v?printf%s*%(", "printf" }, { "%f[%w_]v?fprintf%s*%(", "fprintf" },
  { "%f[%w_]puts%s*%(", "puts" }, { "%f[%w_]fputs%s*%(", "fputs" }, { "%f[%w_]perror%s*%(", "perror" },
  { "%f[%w_]stdout%f[^%w_]", "stdout" }, { "%f[%w_]stderr%f[^%w_]", "stderr" },
  { "lua_writestring", "lua_writestring" }, { "lua_warning", "lua_warning" } }

local found = 0

local function look(path, rules, strip)
  local number = 0
  for line in assert(io.open(path)):lines() do
    number = number + 1
    local code = strip(line)
    for _, rule in ipairs(rules) do
      if code:find(rule[1]) then
        print(("%s:%d: %s: %s"):format(path, number, rule[2], line))
        found = found + 1
        break
      end
    end
  end
end

local function files(where, names)
  local list = {}
  local pipe = assert(io.popen(("cd '%s' && find %s -type f 2>/dev/null | sort"):format(folder, where)))
  for path in pipe:lines() do
    if path:find(names) and not path:find "/meta/" and path ~= "lua/gpupt/printer.lua" then
      list[#list + 1] = folder .. "/" .. path
    end
  end
  pipe:close()
  return list
end

for _, path in ipairs(files("lua bin", "gpupt")) do
  look(path, patterns, function(line) return (line:gsub("%-%-.*$", "")) end)
end
for _, path in ipairs(files("csrc/base csrc/offline csrc/vim25 csrc/store csrc/media csrc/lua", "%.[ch]$")) do
  look(path, c_patterns, function(line)
    return (line:gsub("^%s*/?%*.*$", ""):gsub("/%*.-%*/", ""):gsub("^%s*#.*$", ""):gsub('"[^"]*"', '""'))
  end)
end
os.exit(found == 0)
