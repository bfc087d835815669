"""Plain HTTP for spec/client/oom_bodies.lua: a SOAP answer for POST, bytes for GET, nothing for PUT. Prints its port."""
import http.server
import sys
import threading

ANSWER = (b'<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
          b'<CurrentTimeResponse xmlns="urn:vim25"><returnval>2026-11-22T17:00:00Z</returnval></CurrentTimeResponse>'
          b'</soapenv:Body></soapenv:Envelope>')


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def reply(self, body, kind):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "vmware_soap_session=\"x\"; Path=/")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.reply(ANSWER, "text/xml")

    def do_PUT(self):
        self.reply(b"", "text/plain")

    def do_GET(self):
        self.reply(b"x" * 70000, "application/octet-stream")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that runs out of memory hangs up: that is what this is for."""


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
