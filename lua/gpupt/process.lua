--- Which process this is, and whether another one still lives. A pid is used again after some time: with the start
-- time, and the namespace in which it is a pid, it names one process of a boot.
local clock = require "gpupt.clock"
local system = require "gpupt.core".system

local process = {}

local function read(path)
  local file = io.open(path)
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

function process.host_name() return (read "/proc/sys/kernel/hostname" or "?"):match "^[^\n]*" end

--- State ("R", "T" stopped, "Z" ended...) and start time of a process, from proc(5); nil if there is none.
local function stat(pid)
  -- the command's name is in parentheses, and may have some of its own
  local fields = (read(("/proc/%d/stat"):format(pid)) or ""):match "^.*%) (.*)$"
  if not fields then return nil end
  local list = {}
  for word in fields:gmatch "%S+" do list[#list + 1] = word end
  return list[1], list[20]
end

--- This process: { pid =, started =, client_host = }. `started` is for process.state alone.
function process.this()
  local pid, namespace = system.process()
  local _, started = stat(pid)
  return { pid = pid, started = ("%s@%d"):format(started or "?", namespace), client_host = process.host_name() }
end

--- Whether a description of a running process is that of this one.
function process.is_this(one)
  local this = process.this()
  return one.pid == this.pid and one.started == this.started and one.client_host == this.client_host
end

--- What has become of a process that was described by process.this() in a boot: "running", "stopped" (by a signal),
-- "gone", or "unseen" if that cannot be seen from here. A second result says more about a process that is gone.
function process.state(one, boot)
  if one.client_host ~= process.host_name() then return "unseen" end
  if boot ~= clock.boot() then return "gone", "the computer was restarted" end
  local _, namespace = system.process()
  local started, there = (one.started or ""):match "^(.*)@(%d+)$"
  if there ~= tostring(namespace) then return "unseen" end
  local state, since = stat(one.pid)
  if not state or since ~= started or state == "Z" or state == "X" then return "gone" end
  return (state == "T" or state == "t") and "stopped" or "running"
end

return process
