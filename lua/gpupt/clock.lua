--- The clock of waits, deadlines and claims: seconds since the computer was started, the time during which it slept
-- included (CLOCK_BOOTTIME, csrc/base/clock.h). Setting the date does not move it. A time of it means something only
-- together with clock.boot(), the id of the boot; clock.wall() is what is left to compare after a reboot.
local system = require "gpupt.core".system

local clock = {}

local moved, jumped = 0, 0

function clock.now() return system.clock() + moved end

--- Seconds since 1970, in UTC.
function clock.wall() return os.time() + moved + jumped end

--- By how much the clock was moved.
function clock.offset() return moved end

--- Moves the clock of this process forward, as a computer that sleeps does: for specs.
function clock.move(seconds) moved = moved + seconds end

--- Sets the wall clock of this process to another time, which moves no other: for specs.
function clock.jump(seconds) jumped = jumped + seconds end

local boot

--- The id of this boot of the computer.
function clock.boot()
  if not boot then
    local file = io.open "/proc/sys/kernel/random/boot_id"
    boot = file and file:read "l" or "?"
    if file then file:close() end
  end
  return boot
end

--- One moment, as the journal compares it: { now =, wall =, boot = }.
function clock.read() return { now = clock.now(), wall = clock.wall(), boot = clock.boot() } end

return clock
