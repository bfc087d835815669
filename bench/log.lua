--- `gpupt log` over large logs, compared with reading the file, ripgrep, grep, mawk and Python, in one run, as ratios.
-- Two logs are generated: one with the usual noise, and one in which every eleventh line lists a setting. ripgrep
-- searches for the words that gpupt searches for, with line numbers and into a file; a second time, like the other
-- tools, for eight words. gpupt looks for its whole catalogue, numbers the lines and extracts cards, settings and
-- findings.
-- usage: lua5.4 bench/log.lua [megabytes] [passes]      needs `make core`, ripgrep, mawk, python3, /usr/bin/time
local megabytes = tonumber(arg and arg[1]) or 500
local passes = tonumber(arg and arg[2]) or 5
local scratch = "build/bench"

local words = {
  "PCIPassthru: ", "DevicePowerOn", "IOMMU fault", "PCI MMIO", "NVRM: ", "DICT ", "Log for VMware", "systemId",
}

local function sh(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local noise = {
  "Guest: toolbox: version: %d", "SVGA: Registering MemSpace at 0x%x", "TOOLS call to Resolution_Set failed: %d",
  'DISKLIB-VMFS : "/vmfs/volumes/ds/vm/disk-%d-flat.vmdk" : open successful', "MonitorSwitch: vcpu %d resumed",
  "Vix: [mainDispatch.c:%d]: VMAutomation_ReportPowerOpFinished", "USB: Initializing 'Generic' backend %d",
  "VMXNET3 user: Ethernet0 Driver Info: version = %d gosBits = 2", "Tools: Tools heartbeat timeout %d.",
}
local threads = { "vmx", "vcpu-0", "mks", "host-1", "worker-3" }

-- The settings of a VM with a card, in the proportion that a .vmx has them.
local settings = {
  'config.version = "8"', 'virtualHW.version = "19"', 'scsi0.virtualDev = "pvscsi"', 'scsi0.present = "TRUE"',
  'memSize = "65536"', 'sched.cpu.units = "mhz"', 'sched.mem.min = "65536"', 'powerType.powerOff = "default"',
  'tools.upgrade.policy = "manual"', 'scsi0:0.fileName = "vm.vmdk"', 'ethernet0.virtualDev = "vmxnet3"',
  'ethernet0.networkName = "VM Network"', 'ethernet0.addressType = "vpx"', 'displayName = "vm-%d"',
    'guestOS = "ubuntu-64"',
  'toolScripts.afterPowerOn = "TRUE"', 'uuid.bios = "42 13"', 'nvram = "vm.nvram"', 'svga.present = "TRUE"',
    'firmware = "efi"',
  'hpet0.present = "TRUE"', 'pciBridge0.present = "TRUE"', 'pciBridge4.functions = "8"', 'vmci0.present = "TRUE"',
  'floppy0.present = "FALSE"', 'pciPassthru.use64bitMMIO = "TRUE"', 'pciPassthru.64bitMMIOSizeGB = "256"',
  'pciPassthru0.id = "00000:101:00.0"', 'pciPassthru0.present = "TRUE"', 'vmxstats.filename = "vm.scoreboard"',
}

--- Lines of the usual length, one in a thousand about passthrough; `dict`: every eleventh line lists a setting, as in
-- the log of a VM that is often started.
local function make(path, dict)
  math.randomseed(5)
  local file = assert(io.open(path .. ".new", "wb"))
  local size, line = 0, 0
  while size < megabytes * 1000000 do
    local chunk = {}
    for i = 1, 10000 do
      line = line + 1
      local message
      if math.random(1000) == 1 then
        message = ("PCIPassthru: Device 0000:%02x:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 "
          .. "flags 12"):format(math.random(8, 200))
      elseif dict and line % 11 == 0 then
        message = ("DICT %30s"):format(settings[math.random(#settings)]:format(line))
      else
        message = noise[math.random(#noise)]:format(math.random(1 << 30))
      end
      chunk[i] = ("2023-07-21T%02d:%02d:%02d.%03dZ In(05) %s - %s\n"):format(line // 3600000 % 24, line // 60000 % 60,
        line // 1000 % 60, line % 1000, threads[math.random(#threads)], message)
    end
    local text = table.concat(chunk)
    file:write(text)
    size = size + #text
  end
  file:close()
  os.rename(path .. ".new", path)
end

--- The fastest of `passes` runs: wall seconds and the largest resident size in MB.
local function measure(command)
  local best, memory = math.huge, 0
  for _ = 1, passes do
    local out = sh(("/usr/bin/time -f '%%e %%M' sh -c '%s >%s/out' 2>&1"):format(command:gsub("'", "'\\''"), scratch))
    local seconds, kb = out:match "([%d.]+) (%d+)%s*$"
    best, memory = math.min(best, tonumber(seconds)), math.max(memory, tonumber(kb) / 1024)
  end
  return best, memory
end

--- /usr/bin/time counts hundredths; small figures come from the shell's own clock over several runs.
local function wall(command)
  local best = math.huge
  for _ = 1, passes do
    -- to a file: grep stops at the first match when its output is /dev/null
    local from, till = sh(("date +%%s.%%N; %s >%s/out; date +%%s.%%N"):format(command, scratch)):match "^(%S+)%s+(%S+)"
    best = math.min(best, tonumber(till) - tonumber(from))
  end
  return best
end

local function quoted(list)
  local expressions = {}
  for i, word in ipairs(list) do expressions[i] = ("-e \"%s\""):format(word) end
  return table.concat(expressions, " ")
end

local function cases_of(path)
  local e, pattern = quoted(words), table.concat(words, "|")
  return {
    { "gpupt log, whole extraction", "lua5.4 bin/gpupt log " .. path },
    { "rg -j1 -n -F -f words.txt", ("rg -j1 -n -F -f %s/words.txt %s"):format(scratch, path) },
    { "read(2) alone (dd, 256 KiB)", "dd if=" .. path .. " of=/dev/null bs=256k status=none" },
    { "rg -F, 8 words, count", "rg -c -F " .. e .. " " .. path },
    { "rg -F, 8 words, lines with numbers", "rg -n -F " .. e .. " " .. path },
    { "rg -F --no-mmap, 8 words, count", "rg --no-mmap -c -F " .. e .. " " .. path },
    { "grep -F, 8 words, count", "grep -c -F " .. e .. " " .. path },
    { "mawk, 8 words", ("mawk \"/%s/\" %s"):format(pattern, path) },
    { "python3 re, 8 words", ("python3 -c \"import re,sys; p=re.compile(rb\\\"%s\\\")\n"
      .. "for l in open(sys.argv[1],\\\"rb\\\"):\n if p.search(l): print(l)\" %s"):format(pattern, path) },
  }
end

local function run(name, path)
  sh("cat " .. path .. " >/dev/null")
  print(("%s of %d MB, %s, %s CPUs; fastest of %d"):format(name, megabytes,
    sh "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1":gsub("%s+$", ""), sh "nproc":gsub("%s+$", ""), passes))
  local ours
  for i, case in ipairs(cases_of(path)) do
    local seconds = wall(case[2])
    local _, memory = measure(case[2])
    ours = ours or seconds
    local verdict = i == 2 and (ours / seconds <= 3 and "  (at most 3: yes)" or "  (at most 3: NO)") or ""
    print(("%-36s %7.3f s   %6.1f MB   gpupt / this = %.2f%s"):format(case[1], seconds, memory, ours / seconds,
      verdict))
  end
end

sh("mkdir -p " .. scratch)
sh(("lua5.4 bin/gpupt log --words >%s/words.txt"):format(scratch))
for _, log in ipairs { { "log", "log", false }, { "log with a setting on 9 % of its lines", "log-dict", true } } do
  local path = ("%s/%s-%d.log"):format(scratch, log[2], megabytes)
  if not exists(path) then make(path, log[3]) end
  run(log[1], path)
end
