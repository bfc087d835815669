"""Runs a command on a pseudo-terminal: on_terminal.py ACTION COMMAND...

Waits for "vars.NAME: ", then does ACTION: type:TEXT, ctrl-c, ctrl-d, edit:TEXT (types rubbish first and takes it away),
term (SIGTERM). Prints what the terminal showed, then a line "status N echo on|off".
"""
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time

action, command = sys.argv[1], sys.argv[2:]
master, slave = pty.openpty()
process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                           preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
shown, done = b"", False
deadline = time.time() + 60
os.set_blocking(master, False)
status = None
while time.time() < deadline:
    try:
        shown += os.read(master, 65536)
    except BlockingIOError:
        time.sleep(0.02)
    except OSError:
        pass
    if not done and b"vars.password: " in shown and not termios.tcgetattr(slave)[3] & termios.ECHO:
        done = True
        word, _, text = action.partition(":")
        if word == "type":
            os.write(master, text.encode() + b"\n")
        elif word == "edit":
            os.write(master, b"rubbish\x15ab\xc3\xa9\x7f\x7f\x7f" + text.encode() + b"\r")
        elif word == "ctrl-c":
            os.write(master, b"abc\x03")
        elif word == "ctrl-d":
            os.write(master, b"\x04")
        elif word == "term":
            process.send_signal(signal.SIGTERM)
    status = process.poll()
    if status is not None:
        break
else:
    process.kill()
try:
    while True:
        more = os.read(master, 65536)
        if not more:
            break
        shown += more
except OSError:  # nothing more to read
    pass
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
echo = termios.tcgetattr(slave)[3] & termios.ECHO
print("\nstatus %s echo %s" % (status, "on" if echo else "off"))
