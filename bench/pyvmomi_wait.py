"""pyVmomi's part of bench/wait.lua: usage: pyvmomi_wait.py HOST PORT USER PASSWORD CA FILE
Waits for the tasks whose ids stand in FILE, with one filter and one WaitForUpdatesEx after the other, and prints the CPU
seconds and then, for each task, the seconds from its completeTime to the notice."""
import ssl
import sys
import time

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl


def main():
    host, port, user, password, authorities, path = sys.argv[1:7]
    context = ssl.create_default_context(cafile=authorities)
    instance = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    query = vmodl.query.PropertyCollector
    with open(path, encoding="utf-8") as file:
        tasks = [vim.Task(line.strip(), instance._stub) for line in file]
    collector = instance.RetrieveContent().propertyCollector.CreatePropertyCollector()
    print("ready", flush=True)
    start = time.process_time()
    collector.CreateFilter(query.FilterSpec(
        propSet=[query.PropertySpec(type=vim.Task, pathSet=["info"])],
        objectSet=[query.ObjectSpec(obj=task) for task in tasks]), False)
    left, version, late = {task._moId for task in tasks}, "", []
    while left:
        updates = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
        now = time.time()
        if not updates:
            continue
        version = updates.version
        for update in updates.filterSet[0].objectSet:
            for change in update.changeSet:
                info = change.val
                if change.name == "info" and info.state in ("success", "error") and update.obj._moId in left:
                    left.remove(update.obj._moId)
                    late.append(now - info.completeTime.timestamp())
    cpu = time.process_time() - start
    collector.DestroyPropertyCollector()
    print("%.6f" % cpu)
    for seconds in late:
        print("%.6f" % seconds)
    Disconnect(instance)


if __name__ == "__main__":
    main()
