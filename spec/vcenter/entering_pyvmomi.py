#!/usr/bin/env python3
"""Two users put two hosts into maintenance mode, and each sees the other's task. usage: entering_pyvmomi.py READY.json

Sources: HostSystem.EnterMaintenanceMode_Task ("The task is cancellable"), ManagedEntity.recentTask, TaskInfo.queueTime,
TaskInfo.activationId (a token of the client that links a call with its task; the operationID of the request).
"""
import json
import ssl
import sys
import time

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import GetRequestContext

with open(sys.argv[1], encoding="utf-8") as file:
    READY = json.load(file)
HOST, PORT = READY["host"].split(":")
CONTEXT = ssl.create_default_context(cafile=READY["ca_file"])


def login():
    return SmartConnect(host=HOST, port=int(PORT), sslContext=CONTEXT, user=READY["username"], pwd=READY["password"])


def hosts_of(si):
    view = si.content.viewManager.CreateContainerView(si.content.rootFolder, [vim.HostSystem], True)
    return sorted(view.view, key=lambda h: h.name)


def enter(host, operation):
    GetRequestContext()["operationID"] = operation
    try:
        return host.EnterMaintenanceMode_Task(timeout=0)
    finally:
        del GetRequestContext()["operationID"]


def ended(task):
    for _ in range(1000):
        if task.info.state in ("success", "error"):
            return task.info
        time.sleep(0.02)
    raise TimeoutError(task._moId)


def entering(host):
    return [t.info for t in host.recentTask if t.info.state in ("queued", "running")]


one, two = login(), login()
first, second = enter(hosts_of(one)[0], "run-a-1"), enter(hosts_of(two)[1], "run-b-1")
seen = [entering(host) for host in hosts_of(two)[:2]]
for infos, task, operation in zip(seen, (first, second), ("run-a-1", "run-b-1")):
    assert [i.task._moId for i in infos] == [task._moId], infos
    info = infos[0]
    assert info.activationId == operation, info.activationId
    assert info.descriptionId == "HostSystem.enterMaintenanceMode", info.descriptionId
    assert info.reason.userName == READY["username"] and info.cancelable and not info.cancelled
assert seen[0][0].queueTime < seen[1][0].queueTime
second.CancelTask()
info = ended(second)
assert info.cancelled and isinstance(info.error, vmodl.fault.RequestCanceled), info.error
assert not hosts_of(one)[1].runtime.inMaintenanceMode
assert ended(first).state == "success" and hosts_of(two)[0].runtime.inMaintenanceMode
assert entering(hosts_of(two)[0]) == []
assert first._moId in [t._moId for t in hosts_of(two)[0].recentTask]
Disconnect(one)
Disconnect(two)
print("the later of two tasks was seen, and cancelled: done")
