"""pyVmomi's part of bench/collect.lua: usage: pyvmomi_collect.py HOST PORT USER PASSWORD CA TYPE PATH...
Reads the paths of all objects of a type through a view and prints how many there were and the CPU seconds."""
import ssl
import sys
import time

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl


def main():
    host, port, user, password, authorities, kind = sys.argv[1:7]
    context = ssl.create_default_context(cafile=authorities)
    instance = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    content = instance.RetrieveContent()
    kind = getattr(vim, kind)
    start = time.process_time()
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    query = vmodl.query.PropertyCollector
    spec = query.FilterSpec(
        propSet=[query.PropertySpec(type=kind, pathSet=sys.argv[7:], all=False)],
        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[query.TraversalSpec(
            name="view", type=vim.view.ContainerView, path="view", skip=False)])])
    page = content.propertyCollector.RetrievePropertiesEx([spec], query.RetrieveOptions())
    count = 0
    while page:
        count += len(page.objects)
        page = page.token and content.propertyCollector.ContinueRetrievePropertiesEx(page.token)
    view.DestroyView()
    print("%d %.6f" % (count, time.process_time() - start))
    Disconnect(instance)


if __name__ == "__main__":
    main()
