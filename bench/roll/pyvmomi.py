"""pyVmomi's part of bench/roll.lua: usage: pyvmomi.py HOST PORT USER PASSWORD CA VENDOR:DEVICE
A thread for each cluster takes its hosts one after the other: enables the cards, enters maintenance mode, reboots, waits
until the host is back with the cards active, and leaves maintenance mode. No journal, no claims, no look at other hosts,
and nothing is undone when something fails: what the calls alone take."""
import ssl
import sys
import threading

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

query = vmodl.query.PropertyCollector


class Watch:
    """Waits for properties of one object, by a filter of its own."""

    def __init__(self, content):
        self.collector = content.propertyCollector.CreatePropertyCollector()

    def until(self, what, kind, paths, good):
        target = query.FilterSpec(propSet=[query.PropertySpec(type=kind, pathSet=paths)],
                                  objectSet=[query.ObjectSpec(obj=what)])
        filter_, version, seen = self.collector.CreateFilter(target, False), "", {}
        while True:
            updates = self.collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
            version = updates.version if updates else version
            for one in updates.filterSet if updates else []:
                for update in one.objectSet:
                    for change in update.changeSet:
                        seen[change.name] = change.val
            if good(seen):
                break
        filter_.Destroy()

    def task(self, task):
        self.until(task, vim.Task, ["info.state"], lambda seen: seen.get("info.state") in ("success", "error"))
        if task.info.state == "error":
            raise task.info.error

    def close(self):
        self.collector.Destroy()


def roll(watch, host, vendor, device):
    cards = [one.id for one in host.hardware.pciDevice
             if one.vendorId & 0xffff == vendor and one.deviceId & 0xffff == device]
    system = host.configManager.pciPassthruSystem
    system.UpdatePassthruConfig([vim.host.PciPassthruConfig(id=card, passthruEnabled=True) for card in cards])
    watch.task(host.EnterMaintenanceMode_Task(timeout=0))
    before = host.runtime.bootTime
    watch.task(host.RebootHost_Task(force=False))
    watch.until(host, vim.HostSystem, ["runtime.connectionState", "runtime.bootTime"],
                lambda seen: seen.get("runtime.connectionState") == "connected"
                and seen.get("runtime.bootTime") not in (None, before))
    system.Refresh()
    active = {one.id for one in host.config.pciPassthruInfo if one.passthruActive}
    if not set(cards) <= active:
        raise RuntimeError(host.name + ": not active")
    watch.task(host.ExitMaintenanceMode_Task(timeout=0))


def main():
    address, port, user, password, authorities, match = sys.argv[1:7]
    vendor, device = (int(word, 16) for word in match.split(":"))
    context = ssl.create_default_context(cafile=authorities)
    instance = SmartConnect(host=address, port=int(port), user=user, pwd=password, sslContext=context,
                            connectionPoolTimeout=-1)
    content = instance.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.ClusterComputeResource], True)
    clusters, failures = list(view.view), []
    instance._stub.poolSize = len(clusters) + 1

    def worker(cluster):
        try:
            watch = Watch(content)
            for host in cluster.host:
                roll(watch, host, vendor, device)
            watch.close()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=worker, args=(cluster,)) for cluster in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Disconnect(instance)
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main()
