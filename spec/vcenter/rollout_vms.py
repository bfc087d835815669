"""The second half of rollout_pyvmomi.py: VMs from a blank disk to a verified GPU.

One Linux VM takes every GPU of the first host, one Windows VM one GPU of the last. Each
is created with a blank disk, installed from the OS medium and the answer medium of the
datastore, given its cards in one reconfigure, powered on, and checked from inside the guest.
"""
import json
import re
import ssl
import time
import urllib.request

from pyVmomi import vim

DS = "[ds-1]"
ACCOUNTS = {"linux": ("ops", "Train-1-pass"), "windows": ("Administrator", "Train-1-pass")}


def option(key, value):
    return vim.option.OptionValue(key=key, value=value)


def add(device, create=False):
    spec = vim.vm.device.VirtualDeviceSpec(operation="add", device=device)
    if create:
        spec.fileOperation = "create"
    return spec


def base_devices(os_iso, answer_iso):
    disk = vim.vm.device.VirtualDisk(
        key=-2, controllerKey=-1, unitNumber=0, capacityInKB=60 * 1024 * 1024,
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=DS, diskMode="persistent", thinProvisioned=True))
    nic = vim.vm.device.VirtualVmxnet3(
        key=-3, backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network"))
    ahci = vim.vm.device.VirtualAHCIController(key=-4, busNumber=0)
    drives = [vim.vm.device.VirtualCdrom(
        key=-5 - i, controllerKey=-4, unitNumber=i, backing=vim.vm.device.VirtualCdrom.IsoBackingInfo(fileName=f),
        connectable=vim.vm.device.VirtualDevice.ConnectInfo(startConnected=True, allowGuestControl=True, connected=True))
        for i, f in enumerate([os_iso, answer_iso])]
    return [add(vim.vm.device.VirtualLsiLogicSASController(key=-1, busNumber=0, sharedBus="noSharing")), add(disk, True),
            add(nic), add(ahci)] + [add(d) for d in drives]


def create(si, wait_task, host, name, guest_id, os_iso, answer_iso):
    dc = si.content.rootFolder.childEntity[0]
    spec = vim.vm.ConfigSpec(
        name=name, guestId=guest_id, files=vim.vm.FileInfo(vmPathName=DS), numCPUs=4, memoryMB=16384, firmware="efi",
        deviceChange=base_devices(os_iso, answer_iso))
    vm = wait_task(si, dc.vmFolder.CreateVM_Task(config=spec, pool=host.parent.resourcePool, host=host))
    assert vm.config.firmware == "efi" and vm.runtime.powerState == "poweredOff"
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning" and not vm.guest.guestOperationsReady
    print("%s: created on %s" % (name, host.name))
    return vm


def ready(vm, timeout=120):
    end = time.time() + timeout
    while time.time() < end:
        if vm.guest.guestOperationsReady:
            return
        time.sleep(0.05)
    raise TimeoutError("%s: guest operations never became ready" % vm.name)


def install(si, wait_task, vm, auth):
    am = si.content.guestOperationsManager.authManager
    try:
        am.ValidateCredentialsInGuest(vm, auth)
        raise AssertionError("a powered-off VM accepted credentials")
    except vim.fault.InvalidPowerState:
        pass
    wait_task(si, vm.PowerOnVM_Task())
    try:
        am.ValidateCredentialsInGuest(vm, auth)
        raise AssertionError("a VM without a system accepted credentials")
    except vim.fault.GuestOperationsUnavailable:
        pass
    ready(vm)
    am.ValidateCredentialsInGuest(vm, auth)
    try:
        am.ValidateCredentialsInGuest(vm, vim.vm.guest.NamePasswordAuthentication(
            interactiveSession=False, username=auth.username, password="no"))
        raise AssertionError("a wrong password was accepted")
    except vim.fault.InvalidGuestLogin:
        pass
    print("%s: installed, Tools %s (%s), %s" % (vm.name, vm.guest.toolsVersion, vm.guest.toolsVersionStatus2, vm.guest.ipAddress))


def attach(si, wait_task, vm, cards, system_id, window):
    wait_task(si, vm.PowerOffVM_Task())
    devices = [add(vim.vm.device.VirtualPCIPassthrough(
        key=-10 - i, backing=vim.vm.device.VirtualPCIPassthrough.DeviceBackingInfo(
            deviceName="", id=c.id, deviceId="%04x" % (c.deviceId & 0xffff), systemId=system_id, vendorId=c.vendorId)))
        for i, c in enumerate(cards)]
    wait_task(si, vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=devices, changeVersion=vm.config.changeVersion)))
    try:
        wait_task(si, vm.PowerOnVM_Task())
        raise AssertionError("powered on without a reservation")
    except vim.fault.GenericVmConfigFault as e:
        assert any("sched.mem.min" in m.message for m in e.faultMessage), e.faultMessage
    wait_task(si, vm.ReconfigVM_Task(vim.vm.ConfigSpec(memoryReservationLockedToMax=True)))
    assert vm.config.memoryAllocation.reservation == 16384 and vm.config.memoryAllocation.limit == -1
    try:
        wait_task(si, vm.PowerOnVM_Task())
        raise AssertionError("powered on without a 64-bit window")
    except vim.fault.GenericVmConfigFault as e:
        assert any("exceeds limit (917504)" in m.message for m in e.faultMessage), e.faultMessage
    wait_task(si, vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[
        option("pciPassthru.use64bitMMIO", "TRUE"), option("pciPassthru.64bitMMIOSizeGB", str(window))])))
    wait_task(si, vm.PowerOnVM_Task())
    ready(vm)
    print("%s: %d cards, window %d GB, powered on" % (vm.name, len(cards), window))


