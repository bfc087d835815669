"""Runs a command and prints its wall and CPU seconds and the most memory it held, in MB: usage: measure.py COMMAND...
Only the command is counted: where python3 is a script that starts the real one, this process has had children before.
Memory is at least that of this process, with which the kernel begins the command's."""
import os
import subprocess
import sys
import time

start = time.monotonic()
command = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(command.pid, 0)
wall = time.monotonic() - start
command.returncode = os.waitstatus_to_exitcode(status)
print("%.3f %.3f %.1f" % (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
sys.exit(command.returncode)
