#!/usr/bin/env python3
"""The end state of a fleet as an independent client sees it: pyVmomi, not gpupt.

usage: end_state.py READY.json [VM-NAME-PREFIX]
READY.json is what the test vCenter writes when it is ready (url, username, password, ca_file).
Prints one JSON object: hosts with their passthrough devices, virtual machines with firmware, ExtraConfig, memory,
assigned devices and power.
"""
import json
import ssl
import sys
from urllib.parse import urlsplit

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim


def view(content, kind):
    made = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return list(made.view)
    finally:
        made.Destroy()


def host_state(host):
    return {
        "name": host.name,
        "cluster": host.parent.name,
        "connection": str(host.runtime.connectionState),
        "maintenance": host.runtime.inMaintenanceMode,
        "boot_time": host.runtime.bootTime.isoformat() if host.runtime.bootTime else None,
        "reboot_required": host.summary.rebootRequired,
        "passthrough": {
            info.id: {"enabled": info.passthruEnabled, "active": info.passthruActive, "capable": info.passthruCapable}
            for info in host.config.pciPassthruInfo or []
        },
    }


def device_state(device):
    backing = device.backing
    state = {"key": device.key, "backing": type(backing).__name__.split(".")[-1]}
    if isinstance(backing, vim.vm.device.VirtualPCIPassthrough.DeviceBackingInfo):
        state.update(id=backing.id, vendor=backing.vendorId & 0xFFFF, device=backing.deviceId, system=backing.systemId)
    elif isinstance(backing, vim.vm.device.VirtualPCIPassthrough.DynamicBackingInfo):
        state.update(assigned=backing.assignedId,
                     allowed=[{"vendor": a.vendorId, "device": a.deviceId} for a in backing.allowedDevice])
    return state


def vm_state(machine):
    config = machine.config
    passthrough = [d for d in config.hardware.device if isinstance(d, vim.vm.device.VirtualPCIPassthrough)]
    cards = [d for d in config.hardware.device if isinstance(d, vim.vm.device.VirtualVideoCard)]
    return {
        "name": machine.name,
        "host": machine.runtime.host.name if machine.runtime.host else None,
        "power": str(machine.runtime.powerState),
        "firmware": config.firmware,
        "extra": {option.key: option.value for option in config.extraConfig},
        "memory_mb": config.hardware.memoryMB,
        "reservation_locked": config.memoryReservationLockedToMax,
        "reservation_mb": config.memoryAllocation.reservation,
        "limit_mb": config.memoryAllocation.limit,
        "tools": str(machine.guest.toolsRunningStatus) if machine.guest else None,
        "video": [{"auto": c.useAutoDetect, "3d": c.enable3DSupport} for c in cards],
        "passthrough": [device_state(d) for d in passthrough],
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ready = json.load(file)
    prefix = sys.argv[2] if len(sys.argv) > 2 else ""
    url = urlsplit(ready["url"])
    service = SmartConnect(host=url.hostname, port=url.port, user=ready["username"], pwd=ready["password"],
                           sslContext=ssl.create_default_context(cafile=ready["ca_file"]))
    try:
        content = service.RetrieveContent()
        state = {
            "api": content.about.apiVersion,
            "hosts": sorted((host_state(h) for h in view(content, vim.HostSystem)), key=lambda h: h["name"]),
            "vms": sorted((vm_state(m) for m in view(content, vim.VirtualMachine) if m.name.startswith(prefix)),
                          key=lambda m: m["name"]),
        }
    finally:
        Disconnect(service)
    json.dump(state, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
