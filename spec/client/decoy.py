"""A server that must not be met. usage: decoy.py FILE
Prints its port; FILE gets a line for each connection."""
import socket
import sys
import threading


def accept(listener):
    while True:
        connection = listener.accept()[0]
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            file.write("met\n")
        connection.close()


LISTENER = socket.create_server(("127.0.0.1", 0))
print(LISTENER.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(LISTENER,), daemon=True).start()
sys.stdin.read()
