"""An HTTPS server for spec/client/tls_spec.lua. usage: tls_server.py FOLDER
Prints its port. Each connection gets the certificate FOLDER/cert and key FOLDER/key as they are at that moment; every
connection that asks for NAME (SNI) gets FOLDER/sni-NAME.pem and .key where they are, and FOLDER/sni gets a line with the
name; every byte that arrives inside the encryption is written to FOLDER/heard. A request ends with "the password".
Answers "fine" and closes."""
import os
import socket
import ssl
import sys
import threading

FOLDER = sys.argv[1]
HEARD = open(FOLDER + "/heard", "ab", buffering=0)


def by_name(inside, name, _):
    with open(FOLDER + "/sni", "a", encoding="ascii") as file:
        file.write("%s\n" % name)
    own = "%s/sni-%s" % (FOLDER, name)
    if name and os.path.exists(own + ".pem"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own + ".pem", own + ".key")
        inside.context = context


def serve(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER + "/cert", FOLDER + "/key")
    context.sni_callback = by_name
    try:
        with context.wrap_socket(connection, server_side=True) as inside:
            heard = b""
            while not heard.endswith(b"the password"):
                piece = inside.recv(65536)
                HEARD.write(piece)
                heard += piece
                if not piece:
                    return
            inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")
    except OSError:
        pass  # the client would not have this certificate


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


LISTENER = socket.create_server(("127.0.0.1", 0))
print(LISTENER.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(LISTENER,), daemon=True).start()
sys.stdin.read()