class Web:
    def __init__(self, si, info):
        self.base = "https://" + info["host"]
        self.context = ssl.create_default_context(cafile=info["ca_file"])
        self.cookie = si._stub.cookie.split(";")[0]

    def get(self, url, cookie=False):
        own = url.startswith("https://*")
        request = urllib.request.Request(url.replace("https://*", self.base))
        if cookie:
            request.add_header("Cookie", self.cookie)
        # a host has a certificate of its own, which its vCenter reports
        return urllib.request.urlopen(request, context=self.context if own else ssl._create_unverified_context()).read()


def run_program(si, vm, auth, web, path, arguments, result):
    g = si.content.guestOperationsManager
    pid = g.processManager.StartProgramInGuest(vm, auth, vim.vm.guest.ProcessManager.ProgramSpec(
        programPath=path, arguments=arguments))
    end = time.time() + 60
    while time.time() < end:
        listed = g.processManager.ListProcessesInGuest(vm, auth, [pid])
        if listed and listed[0].endTime:
            break
        time.sleep(0.02)
    info = g.fileManager.InitiateFileTransferFromGuest(vm, auth, result)
    return listed[0].exitCode, web.get(info.url).decode("utf-8", "replace")


def run(si, info, wait_task, hosts_of, gpus):
    hosts = [h for h in hosts_of(si) if gpus(h)]
    web = Web(si, info)

    host, cards = hosts[0], gpus(hosts[0])
    system = {p.pciDevice.id: p.systemId for p in host.parent.environmentBrowser.QueryConfigTarget(host=host).pciPassthrough}
    auth = vim.vm.guest.NamePasswordAuthentication(interactiveSession=False, username=ACCOUNTS["linux"][0], password=ACCOUNTS["linux"][1])
    vm = create(si, wait_task, host, "check-linux", "ubuntu64Guest", DS + " iso/ubuntu-24.04.iso", DS + " iso/ubuntu-answer.iso")
    install(si, wait_task, vm, auth)
    attach(si, wait_task, vm, cards, system[cards[0].id], 512)
    code, out = run_program(si, vm, auth, web, "/bin/bash", "-c 'lspci -nn -d 10de: > /tmp/cards'", "/tmp/cards")
    found = re.findall(r"\[10de:([0-9a-f]{4})\]", out)
    assert code == 0 and found == ["%04x" % (c.deviceId & 0xffff) for c in cards], out
    log = web.get("https://*/folder/%s/vmware.log?dcPath=%s&dsName=ds-1" % (vm.name, si.content.rootFolder.childEntity[0].name), True).decode()
    assert len(set(re.findall(r"PCIPassthru: Device (\S+) barIndex", log))) == len(cards), log
    print("%s: lspci sees %d GPUs, vmware.log has their BARs" % (vm.name, len(found)))

    host, card = hosts[-1], gpus(hosts[-1])[-1]
    system = {p.pciDevice.id: p.systemId for p in host.parent.environmentBrowser.QueryConfigTarget(host=host).pciPassthrough}
    if host == hosts[0]:
        print("one host only: no Windows VM")
        return
    auth = vim.vm.guest.NamePasswordAuthentication(interactiveSession=False, username=ACCOUNTS["windows"][0], password=ACCOUNTS["windows"][1])
    vm = create(si, wait_task, host, "check-windows", "windows2019srvNext_64Guest", DS + " iso/windows-2022.iso", DS + " iso/windows-answer.iso")
    install(si, wait_task, vm, auth)
    attach(si, wait_task, vm, [card], system[card.id], 256)
    query = ("Get-CimInstance Win32_PnPEntity | Where-Object { $_.DeviceID -like 'PCI\\VEN_10DE*' } | "
             "Select-Object DeviceID,ConfigManagerErrorCode | ConvertTo-Json -Compress")
    code, out = run_program(si, vm, auth, web, "C:\\Windows\\System32\\cmd.exe",
                            '/c powershell.exe -NoProfile -Command "%s" > C:\\Windows\\Temp\\cards.json' % query,
                            "C:\\Windows\\Temp\\cards.json")
    seen = json.loads(out)
    assert code == 0 and ("DEV_%04X" % (card.deviceId & 0xffff)) in seen["DeviceID"], out
    assert seen["ConfigManagerErrorCode"] in (0, 28), seen
    print("%s: PnP sees the GPU, problem code %d (no driver yet)" % (vm.name, seen["ConfigManagerErrorCode"]))
