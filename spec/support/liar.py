"""A server that answers what a spec tells it to. usage: liar.py CERT KEY FOLDER
Prints its port. A request's name is its SOAP method, or GET, PUT, HEAD..., or "versions" for vimServiceVersions.xml.
FOLDER/NAME.py, when it is there, is run to answer it; else a session that works is played. Requests go to FOLDER/log."""
import os
import re
import ssl
import socket
import sys
import threading
import time
import zlib

FOLDER = sys.argv[3]
LOG = open(FOLDER + "/log", "a")
LOCK = threading.Lock()
HEAD = b"""<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body>"""
TAIL = b"</soapenv:Body></soapenv:Envelope>"
ABOUT = b"".join(b"<%s>x</%s>" % (name, name) for name in (
    b"name", b"fullName", b"vendor", b"version", b"build", b"osType", b"productLineId", b"apiType", b"apiVersion"))
MANAGERS = b"".join(b'<%s type="%s">%s</%s>' % (field, kind, field, field) for field, kind in (
    (b"sessionManager", b"SessionManager"), (b"viewManager", b"ViewManager"), (b"fileManager", b"FileManager"),
    (b"taskManager", b"TaskManager"), (b"guestOperationsManager", b"GuestOperationsManager")))
RESULTS = {
    "RetrieveServiceContent": b'<returnval><rootFolder type="Folder">f</rootFolder><propertyCollector '
                              b'type="PropertyCollector">pc</propertyCollector><about>' + ABOUT + b"</about>"
                              + MANAGERS + b"</returnval>",
    "Login": b"<returnval><key>k</key><userName>u</userName><fullName>u</fullName><loginTime>2026-01-01T00:00:00Z"
             b"</loginTime><lastActiveTime>2026-01-01T00:00:00Z</lastActiveTime><locale>en</locale><messageLocale>en"
             b"</messageLocale></returnval>",
    "Logout": b"",
    "CreateContainerView": b'<returnval type="ContainerView">view</returnval>',
    "DestroyView": b"",
    "CreateListView": b'<returnval type="ListView">list</returnval>',
    "ModifyListView": b"",
    "CancelRetrievePropertiesEx": b"",
    "CreatePropertyCollector": b'<returnval type="PropertyCollector">mine</returnval>',
    "CreateFilter": b'<returnval type="PropertyFilter">filter</returnval>',
    "DestroyPropertyFilter": b"",
    "CancelWaitForUpdates": b"",
    "CurrentTime": b"<returnval>2026-01-01T00:00:00Z</returnval>",
}
VERSIONS = (b'<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name>'
            b"<version>8.0.3.0</version></namespace></namespaces>")


class Answer:
    """What a script sees: the request, and ways to answer it."""
    def __init__(self, connection, name, head, body):
        self.connection, self.name, self.head, self.body = connection, name, head, body

    def header(self, name):
        found = re.search(r"(?im)^%s:\s*(.*?)\s*$" % name, self.head)
        return found.group(1) if found else None

    def count(self):
        """How many requests of this name came, this one included."""
        with open(FOLDER + "/log") as log:
            return sum(line.split(" ")[0] == self.name for line in log)

    def send(self, data):
        self.connection.sendall(data)

    def reply(self, body, status="200 OK", kind="text/xml", extra=""):
        self.send(("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (
            status, kind, len(body), extra)).encode() + body)

    def stream(self, pieces, status="200 OK", kind="text/xml", extra=""):
        self.send(("HTTP/1.1 %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (
            status, kind, extra)).encode())
        for piece in pieces:
            if piece:
                self.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.send(b"0\r\n\r\n")

    def soap(self, inside, **more):
        name = self.name.encode()
        self.reply(HEAD + b'<%sResponse xmlns="urn:vim25">%s</%sResponse>' % (name, inside, name) + TAIL, **more)

    def fault(self, detail, text=b""):
        self.reply(HEAD + b"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>"
                   b"%s</detail></soapenv:Fault>" % (text, detail) + TAIL, status="500 Internal Server Error")


def gzip(pieces):
    """The pieces, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def note(text):
    with LOCK:
        LOG.write(text + "\n")
        LOG.flush()


def answer(connection, head, body):
    method, path = head.split(" ", 2)[:2]
    soap = re.search(rb"Body><(\w+) ", body) if method == "POST" else None
    name = soap.group(1).decode() if soap else "versions" if path.endswith("/vimServiceVersions.xml") else method
    note("%s %s" % (name, path))
    a = Answer(connection, name, head, body)
    script = "%s/%s.py" % (FOLDER, name)
    if os.path.exists(script):
        with open(script) as file:
            names = {"a": a, "gzip": gzip, "time": time, "HEAD": HEAD, "TAIL": TAIL, "note": note}
            exec(compile(file.read(), script, "exec"), names)
    elif name == "versions":
        a.reply(VERSIONS)
    elif name == "Login":
        a.soap(RESULTS[name], extra="Set-Cookie: vmware_soap_session=\"c\"; Path=/; HttpOnly; Secure\r\n")
    elif name in RESULTS:
        a.soap(RESULTS[name])
    else:
        a.reply(b"", "404 Not Found")


def serve(raw, context):
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_side=True)
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, data = data.split(b"\r\n\r\n", 1)
            head = head.decode("latin-1")
            found = re.search(r"(?im)^content-length:\s*(\d+)", head)
            length = int(found.group(1)) if found else 0
            while len(data) < length:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            body, data = data[:length], data[length:]
            answer(connection, head, body)
    except (OSError, ssl.SSLError) as error:
        note("hung-up %s" % type(error).__name__)
    finally:
        try:
            connection.close()
            raw.close()
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
