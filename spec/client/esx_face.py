"""A vCenter as clients meet it in life: guest files travel over the ESXi host itself, which has an address and a
certificate of its own. usage: esx_face.py VCENTER_CERT VCENTER_KEY HOST_CERT HOST_KEY SERVER:PORT NAME MODES LOG

It stands before the test vCenter, whose URLs of guest files name the VM's host: the vCenter's face passes everything
on, writes NAME and the host face's port into those URLs, its own address as the host's management address, and the
certificate of its own into config.certificate. The host's face passes on /guestFile, to the host, and nothing else. It prints both ports. The file MODES holds words:
  no-ip              the host's management address is not told
  another-certificate  config.certificate is the vCenter's, not the one that the host shows
  no-certificate     config.certificate is empty
  thumbprint         summary.config.sslThumbprint is that of the host's certificate; other-thumbprint: another one
  http               the URLs of guest files begin with http://
  own                they name the vCenter's face
  user               they hold a user name
  echo               the host refuses with a page that repeats the address, as web servers do
LOG gets a line of JSON for each request to the host's face."""
import hashlib
import http.client
import http.server
import json
import re
import ssl
import sys
import threading

VC_CERT, VC_KEY, HOST_CERT, HOST_KEY, SERVER, NAME, MODES, LOG = sys.argv[1:9]
HOST_PORT = None
host = None  # where the test vCenter's own URLs lead


def modes():
    with open(MODES, encoding="utf-8") as file:
        return file.read().split()


def sha1(path):
    with open(path, encoding="ascii") as file:
        digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest().upper()
    return ":".join(digest[i:i + 2] for i in range(0, 40, 2))


def rewrite(body, sent, own):
    said = modes()
    place = "%s%s" % ("ops:t0p@" if "user" in said else "", own if "own" in said else "%s:%d" % (NAME, HOST_PORT))
    told = "thumbprint" in said and sha1(HOST_CERT) or "other-thumbprint" in said and sha1(VC_CERT)
    if b"summary.config.sslThumbprint" in sent:
        body = re.sub(rb"<propSet><name>summary.config.sslThumbprint</name>.*?</propSet>",
                      ("<propSet><name>summary.config.sslThumbprint</name>"
                       '<val xsi:type="xsd:string">%s</val></propSet>' % told).encode() if told else b"", body)
    found = re.search(rb"https://([^/<]+)/guestFile", body)
    if found:
        global host
        host = found.group(1).decode()
        body = body.replace(found.group(0), ("%s://%s/guestFile" % ("http" if "http" in said else "https", place)).encode())
    body = re.sub(rb"<ipAddress>127\.\d+\.\d+\.\d+</ipAddress>", b"<ipAddress>127.0.0.1</ipAddress>", body)
    if b"<name>config.certificate</name>" in body:
        pem = b""
        if "no-certificate" not in said:
            with open(VC_CERT if "another-certificate" in said else HOST_CERT, "rb") as file:
                pem = file.read()
        told = b"".join(b"<byte>%d</byte>" % (byte - 256 if byte > 127 else byte) for byte in pem)
        body, count = re.subn(rb"(<byte[^>]*>-?\d+</byte>)+", told, body)
        assert count == 1, count
    if "no-ip" in said:
        body = body.replace(b"<nicType>management</nicType>", b"<nicType>vmotion</nicType>")
    return body


class Face(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    vcenter = False

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        if not self.vcenter:
            with open(LOG, "a", encoding="utf-8") as file:
                file.write(json.dumps({"method": self.command, "path": self.path.split("?")[0],
                                       "headers": {name.lower(): value for name, value in self.headers.items()}}) + "\n")
            if not self.path.startswith("/guestFile"):
                self.send_error(404)
                return
            if "echo" in modes():
                page = ("<html><p>You may not have %s here.</p></html>" % self.path).encode()
                self.send_response(400)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
                return
        server = http.client.HTTPSConnection(host if self.path.startswith("/guestFile") else SERVER, context=ssl._create_unverified_context())
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in ("host", "connection", "accept-encoding", "expect")}
        server.request(self.command, self.path, sent, headers)
        answer = server.getresponse()
        body = answer.read()
        if self.vcenter:
            body = rewrite(body, sent, self.headers["Host"])
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        server.close()

    do_GET = do_POST = do_PUT = handle_one

    def log_message(self, *_):
        pass


class VCenterFace(Face):
    vcenter = True


def listen(face, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), face)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


HOST_PORT = listen(Face, HOST_CERT, HOST_KEY)
print(listen(VCenterFace, VC_CERT, VC_KEY), HOST_PORT, flush=True)
sys.stdin.read()
