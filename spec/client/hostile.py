"""A server that answers badly, for the specs of the client. usage: hostile.py CERT KEY LOG
Prints its port. The path's first word says how it misbehaves; every request is noted in LOG."""
import ssl
import socket
import sys
import threading
import time
import zlib

LOG = open(sys.argv[3], "a")
LOCK = threading.Lock()
VERSIONS = b"""<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name>
<version>8.0.3.0</version><priorVersions><version>7.0.3.0</version></priorVersions></namespace></namespaces>"""
HEAD = b"""<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body>"""
TAIL = b"</soapenv:Body></soapenv:Envelope>"
OPEN = b'<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval><x>'
CLOSE = b"</x></returnval></RetrieveServiceContentResponse>"


def reply(connection, body, status="200 OK", kind="text/xml", extra=""):
    connection.sendall(("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (
        status, kind, len(body), extra)).encode() + body)


def stream(connection, pieces, kind="text/xml", extra=""):
    connection.sendall(("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (kind, extra)).encode())
    for piece in pieces:
        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.sendall(b"0\r\n\r\n")


def endless(start, piece):
    yield start
    while True:
        yield piece


def bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(HEAD + OPEN)
    for _ in range(2048):
        yield packer.compress(b"A" * (1 << 20)) or b""
    yield packer.flush()


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def watching(connection):
    """Never answers, and notes when the client hangs up."""
    connection.settimeout(30)
    while connection.recv(65536):
        pass
    note("hung-up")


def headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    n = 0
    while True:
        n += 1
        connection.sendall(b"X-%d: %s\r\n" % (n, b"y" * 900))


HOW = {
    "good": lambda c: reply(c, HEAD + OPEN + b"2026-01-02T03:04:05Z" + CLOSE + TAIL),
    "bomb": lambda c: stream(c, (p for p in bomb() if p), extra="Content-Encoding: gzip\r\n"),
    "badgzip": lambda c: reply(c, b"this is no gzip", extra="Content-Encoding: gzip\r\n"),
    "endless": lambda c: stream(c, endless(HEAD + OPEN, b"<x>y</x>" * 4096)),
    "endless-html": lambda c: stream(c, endless(b"<html>", b"<p>please log in</p>" * 1000), kind="text/html"),
    "endless-headers": headers,
    "doctype": lambda c: reply(c, b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
    "entities": lambda c: reply(c, b'<!DOCTYPE a [<!ENTITY a "lollollol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>' + HEAD + OPEN
                                + b"&b;" + CLOSE + TAIL),
    "deep": lambda c: reply(c, HEAD + OPEN + b"<x>" * 5000 + b"</x>" * 5000 + CLOSE + TAIL),
    "long-text": lambda c: reply(c, HEAD + OPEN + b"z" * (4 << 20) + CLOSE + TAIL),
    "attributes": lambda c: reply(c, HEAD + OPEN + b"<x " + b" ".join(b'a%d="1"' % i for i in range(300)) + b"/>" + CLOSE + TAIL),
    "short-body": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9999\r\n\r\n" + HEAD + OPEN),
    "cut-xml": lambda c: reply(c, HEAD + OPEN + b"2026"),
    "not-utf8": lambda c: reply(c, HEAD + OPEN + b"\xff\xfe\x80" + CLOSE + TAIL),
    "other-answer": lambda c: reply(c, HEAD + b'<LoginResponse xmlns="urn:vim25"/>' + TAIL),
    "wrong-type": lambda c: reply(c, HEAD + OPEN.replace(b"<returnval>", b'<returnval xsi:type="HostPciDevice">')
                                  + CLOSE + TAIL),
    "json": lambda c: reply(c, b'{"no": "xml"}', kind="application/json"),
    "empty": lambda c: reply(c, b""),
    "redirect": lambda c: reply(c, b"", "302 Found", extra="Location: /good\r\n"),
    "garbage": lambda c: c.sendall(b"\x00\x01\x02 SSH-2.0 nonsense\r\n\r\n"),
    "drip": drip,
    "silent": lambda c: time.sleep(30),
    "watching": watching,
    "closed": lambda c: None,
}


def note(text):
    with LOCK:
        LOG.write(text + "\n")
        LOG.flush()


def serve(raw, context):
    try:
        connection = context.wrap_socket(raw, server_side=True)
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, data = data.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            length = 0
            for line in lines[1:]:
                if line.lower().startswith("content-length:"):
                    length = int(line.split(":")[1])
            while len(data) < length:
                data += connection.recv(65536)
            data = data[length:]
            method, path = lines[0].split(" ")[:2]
            note("%s %s" % (method, path))
            if any(line.lower().startswith("expect:") for line in lines):
                note("asked for 100-continue")
            if path.endswith("/vimServiceVersions.xml"):
                reply(connection, VERSIONS)
                continue
            how = path.strip("/").split("/")[0]
            HOW[how](connection)
            if how not in ("good", "redirect", "json", "other-answer", "empty"):
                return
    except (OSError, ssl.SSLError):
        pass
    finally:
        try:
            raw.close()
            connection.close()
        except (OSError, NameError, UnboundLocalError):
            pass


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    def accept():
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=serve, args=(raw, context), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


main()
