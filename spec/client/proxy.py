"""An HTTP proxy for the specs: notes each request line and its Proxy-Authorization, tunnels CONNECT. usage: proxy.py LOG
With USER:PASSWORD as the second argument, others get 407. Names below test.invalid are known here alone: they are this
machine. Prints its port."""
import base64
import socket
import sys
import threading

log = open(sys.argv[1], "a")
wanted = sys.argv[2] if len(sys.argv) > 2 else None


def pump(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    except OSError:
        pass
    finally:
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def serve(client):
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return
        data += more
    lines = data.decode("latin-1").split("\r\n")
    given = next((base64.b64decode(line.split()[-1]).decode() for line in lines
                  if line.lower().startswith("proxy-authorization:")), "")
    log.write("%s auth=%s cookie=%s\n" % (lines[0], given, any(x.lower().startswith("cookie") for x in lines)))
    log.flush()
    if wanted and given != wanted:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                       b"Content-Length: 0\r\n\r\n")
        client.close()
        return
    host, port = lines[0].split()[1].rsplit(":", 1)
    if host.endswith(".test.invalid"):
        host = "127.0.0.1"
    server = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


listener = socket.create_server(("127.0.0.1", 0), backlog=16)
print(listener.getsockname()[1], flush=True)


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
