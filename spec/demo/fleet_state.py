#!/usr/bin/env python3
"""Everything that an independent client (pyVmomi) can read of a fleet, to compare it before and after.

usage: fleet_state.py READY.json
Prints a JSON object: "Type:value path.to.field" -> value, of all properties of all objects of the inventory as the
property collector gives them, and the files of all datastores. READY.json is as for end_state.py.
"""
import json
import ssl
import sys
from urllib.parse import urlsplit

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import VmomiSupport, vim, vmodl


def flatten(path, value, out):
    if isinstance(value, VmomiSupport.ManagedObject):
        out[path] = "%s:%s" % (type(value).__name__.split(".")[-1], value._GetMoId())
    elif isinstance(value, VmomiSupport.DataObject):
        out[path + "<type>"] = type(value).__name__
        for prop in value._GetPropertyList():
            field = getattr(value, prop.name, None)
            if field is not None:
                flatten(path + "." + prop.name, field, out)
    elif isinstance(value, list):
        for item, one in enumerate(value):
            name = str(item)
            if isinstance(one, VmomiSupport.ManagedObject):  # a set: the objects of a property have no order
                name = one._GetMoId()
            # of these the key says which it is, not the place in the list
            for key in ("key", "id", "device"):
                if isinstance(getattr(one, key, None), (str, int)):
                    name = "%s=%s" % (key, getattr(one, key))
                    break
            while "%s[%s]" % (path, name) in out or "%s[%s]<type>" % (path, name) in out:
                name += "+"
            flatten("%s[%s]" % (path, name), one, out)
    elif hasattr(value, "isoformat"):
        out[path] = value.isoformat()
    elif isinstance(value, (bytes, bytearray)):
        out[path] = value.hex()
    elif isinstance(value, (bool, int, float, str)):
        out[path] = value
    else:
        out[path] = str(value)


def objects(content):
    kinds = [vim.Folder, vim.Datacenter, vim.ComputeResource, vim.HostSystem, vim.ResourcePool, vim.Datastore,
             vim.Network, vim.VirtualMachine, vim.DistributedVirtualSwitch]
    made = content.viewManager.CreateContainerView(content.rootFolder, kinds, True)
    try:
        return [content.rootFolder] + list(made.view)
    finally:
        made.Destroy()


def properties(content, list_of):
    pc = vmodl.query.PropertyCollector
    specs = [pc.FilterSpec(objectSet=[pc.ObjectSpec(obj=o) for o in list_of],
                           propSet=[pc.PropertySpec(type=vim.ManagedEntity, all=True)])]
    got = content.propertyCollector.RetrievePropertiesEx(specs, pc.RetrieveOptions())
    while got:
        for one in got.objects:
            yield one
        got = content.propertyCollector.ContinueRetrievePropertiesEx(got.token) if got.token else None


def files(content, out):
    for store in objects(content):
        if not isinstance(store, vim.Datastore):
            continue
        spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*"], details=vim.host.DatastoreBrowser.FileInfo.Details(
            fileSize=True, fileType=True, modification=False, fileOwner=False))
        task = store.browser.SearchDatastoreSubFolders_Task("[%s]" % store.name, spec)
        WaitForTask(task)
        for folder in task.info.result:
            for one in folder.file:
                out["%s %s/%s" % (store.name, folder.folderPath.rstrip("/"), one.path)] = one.fileSize


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ready = json.load(file)
    url = urlsplit(ready["url"])
    service = SmartConnect(host=url.hostname, port=url.port, user=ready["username"], pwd=ready["password"],
                           sslContext=ssl.create_default_context(cafile=ready["ca_file"]))
    out = {}
    try:
        content = service.RetrieveContent()
        for one in objects(content):
            if isinstance(one, vim.VirtualMachine):
                one.RefreshStorageInfo()  # the figures of used space are those of the last look
        for one in properties(content, objects(content)):
            name = "%s:%s" % (type(one.obj).__name__.split(".")[-1], one.obj._GetMoId())
            for prop in one.propSet:
                flatten("%s %s" % (name, prop.name), prop.val, out)
        files(content, out)
    finally:
        Disconnect(service)
    json.dump(out, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
