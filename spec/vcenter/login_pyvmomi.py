"""Logs in without a password, with pyVmomi. Usage: login_pyvmomi.py READY.json"""
import json
import ssl
import sys
import urllib.request

from pyVim.connect import Connect, Disconnect, SmartConnect
from pyVmomi import SoapStubAdapter, vim

with open(sys.argv[1], encoding="utf-8") as file:
    READY = json.load(file)
HOST, PORT = READY["host"].split(":")
CONTEXT = ssl.create_default_context(cafile=READY["ca_file"])
PLACE = {"host": HOST, "port": int(PORT), "sslContext": CONTEXT}


def token(**wanted):
    request = urllib.request.Request(READY["control"] + "/token", json.dumps(wanted).encode())
    with urllib.request.urlopen(request, context=CONTEXT) as answer:
        return json.load(answer)["token"]


def refused(what, call):
    try:
        call()
    except vim.fault.InvalidLogin:
        return
    raise AssertionError(what + " was accepted")


def by_token(text):
    return Connect(token=text, tokenType="saml", version="vim.version.v8_0_3_0", **PLACE)


USER = READY["username"]
SI = by_token(token(user=USER))
assert SI.content.sessionManager.currentSession.userName == USER
Disconnect(SI)
refused("an expired token", lambda: by_token(token(user=USER, begins=-900)))
refused("a forged token", lambda: by_token(token(user=USER, forged=True)))


def unknown():
    stub = SoapStubAdapter(host=HOST, port=int(PORT), sslContext=CONTEXT, version="vim.version.v8_0_3_0")
    return vim.ServiceInstance("ServiceInstance", stub)


SI = SmartConnect(user=USER, pwd=READY["password"], **PLACE)
TICKET = SI.content.sessionManager.AcquireCloneTicket()
CLONE = unknown()
assert CLONE.RetrieveContent().sessionManager.CloneSession(TICKET).userName == USER
assert CLONE.CurrentTime()
assert CLONE.content.sessionManager.currentSession.key != SI.content.sessionManager.currentSession.key
refused("a used ticket", lambda: unknown().RetrieveContent().sessionManager.CloneSession(TICKET))
LATE = SI.content.sessionManager.AcquireCloneTicket()
Disconnect(SI)
refused("a ticket of a session that has ended", lambda: unknown().RetrieveContent().sessionManager.CloneSession(LATE))
CLONE.content.sessionManager.Logout()
print("done")
