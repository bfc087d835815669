--- The script that runs programs in a guest, one after the other, and the one file in which it leaves what they said:
--   gpupt RC OUT ERR     a line for each program: its exit code, and how many bytes it wrote to stdout and stderr
--   ...                  stdout and stderr of the first program, of the second...
-- The file appears complete, by a rename, so it can be fetched in one transfer, and it survives a restart of Tools,
-- which lose their list of processes.
local shell = require "gpupt.shell"

local script = {}

--- Its name in the temporary directory.
script.RESULT = "result"

local function linux(directory, programs)
  local lines, heads, streams = { "cd " .. shell.quote(directory) .. " || exit 126" }, {}, {}
  for i, o in ipairs(programs) do
    lines[#lines + 1] = ("( cd %s || exit 126; %s %s ) >out-%d 2>err-%d </dev/null"):format(
      shell.quote(o.directory or directory), shell.quote(o.program), o.arguments or "", i, i)
    lines[#lines + 1] = "rc=$?"
    lines[#lines + 1] = ('echo "gpupt $rc $(wc -c <out-%d) $(wc -c <err-%d)" >head-%d'):format(i, i, i)
    heads[i], streams[i] = "head-" .. i, ("out-%d err-%d"):format(i, i)
  end
  lines[#lines + 1] = ("cat %s %s >result.new && mv result.new result"):format(table.concat(heads, " "),
    table.concat(streams, " "))
  return "run.sh", table.concat(lines, "\n") .. "\n", directory .. "/"
end

local function windows(directory, programs)
  local inside = directory .. "\\"
  local lines, heads, streams = { "@echo off" }, {}, {}
  for i, o in ipairs(programs) do
    local out, err, head = inside .. "out-" .. i, inside .. "err-" .. i, inside .. "head-" .. i
    lines[#lines + 1] = ('cd /d "%s"'):format(o.directory or directory)
    lines[#lines + 1] = ('"%s" %s >"%s" 2>"%s" <nul'):format(o.program, ((o.arguments or ""):gsub("%%", "%%%%")), out,
      err)
    lines[#lines + 1] = "set gpupt_rc=%ERRORLEVEL%"
    lines[#lines + 1] = ('for %%%%F in ("%s") do set gpupt_out=%%%%~zF'):format(out)
    lines[#lines + 1] = ('for %%%%F in ("%s") do set gpupt_err=%%%%~zF'):format(err)
    lines[#lines + 1] = ('(echo gpupt %%gpupt_rc%% %%gpupt_out%% %%gpupt_err%%)>"%s"'):format(head)
    heads[i], streams[i] = '"' .. head .. '"', ('"%s"+"%s"'):format(out, err)
  end
  lines[#lines + 1] = ('copy /b %s+%s "%sresult.new" >nul'):format(table.concat(heads, "+"), table.concat(streams, "+"),
    inside)
  lines[#lines + 1] = ('move /y "%sresult.new" "%sresult" >nul'):format(inside, inside)
  return "run.cmd", table.concat(lines, "\r\n") .. "\r\n", inside
end

--- The script for a list of { program =, arguments =, directory = }: its name, its text, and the temporary directory
-- with a separator behind it.
function script.of(family, directory, programs)
  return (family == "windows" and windows or linux)(directory, programs)
end

--- The program that runs the script at `path`, and its arguments.
function script.command(family, path)
  if family == "windows" then return "C:\\Windows\\System32\\cmd.exe", ('/d /c "%s"'):format(path) end
  return "/bin/sh", shell.quote(path)
end

--- Reads the file: a list of { rc =, stdout =, stderr = }; nil if it is not complete.
function script.read(text, count)
  local list, sizes, at = {}, {}, 1
  for i = 1, count do
    local rc, out, err, after = text:match("^gpupt (%-?%d+) +(%d+) +(%d+) *\r?\n()", at)
    if not rc then return nil end
    list[i], sizes[i], at = { rc = math.tointeger(tonumber(rc)) }, { tonumber(out), tonumber(err) }, after
  end
  for i, size in ipairs(sizes) do
    for n, stream in ipairs { "stdout", "stderr" } do
      if at + size[n] - 1 > #text then return nil end
      list[i][stream], at = text:sub(at, at + size[n] - 1), at + size[n]
    end
  end
  return list
end

return script
