--- The script that runs programs in a guest, one after the other, and the one file in which it leaves what they said:
--   gpupt RC OUT ERR     a line for each program: its exit code, and how many bytes it wrote to stdout and stderr
--   ...                  stdout and stderr of the first program, of the second...
-- The file appears complete, by a rename, so it can be fetched in one transfer, and it survives a restart of Tools,
-- which lose their list of processes.
-- A Linux guest gets a short script in the arguments of /bin/sh, which saves a transfer; a Windows guest always as a
-- file, because cmd.exe reads percent signs of a command line in another way than those of a file, and no line of more
-- than 8191 characters.
local shell = require "gpupt.shell"

local script = {}

--- Its name in the temporary directory.
script.RESULT = "result"

--- The exit code of a Linux script that cannot write it (EX_IOERR of sysexits.h).
script.UNWRITTEN = 74

-- A program runs in the background and in a session of its own, so that ending the script ends it with everything that
-- it has started: the trap runs while the script waits.
local TRAP = [[trap 'test -n "$child" && { kill -TERM -"$child" || kill -TERM "$child"; } 2>/dev/null; exit 143' ]]
  .. "TERM HUP INT"

local function linux(directory, programs, prefix)
  local lines, heads, streams = { "cd " .. shell.quote(directory) .. " || exit 126",
    "alone=; command -v setsid >/dev/null 2>&1 && alone=setsid", "child=", TRAP }, {}, {}
  for i, o in ipairs(programs) do
    lines[#lines + 1] = ("( cd %s || exit 126; exec $alone %s %s ) >%sout-%d 2>%serr-%d </dev/null & child=$!"):format(
      shell.quote(o.directory or directory), shell.quote(o.program), o.arguments or "", prefix, i, prefix, i)
    lines[#lines + 1] = "wait \"$child\""
    lines[#lines + 1] = "rc=$? child="
    local out, err = ("%sout-%d"):format(prefix, i), ("%serr-%d"):format(prefix, i)
    heads[i], streams[i] = ("%shead-%d"):format(prefix, i), out .. " " .. err
    lines[#lines + 1] = ('echo "gpupt $rc $(wc -c <%s) $(wc -c <%s)" >%s'):format(out, err, heads[i])
  end
  local result = prefix .. script.RESULT
  lines[#lines + 1] = ("cat %s %s >%s.new && mv %s.new %s || exit %d"):format(table.concat(heads, " "),
    table.concat(streams, " "), result, result, result, script.UNWRITTEN)
  return prefix .. "run.sh", table.concat(lines, "\n") .. "\n", directory .. "/"
end

-- In a batch file a percent sign is written twice.
local function percent(text) return (text:gsub("%%", "%%%%")) end

-- The folder of the script, as Windows knows it: %~dp0, which ends with a backslash. The temporary folder may have
-- letters that a batch file has in another code page, such as the name of the user.
local function windows(directory, programs, prefix)
  local lines, heads, streams = {}, {}, {}
  local function own(name) return '"%~dp0' .. prefix .. name .. '"' end
  for i, o in ipairs(programs) do
    lines[#lines + 1] = o.directory and ('cd /d "%s"'):format(percent(o.directory)) or 'cd /d "%~dp0"'
    lines[#lines + 1] = ('"%s" %s >%s 2>%s <nul'):format(percent(o.program), percent(o.arguments or ""),
      own("out-" .. i), own("err-" .. i))
    lines[#lines + 1] = "set gpupt_rc=%ERRORLEVEL%"
    lines[#lines + 1] = ("for %%%%F in (%s) do set gpupt_out=%%%%~zF"):format(own("out-" .. i))
    lines[#lines + 1] = ("for %%%%F in (%s) do set gpupt_err=%%%%~zF"):format(own("err-" .. i))
    lines[#lines + 1] = ("(echo gpupt %%gpupt_rc%% %%gpupt_out%% %%gpupt_err%%)>%s"):format(own("head-" .. i))
    heads[i], streams[i] = own("head-" .. i), own("out-" .. i) .. "+" .. own("err-" .. i)
  end
  lines[#lines + 1] = ("copy /b %s+%s %s >nul"):format(table.concat(heads, "+"), table.concat(streams, "+"),
    own "result.new")
  lines[#lines + 1] = ("move /y %s %s >nul"):format(own "result.new", own "result")
  local text = table.concat(lines, "\r\n") .. "\r\n"
  -- words beyond ASCII: the file is UTF-8
  return prefix .. "run.cmd", "@echo off\r\n" .. (text:find "[\128-\255]" and "chcp 65001 >nul\r\n" or "") .. text,
    directory .. "\\"
end

--- The script for a list of { program =, arguments =, directory = }: its name, its text, and the temporary directory
-- with a separator behind it. `prefix` (digits and a hyphen; default: none) is what the names of all its files begin
-- with, where several scripts share the directory.
function script.of(family, directory, programs, prefix)
  return (family == "windows" and windows or linux)(directory, programs, prefix or "")
end

-- Tools take no request of more than 64 KiB (VIX_COMMAND_MAX_REQUEST_SIZE in open-vm-tools' vixCommands.h), its
-- credentials included, and Linux no argument of more than 128 KiB (MAX_ARG_STRLEN).
local LONGEST = 16 << 10

--- The arguments of /bin/sh that have the whole script of a Linux guest, whose name a list of processes shows as if it
-- were a file; nil where it has to be a file.
function script.inline(family, path, text)
  if family ~= "linux" then return nil end
  local arguments = ("-c %s %s"):format(shell.quote(text), shell.quote(path))
  return #arguments <= LONGEST and arguments or nil
end

--- The program that runs the script at `path`, and its arguments. /s takes the outer quotes away whatever is inside; no
-- setting of the registry changes how the script is read (AutoRun, DelayedExpansion, EnableExtensions).
function script.command(family, path)
  if family == "windows" then
    return "C:\\Windows\\System32\\cmd.exe", ('/d /e:on /v:off /s /c ""%s""'):format(path)
  end
  return "/bin/sh", shell.quote(path)
end

--- The program that ends a script with everything that it has started, and its arguments; nil where ending the script's
-- own process is enough.
function script.ending(family, pid)
  if family == "windows" then return "C:\\Windows\\System32\\taskkill.exe", ("/pid %d /t /f"):format(pid) end
end

--- Reads the line of one program: its exit code; nil if it is not complete, as on a full disk.
function script.read_head(text) return math.tointeger(tonumber(text:match "^gpupt (%-?%d+) +%d+ +%d+ *\r?\n$")) end

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
