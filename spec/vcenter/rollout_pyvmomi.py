#!/usr/bin/env python3
"""An independent client drives a rollout against the test vCenter.

    rollout_pyvmomi.py READY.json

Host part: every GPU is enabled, the host enters maintenance mode, reboots, comes back
with another bootTime and the cards active, and leaves maintenance mode. It prints one
line per step and fails with an exception where something differs from vSphere.
The VM and guest parts are in rollout_vms.py where present.
"""
import importlib.util
import json
import os
import ssl
import sys
import time

from pyVim import connect
from pyVmomi import vim, vmodl


def wait_task(si, task, timeout=120):
    """Waits on Task.info with WaitForUpdatesEx, not by polling."""
    pc = si.content.propertyCollector.CreatePropertyCollector()
    try:
        spec = vmodl.query.PropertyCollector.FilterSpec(
            objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=task)],
            propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.Task, pathSet=["info"], all=False)])
        pc.CreateFilter(spec, True)
        version, end, states = "", time.time() + timeout, []
        while time.time() < end:
            update = pc.WaitForUpdatesEx(version, vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=10))
            if update is None:
                continue
            version = update.version
            state = task.info.state
            if not states or states[-1] != state:
                states.append(state)
            if state == vim.TaskInfo.State.success:
                return task.info.result
            if state == vim.TaskInfo.State.error:
                raise task.info.error
        raise TimeoutError("task %s did not end" % task._moId)
    finally:
        pc.DestroyPropertyCollector()


def wait_for(what, get, timeout=120):
    end = time.time() + timeout
    while time.time() < end:
        if get():
            return
        time.sleep(0.05)
    raise TimeoutError(what)


def hosts_of(si):
    view = si.content.viewManager.CreateContainerView(si.content.rootFolder, [vim.HostSystem], True)
    hosts = sorted(view.view, key=lambda h: h.name)
    view.DestroyView()
    return hosts


def gpus(host):
    return [d for d in host.hardware.pciDevice if d.vendorId == 0x10de and (d.classId >> 8) == 0x03]


def states(host):
    return {i.id: i for i in host.config.pciPassthruInfo}


def roll_host(si, host):
    cards = gpus(host)
    system = host.configManager.pciPassthruSystem
    assert cards, "no GPU on " + host.name
    todo = [c for c in cards if not states(host)[c.id].passthruActive]
    if not todo:
        print("%s: %d cards active already" % (host.name, len(cards)))
        return
    system.UpdatePassthruConfig([vim.host.PciPassthruConfig(id=c.id, passthruEnabled=True, applyNow=False) for c in todo])
    system.Refresh()
    for c in todo:
        s = states(host)[c.id]
        assert s.passthruEnabled and not s.passthruActive, "enabled must not be active before the reboot"
    assert host.summary.rebootRequired
    print("%s: %d cards enabled, reboot required" % (host.name, len(todo)))
    try:
        wait_task(si, host.RebootHost_Task(force=False))
        raise AssertionError("a reboot outside maintenance mode was accepted")
    except vim.fault.InvalidState:
        print("%s: reboot outside maintenance mode refused" % host.name)
    wait_task(si, host.EnterMaintenanceMode_Task(timeout=0, evacuatePoweredOffVms=False))
    assert host.runtime.inMaintenanceMode
    before = host.runtime.bootTime
    wait_task(si, host.RebootHost_Task(force=False))
    wait_for("away", lambda: host.runtime.connectionState == "notResponding")
    wait_for("back", lambda: host.runtime.connectionState == "connected" and host.runtime.bootTime != before)
    for c in todo:
        assert states(host)[c.id].passthruActive, "not active after the reboot"
    assert not host.summary.rebootRequired and host.runtime.inMaintenanceMode
    wait_task(si, host.ExitMaintenanceMode_Task(timeout=0))
    target = host.parent.environmentBrowser.QueryConfigTarget(host=host)
    seen = {p.pciDevice.id: p.systemId for p in target.pciPassthrough}
    assert set(seen) == {c.id for c in cards}, seen
    assert {d.deviceId for d in target.dynamicPassthrough} == {c.deviceId & 0xffff for c in cards}
    print("%s: rebooted, %d cards active, systemId %s" % (host.name, len(seen), seen.popitem()[1]))


def read_everything(si):
    """Every property of every entity must decode: pyVmomi raises where a required one is missing."""
    total = 0
    for kind in (vim.Folder, vim.Datacenter, vim.ClusterComputeResource, vim.HostSystem, vim.ResourcePool, vim.Datastore,
                 vim.Network, vim.VirtualMachine):
        view = si.content.viewManager.CreateContainerView(si.content.rootFolder, [kind], True)
        walk = vmodl.query.PropertyCollector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
        spec = vmodl.query.PropertyCollector.FilterSpec(
            objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
            propSet=[vmodl.query.PropertyCollector.PropertySpec(type=kind, all=True)])
        pc = si.content.propertyCollector
        result = pc.RetrievePropertiesEx([spec], vmodl.query.PropertyCollector.RetrieveOptions())
        while result:
            for obj in result.objects:
                assert not obj.missingSet, obj.missingSet
                total += len(obj.propSet)
            result = pc.ContinueRetrievePropertiesEx(result.token) if result.token else None
        view.DestroyView()
    print("%d properties read" % total)


def main():
    ready = json.load(open(sys.argv[1]))
    context = ssl.create_default_context(cafile=ready["ca_file"])
    name, port = ready["host"].rsplit(":", 1)
    si = connect.SmartConnect(host=name, port=int(port), user=ready["username"], pwd=ready["password"], sslContext=context)
    try:
        print("connected to %s, API %s" % (si.content.about.fullName, si.content.about.apiVersion))
        for host in hosts_of(si):
            roll_host(si, host)
        read_everything(si)
        more = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rollout_vms.py")
        if os.path.exists(more):
            spec = importlib.util.spec_from_file_location("rollout_vms", more)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.run(si, ready, wait_task, hosts_of, gpus)
    finally:
        connect.Disconnect(si)
    print("done")


if __name__ == "__main__":
    main()
