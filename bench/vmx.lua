--- 10,000 .vmx files edited atomically, compared with the lower bound and other tools, in one run, as ratios; and a
-- single edit as a process. The floor reads each file, writes it to a temporary name and renames it, in C, without
-- parsing it. gpupt also checks for a lock and for a change in between, and syncs; sed -i and Python do none of these.
-- usage: lua5.4 bench/vmx.lua [files] [passes]      needs `make core`, cc, sed, python3
local files = tonumber(arg and arg[1]) or 10000
local passes = tonumber(arg and arg[2]) or 5
local LINES = 120

local function sh(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  local ok = pipe:close()
  return text, ok
end

local root = sh "mktemp -d -p /dev/shm gpupt-bench-XXXXXX":match "%S+"
local env = ('export LUA_PATH="%s" LUA_CPATH="%s"; '):format(
  os.getenv "LUA_PATH" or "lua/?.lua;lua/?/init.lua;;", os.getenv "LUA_CPATH" or "build/lib/?.so;;")

local function write(name, text)
  local f = assert(io.open(root .. "/" .. name, "w"))
  f:write(text)
  f:close()
end

local function generate()
  local lines = { '#!/usr/bin/vmware', '.encoding = "UTF-8"', 'config.version = "8"', 'firmware = "bios"' }
  for i = #lines + 1, LINES do lines[i] = ('scsi0:%d.key%d = "value number %d"'):format(i % 16, i, i) end
  write("template", table.concat(lines, "\n") .. "\n")
  sh(([[cd %s && mkdir -p files && for i in $(seq %d); do echo files/$i.vmx; done |
    xargs -n 500 sh -c 'tee "$@" < template > /dev/null' _]]):format(root, files))
end

local FLOOR = [[
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    static char bytes[1 << 20];
    char path[4096], fresh[4096 + 8];
    for (int i = 1; i <= atoi_(argv[2]); i++) {
        snprintf(path, sizeof path, "%s/%d.vmx", argv[1], i);
        snprintf(fresh, sizeof fresh, "%s.new", path);
        int fd = open(path, O_RDONLY);
        ssize_t got = read(fd, bytes, sizeof bytes);
        close(fd);
        fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (got < 0 || write(fd, bytes, (size_t)got) != got) return 1;
        if (argc > 3) fsync(fd);
        close(fd);
        if (rename(fresh, path) != 0) return 1;
        if (argc > 3) {
            fd = open(argv[1], O_RDONLY | O_DIRECTORY);
            fsync(fd);
            close(fd);
        }
    }
    return 0;
}
]]

local PYTHON = [[
import os, re, sys
for i in range(1, int(sys.argv[2]) + 1):
    path = "%s/%d.vmx" % (sys.argv[1], i)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r'^firmware = .*$', 'firmware = "%s"' % sys.argv[3], text, flags=re.M)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)
]]

local GPUPT = [[
local vmx = require "gpupt.vmx"
for i = 1, tonumber(arg[2]) do
  local doc = assert(vmx.open(("%s/%d.vmx"):format(arg[1], i)))
  assert(doc:set("firmware", arg[3]))
  assert(doc:save())
end
]]

--- Wall seconds of a command: the fastest of the passes.
local function measure(command, times)
  local best = math.huge
  for pass = 1, times or passes do
    local value = pass % 2 == 1 and "efi" or "bios"
    local line = command:gsub("VALUE", value)
    local text = sh(("%sbash -c 'TIMEFORMAT=%%R; time { %s; } >/dev/null' 2>&1"):format(env, line))
    local seconds = tonumber(text)
    if not seconds then error("not measured: " .. text) end
    best = math.min(best, seconds)
  end
  return best
end

generate()
write("floor.c", "#include <stdlib.h>\n" .. FLOOR:gsub("atoi_", "atoi"))
write("edit.py", PYTHON)
write("edit.lua", GPUPT)
assert(select(2, sh(("cc -O2 -o %s/floor %s/floor.c"):format(root, root))), "cc failed")

local dir = root .. "/files"
local floor = measure(("%s/floor %s %d"):format(root, dir, files))
local synced = measure(("%s/floor %s %d synced"):format(root, dir, files))
local rows = {
  { "the same floor with file and folder synced", synced },
  { "gpupt.vmx open, set, save (synced, checked)",
    measure(("lua5.4 %s/edit.lua %s %d VALUE"):format(root, dir, files)) },
  { "sed -i, one process",
    measure(([[find %s -name "*.vmx" -print0 | xargs -0 sed -i "s/^firmware = .*/firmware = \"VALUE\"/"]])
      :format(dir)) },
  { "Python 3, re and rename", measure(("python3 %s/edit.py %s %d VALUE"):format(root, dir, files)) },
}
local check = sh(("grep -L 'firmware = \"%s\"' %s/*.vmx | wc -l"):format(passes % 2 == 1 and "efi" or "bios", dir))
print(("%d files of %d lines on tmpfs, fastest of %d passes; %s files wrong afterwards"):format(files, LINES, passes,
  check:match "%d+"))
table.insert(rows, 1, { "floor: read, write, rename in C", floor })
for _, row in ipairs(rows) do
  print(("  %-46s %7.3f s  %5.1f us a file  %5.2f x"):format(row[1], row[2], row[2] / files * 1e6, row[2] / floor))
end

-- A process that edits one file, compared with starting the interpreter: 50 of each.
local one = dir .. "/1.vmx"
write("once.lua", ([[local gpupt = require "gpupt" local doc = assert(gpupt.vmx.open "%s")
  assert(doc:set("firmware", arg[1])) assert(doc:save())]]):format(one))
local function fifty(command)
  return ("for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5; do %s; done; done"):format(command)
end
local bare = measure(fifty 'lua5.4 -e ""')
local edit = measure(fifty(("lua5.4 %s/once.lua x$i$j"):format(root)))
print "one process"
print(("  %-46s %7.2f ms   1.00 x"):format("lua5.4 -e ''", bare / 50 * 1000))
print(("  %-46s %7.2f ms  %5.2f x"):format('require "gpupt" and one edit', edit / 50 * 1000, edit / bare))
sh("rm -rf " .. root)
