"""pyVmomi as a witness of what gpupt writes and as a writer of what gpupt reads.

    witness.py CONNECTION.json COMMAND ARGUMENT...      prints JSON

The commands are the functions of that name; tree TYPE... gives every property of every object of the types, as
{ "Type:id": { path: value } }.
Values are spelt so that another client can say the same: see `plain`.
"""
import datetime
import json
import ssl
import sys
import urllib.parse

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import VmomiSupport, vim, vmodl

QUERY = vmodl.query.PropertyCollector


def plain(value):
    """A value as JSON: references as Type:id, times as {$time}, bytes as {$bytes}, structures with their _type."""
    if isinstance(value, VmomiSupport.ManagedObject):
        return "%s:%s" % (value._wsdlName, value._moId)
    if isinstance(value, vmodl.MethodFault):
        # pyVmomi hands a LocalizedMethodFault out as the fault itself
        return {"_type": "LocalizedMethodFault", "localizedMessage": value.msg, "fault": structure(value)}
    if isinstance(value, VmomiSupport.DataObject):
        return structure(value)
    if isinstance(value, datetime.datetime):
        return {"$time": value.timestamp()}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, type):
        return VmomiSupport.GetWsdlName(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)


def structure(value):
    out = {"_type": value._wsdlName}
    for field in value._GetPropertyList():
        held = getattr(value, field.name)
        if field.name in ("msg", "dynamicType", "dynamicProperty") or held is None:
            continue
        if isinstance(held, (list, tuple)) and not isinstance(held, (bytes, bytearray)) and not held:
            continue
        out[field.name] = plain(held)
    return out


def wsdl_type(name):
    return VmomiSupport.GetWsdlType(VmomiSupport.XMLNS_VMODL_BASE, name)


def tree(instance, *kinds):
    content = instance.RetrieveContent()
    out = {}
    for kind in kinds:
        kind = wsdl_type(kind)
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        page = content.propertyCollector.RetrievePropertiesEx([QUERY.FilterSpec(
            propSet=[QUERY.PropertySpec(type=kind, all=True)],
            objectSet=[QUERY.ObjectSpec(obj=view, skip=True, selectSet=[QUERY.TraversalSpec(
                name="view", type=vim.view.ContainerView, path="view", skip=False)])])], QUERY.RetrieveOptions())
        while page:
            for one in page.objects:
                out[plain(one.obj)] = {prop.name: plain(prop.val) for prop in one.propSet}
            page = page.token and content.propertyCollector.ContinueRetrievePropertiesEx(page.token)
        view.DestroyView()
    return out


def get(instance, ref, *paths):
    kind, _, moid = ref.partition(":")
    page = instance.RetrieveContent().propertyCollector.RetrievePropertiesEx([QUERY.FilterSpec(
        propSet=[QUERY.PropertySpec(type=wsdl_type(kind), pathSet=list(paths), all=False)],
        objectSet=[QUERY.ObjectSpec(obj=wsdl_type(kind)(moid, instance._stub))])], QUERY.RetrieveOptions())
    return {prop.name: plain(prop.val) for prop in page.objects[0].propSet}


def find(instance, path):
    return instance.RetrieveContent().searchIndex.FindByInventoryPath(path)


def events(instance, path):
    entity = vim.event.EventFilterSpec.ByEntity(
        entity=find(instance, path), recursion=vim.event.EventFilterSpec.RecursionOption.self)
    manager = instance.RetrieveContent().eventManager
    return [plain(event) for event in manager.QueryEvents(vim.event.EventFilterSpec(entity=entity))]


def create_vm(instance, folder, pool, host, datastore, name):
    """A machine with a controller, a disk, a network card and a serial number of extraConfig; gives its reference."""
    host = find(instance, host)
    device = vim.vm.device
    add = device.VirtualDeviceSpec.Operation.add
    controller = device.ParaVirtualSCSIController(
        key=-101, busNumber=0, sharedBus=device.VirtualSCSIController.Sharing.noSharing)
    disk = device.VirtualDisk(key=-102, controllerKey=-101, unitNumber=0, capacityInKB=4 << 20,
                              backing=device.VirtualDisk.FlatVer2BackingInfo(
                                  diskMode="persistent", thinProvisioned=True, fileName="[%s]" % datastore))
    nic = device.VirtualVmxnet3(key=-103, addressType="generated", backing=device.VirtualEthernetCard.NetworkBackingInfo(
        deviceName="VM Network"))
    spec = vim.vm.ConfigSpec(
        name=name, guestId="ubuntu64Guest", firmware="efi", memoryMB=2048, numCPUs=2, annotation="by pyVmomi: \u00e9\u4e2d <&>",
        files=vim.vm.FileInfo(vmPathName="[%s]" % datastore),
        extraConfig=[vim.option.OptionValue(key="witness.text", value="a <b> & \u00e9")],
        deviceChange=[device.VirtualDeviceSpec(operation=add, device=controller),
                      device.VirtualDeviceSpec(operation=add, device=disk,
                                               fileOperation=device.VirtualDeviceSpec.FileOperation.create),
                      device.VirtualDeviceSpec(operation=add, device=nic)])
    task = find(instance, folder).CreateVM_Task(config=spec, pool=find(instance, pool), host=host)
    WaitForTask(task)
    return plain(task.info.result)


def post_event(instance, path, text):
    machine = find(instance, path)
    instance.RetrieveContent().eventManager.PostEvent(vim.event.GeneralUserEvent(
        key=0, chainId=0, createdTime=datetime.datetime.now(datetime.timezone.utc), userName="", message=text,
        vm=vim.event.VmEventArgument(vm=machine, name=machine.name)))


def set_options(instance):
    """One advanced setting of each scalar type."""
    value = vim.option.OptionValue
    instance.RetrieveContent().setting.UpdateOptions([
        value(key="witness.py.text", value="42"), value(key="witness.py.int", value=42),
        value(key="witness.py.long", value=VmomiSupport.long(1 << 40)), value(key="witness.py.flag", value=False)])


def exact_types(instance, prefix):
    """The wire types of advanced settings."""
    return {option.key: type(option.value).__name__ for option in instance.RetrieveContent().setting.QueryOptions(prefix)}


def name_of(instance, path):
    found = find(instance, path)
    return found and found.name


def options(instance, prefix):
    return [plain(option) for option in instance.RetrieveContent().setting.QueryOptions(prefix)]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ready = json.load(file)
    url = urllib.parse.urlparse(ready["url"])
    instance = SmartConnect(host=url.hostname, port=url.port, user=ready["username"], pwd=ready["password"],
                            sslContext=ssl.create_default_context(cafile=ready["ca_file"]))
    try:
        result = COMMANDS[sys.argv[2]](instance, *sys.argv[3:])
    finally:
        Disconnect(instance)
    json.dump(result, sys.stdout)


COMMANDS = {run.__name__: run for run in (tree, get, name_of, events, post_event, options, exact_types, set_options,
                                          create_vm)}

if __name__ == "__main__":
    main()
