"""Files into and out of a guest and the disk of an export, as pyVmomi's samples do it: the URL as it comes, with the
server's own name where it has "*". usage: transfer_pyvmomi.py READY.json, at a vCenter or at a host."""
import json
import ssl
import sys
import time
import urllib.request

from pyVim import connect
from pyVmomi import vim

ready = json.load(open(sys.argv[1], encoding="utf-8"))
host, port = ready["host"].rsplit(":", 1)
context = ssl.create_default_context(cafile=ready["ca_file"])
context.check_hostname = False
si = connect.SmartConnect(host=host, port=int(port), user=ready["username"], pwd=ready["password"], sslContext=context)
content = si.RetrieveContent()
view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
vms = {vm.name: vm for vm in view.view}
view.Destroy()
vm, auth = vms["lin"], vim.vm.guest.NamePasswordAuthentication(username="ops", password="Train-1-pass")
while not vm.guest.guestOperationsReady:
    time.sleep(0.1)


def request(url, method="GET", data=None):
    url = url.replace("*", host)  # pyvmomi-community-samples#406
    return urllib.request.urlopen(urllib.request.Request(url, data, method=method), context=ssl._create_unverified_context())


files = content.guestOperationsManager.fileManager
text = b"0123456789" * 10000
assert request(files.InitiateFileTransferToGuest(vm, auth, "/tmp/f", vim.vm.guest.FileManager.FileAttributes(), len(text), True),
               "PUT", text).status == 200
assert request(files.InitiateFileTransferFromGuest(vm, auth, "/tmp/f").url).read() == text
lease = vms["off"].ExportVm()
assert lease.state == "ready"
assert request(lease.info.deviceUrl[0].url).status == 200
lease.Complete()
connect.Disconnect(si)
print("done")
