"""Runs a command and prints its wall and CPU seconds and the most memory it held, in MB: usage: measure.py COMMAND..."""
import resource
import subprocess
import sys
import time

start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode
wall = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("%.3f %.3f %.1f" % (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
sys.exit(status)
