"""pyVmomi's part of bench/cycle.lua: usage: pyvmomi.py HOST PORT USER PASSWORD CA CAP
As many threads with a connection each of the same session; prints the wall and CPU seconds after the login."""
import ssl
import sys
import threading
import time
from queue import Empty, SimpleQueue

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl


def main():
    host, port, user, password, authorities, cap = sys.argv[1:7]
    context = ssl.create_default_context(cafile=authorities)
    instance = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context,
                            connectionPoolTimeout=-1)
    instance._stub.poolSize = int(cap) + 1
    content = instance.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    waiting = SimpleQueue()
    for vm in view.view:
        waiting.put(vm)
    failures = []
    query = vmodl.query.PropertyCollector

    def wait(collector, task):
        target = query.FilterSpec(propSet=[query.PropertySpec(type=vim.Task, pathSet=["info.state"])],
                                  objectSet=[query.ObjectSpec(obj=task)])
        filter_, version = collector.CreateFilter(target, True), ""
        while True:
            updates = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
            version = updates.version
            states = [change.val for one in updates.filterSet for update in one.objectSet for change in update.changeSet]
            if "error" in states:
                raise task.info.error
            if "success" in states:
                break
        filter_.Destroy()

    def worker():
        try:
            collector = content.propertyCollector.CreatePropertyCollector()
            while True:
                vm = waiting.get_nowait()
                wait(collector, vm.PowerOffVM_Task())
                wait(collector, vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="cycle")))
                wait(collector, vm.PowerOnVM_Task())
        except Empty:
            collector.Destroy()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    wall, cpu = time.monotonic(), time.process_time()
    threads = [threading.Thread(target=worker) for _ in range(int(cap))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    Disconnect(instance)
    if failures:
        raise failures[0]
    print("%.6f %.6f" % (wall, cpu))


if __name__ == "__main__":
    main()
