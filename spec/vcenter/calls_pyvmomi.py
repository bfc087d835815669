#!/usr/bin/env python3
"""What pyVmomi programs ask of a vCenter: each call once, with what it must answer.

    calls_pyvmomi.py READY.json

The list is taken from what such tools do: inventory scripts, monitoring, host administration, VM
administration. One line for each call that fails, then the count. The server is started with
-dc 1 -cluster 1 -host 2 -vm 2 -pool 1 -app 1 -gpus 2.
"""
import json
import ssl
import sys
import time
import urllib.request

from pyVim import connect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

ready = json.load(open(sys.argv[1], encoding="utf-8"))
context = ssl.create_default_context(cafile=ready["ca_file"])
context.check_hostname = False
host, port = ready["host"].split(":")
si = connect.SmartConnect(host=host, port=int(port), user=ready["username"], pwd=ready["password"], sslContext=context)
content = si.content
calls = []


def call(function):
    """Registers a call; its name is what is shown."""
    calls.append(function)
    return function


def view(kind):
    v = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return sorted(v.view, key=lambda o: o.name)
    finally:
        v.DestroyView()


def raises(fault, function, *args, **named):
    try:
        function(*args, **named)
    except fault:
        return True
    raise AssertionError("no %s" % fault.__name__)


HOSTS, VMS, CLUSTER, DC = view(vim.HostSystem), view(vim.VirtualMachine), view(vim.ClusterComputeResource)[0], view(vim.Datacenter)[0]
HOST = next(h for h in HOSTS if isinstance(h.parent, vim.ClusterComputeResource))
VM = next(v for v in VMS if v.runtime.host == HOST)


# inventory and monitoring
@call
def about(): assert content.about.apiType == "VirtualCenter" and content.about.instanceUuid
@call
def current_time(): assert si.CurrentTime().year > 2020
@call
def server_clock(): assert si.RetrieveContent().about.fullName
@call
def every_host_summary(): assert all(h.summary.hardware.numCpuCores > 0 and h.summary.hardware.memorySize > 0 for h in HOSTS)
@call
def every_host_hardware(): assert all(h.hardware.systemInfo.uuid and h.hardware.cpuInfo.hz for h in HOSTS)
@call
def host_pci_devices(): assert any(d.vendorId & 0xffff == 0x10de for d in HOST.hardware.pciDevice)
@call
def host_passthru_info(): assert any(i.passthruCapable for i in HOST.config.pciPassthruInfo)
@call
def host_network(): assert HOST.config.network.pnic and HOST.config.network.vnic
@call
def host_storage(): assert HOST.config.storageDevice.hostBusAdapter
@call
def host_product(): assert HOST.config.product.version == content.about.version
@call
def host_options(): assert HOST.configManager.advancedOption.QueryOptions() is not None
@call
def host_services(): assert any(s.key == "TSM-SSH" for s in HOST.configManager.serviceSystem.serviceInfo.service)
@call
def start_ssh(): HOST.configManager.serviceSystem.StartService(id="TSM-SSH")
@call
def start_ssh_again(): raises(vim.fault.InvalidState, HOST.configManager.serviceSystem.StartService, id="TSM-SSH")
@call
def ssh_runs(): assert next(s for s in HOST.config.service.service if s.key == "TSM-SSH").running
@call
def ssh_on_this_host_only(): assert not any(s.running for h in HOSTS if h != HOST for s in h.config.service.service if s.key == "TSM-SSH")
@call
def stop_ssh(): HOST.configManager.serviceSystem.StopService(id="TSM-SSH")
@call
def restart_ntp(): HOST.configManager.serviceSystem.RestartService(id="ntpd")
@call
def service_policy(): HOST.configManager.serviceSystem.UpdateServicePolicy(id="ntpd", policy="automatic")
@call
def service_policy_unknown(): raises(vmodl.fault.InvalidArgument, HOST.configManager.serviceSystem.UpdateServicePolicy, id="ntpd", policy="maybe")
@call
def service_unknown(): raises(vim.fault.NotFound, HOST.configManager.serviceSystem.StartService, id="nothing")
@call
def refresh_services(): HOST.configManager.serviceSystem.RefreshServices()
@call
def power_policy():
    have = HOST.configManager.powerSystem.capability.availablePolicy
    HOST.configManager.powerSystem.ConfigurePowerPolicy(key=have[-1].key)
    assert HOST.config.powerSystemInfo.currentPolicy.key == have[-1].key
@call
def power_policy_unknown(): raises(vmodl.fault.InvalidArgument, HOST.configManager.powerSystem.ConfigurePowerPolicy, key=99)
@call
def autostart():
    spec = vim.host.AutoStartManager.Config(defaults=vim.host.AutoStartManager.SystemDefaults(enabled=True, startDelay=60),
        powerInfo=[vim.host.AutoStartManager.AutoPowerInfo(key=VM, startOrder=1, startDelay=-1, waitForHeartbeat="no", startAction="powerOn",
            stopDelay=-1, stopAction="systemDefault")])
    HOST.configManager.autoStartManager.ReconfigureAutostart(spec=spec)
    assert HOST.configManager.autoStartManager.config.powerInfo[0].key == VM
@call
def connection_info(): assert HOST.QueryHostConnectionInfo().host.config.name == HOST.name
@call
def host_uptime(): assert HOST.RetrieveHardwareUptime() > 0
@call
def host_clock(): assert HOST.configManager.dateTimeSystem.QueryDateTime().year > 2020
@call
def host_memory_overhead(): assert HOST.summary.quickStats is not None
@call
def vsan_status(): assert HOST.configManager.vsanSystem.QueryHostStatus().nodeState.state
@call
def cluster_hosts(): assert len(CLUSTER.host) == 2
@call
def cluster_configuration(): assert CLUSTER.configurationEx.drsConfig is not None
@call
def cluster_recommends_hosts(): assert CLUSTER.RecommendHostsForVm(vm=VM)[0].rating == 5
@call
def config_option():
    option = CLUSTER.environmentBrowser.QueryConfigOption(key=None, host=None)
    guests = {g.id: g for g in option.guestOSDescriptor}
    assert len(guests) > 150 and guests["ubuntu64Guest"].recommendedDiskController == vim.vm.device.ParaVirtualSCSIController
    assert all(g.supportedMaxMemMB > 0 and g.fullName for g in guests.values()) and option.hardwareOptions.numCPU[-1] == 768
@call
def config_option_of_a_key():
    option = CLUSTER.environmentBrowser.QueryConfigOptionEx(vim.EnvironmentBrowser.ConfigOptionQuerySpec(key="vmx-11", guestId=["rhel9_64Guest"]))
    assert option.version == "vmx-11" and [g.fullName for g in option.guestOSDescriptor] == ["Red Hat Enterprise Linux 9 (64-bit)"]
    assert CLUSTER.environmentBrowser.QueryConfigOption(key="vmx-99", host=None) is None
@call
def config_option_descriptors(): assert CLUSTER.environmentBrowser.QueryConfigOptionDescriptor()
@call
def config_target(): assert CLUSTER.environmentBrowser.QueryConfigTarget(host=HOST).numCpus > 0
@call
def resource_pools(): assert any(p.name == "DC0_C0_RP1" for p in CLUSTER.resourcePool.resourcePool)
@call
def vapps(): assert view(vim.VirtualApp)[0].name == "DC0_C0_APP0"
@call
def datastores(): assert view(vim.Datastore)[0].summary.capacity > view(vim.Datastore)[0].summary.freeSpace >= 0
@call
def networks(): assert any(isinstance(n, vim.dvs.DistributedVirtualPortgroup) for n in view(vim.Network))
@call
def switch_hosts(): assert len(view(vim.DistributedVirtualSwitch)[0].summary.hostMember) == 3
@call
def alarms(): assert content.alarmManager.GetAlarm(entity=content.rootFolder) is not None
@call
def events():
    spec = vim.event.EventFilterSpec(entity=vim.event.EventFilterSpec.ByEntity(entity=VM, recursion="self"))
    assert content.eventManager.QueryEvents(spec)
@call
def latest_event(): assert content.eventManager.latestEvent is not None
@call
def perf_counters(): assert len(content.perfManager.perfCounter) > 10
@call
def perf_provider(): assert content.perfManager.QueryPerfProviderSummary(entity=HOST).refreshRate == 20
@call
def perf_metrics(): assert content.perfManager.QueryAvailablePerfMetric(entity=HOST, intervalId=20) is not None
@call
def perf_query():
    ids = content.perfManager.QueryAvailablePerfMetric(entity=VM, intervalId=20)
    spec = vim.PerformanceManager.QuerySpec(entity=VM, metricId=ids[:2], intervalId=20, maxSample=3)
    assert content.perfManager.QueryPerf(querySpec=[spec]) is not None
@call
def licenses(): assert content.licenseManager.licenses is not None
@call
def roles(): assert any(r.name == "Admin" for r in content.authorizationManager.roleList)
@call
def privileges(): assert any(p.privId == "VirtualMachine.Interact.PowerOn" for p in content.authorizationManager.privilegeList)
@call
def permissions(): assert content.authorizationManager.RetrieveEntityPermissions(entity=content.rootFolder, inherited=True)
@call
def has_privilege():
    key = content.sessionManager.currentSession.key
    assert content.authorizationManager.HasPrivilegeOnEntity(entity=VM, sessionId=key, privId=["VirtualMachine.Interact.PowerOn"]) == [True]
@call
def session_list(): assert any(s.userName == ready["username"] for s in content.sessionManager.sessionList)
@call
def session_active():
    s = content.sessionManager.currentSession
    assert content.sessionManager.SessionIsActive(sessionID=s.key, userName=s.userName)
@call
def clone_ticket(): assert content.sessionManager.AcquireCloneTicket()
@call
def custom_fields():
    field = content.customFieldsManager.AddCustomFieldDef(name="owner", moType=vim.VirtualMachine)
    content.customFieldsManager.SetField(entity=VM, key=field.key, value="ops")
    assert any(v.value == "ops" for v in VM.customValue)
@call
def extensions(): assert content.extensionManager.extensionList is not None
@call
def setting(): assert content.setting.QueryOptions(name="VirtualCenter.InstanceName") is not None
@call
def customization_specs(): assert content.customizationSpecManager.info is not None
@call
def recent_tasks(): assert content.taskManager.recentTask is not None
@call
def task_history():
    c = content.taskManager.CreateCollectorForTasks(filter=vim.TaskFilterSpec())
    try:
        c.ReadNextTasks(10)
    finally:
        c.DestroyCollector()


# finding
@call
def find_by_path(): assert content.searchIndex.FindByInventoryPath("DC0/vm/" + VM.name) == VM
@call
def find_child(): assert content.searchIndex.FindChild(entity=DC.vmFolder, name=VM.name) == VM
@call
def find_by_uuid(): assert content.searchIndex.FindByUuid(uuid=VM.config.uuid, vmSearch=True, instanceUuid=False) == VM
@call
def find_by_instance_uuid(): assert content.searchIndex.FindByUuid(uuid=VM.config.instanceUuid, vmSearch=True, instanceUuid=True) == VM
@call
def find_host_by_uuid(): assert content.searchIndex.FindByUuid(uuid=HOST.hardware.systemInfo.uuid, vmSearch=False) == HOST
@call
def find_host_by_name(): assert content.searchIndex.FindByDnsName(dnsName=HOST.name, vmSearch=False) == HOST
@call
def find_all_by_uuid(): assert content.searchIndex.FindAllByUuid(uuid=VM.config.uuid, vmSearch=True) == [VM]
@call
def find_by_datastore_path(): assert content.searchIndex.FindByDatastorePath(datacenter=DC, path=VM.config.files.vmPathName) == VM
@call
def find_nothing(): assert content.searchIndex.FindByInventoryPath("DC0/vm/none") is None
@call
def retrieve_pages():
    filters = [vmodl.query.PropertyCollector.FilterSpec(
        objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=v) for v in VMS],
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.VirtualMachine, pathSet=["name", "runtime.powerState"])])]
    page = content.propertyCollector.RetrievePropertiesEx(specSet=filters, options=vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=2))
    seen = len(page.objects)
    while page.token:
        page = content.propertyCollector.ContinueRetrievePropertiesEx(token=page.token)
        seen += len(page.objects)
    assert seen == len(VMS)
@call
def no_such_property():
    spec = vmodl.query.PropertyCollector.FilterSpec(objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=VM)],
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.VirtualMachine, pathSet=["nothing"])])
    raises(vmodl.query.InvalidProperty, content.propertyCollector.RetrieveContents, [spec])


# a VM's life
@call
def vm_summary(): assert VM.summary.config.name == VM.name and VM.summary.runtime.powerState == "poweredOn"
@call
def vm_devices(): assert any(isinstance(d, vim.vm.device.VirtualDisk) for d in VM.config.hardware.device)
@call
def screenshot():
    path = WaitForTask(VM.CreateScreenshot_Task()) and VM.recentTask[-1].info.result
    assert path.startswith("[LocalDS_0] ") and path.endswith(".png")
    name = path.split("] ", 1)[1]
    request = urllib.request.Request("https://%s/folder/%s?dcPath=DC0&dsName=LocalDS_0" % (ready["host"], name),
        headers={"Cookie": si._stub.cookie})
    assert urllib.request.urlopen(request, context=context).read()[:8] == b"\x89PNG\r\n\x1a\n"
@call
def keys():
    typed = [vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=usage << 16 | 7,
        modifiers=vim.vm.UsbScanCodeSpec.ModifierType(leftShift=True)) for usage in (0x1c, 0x28)]
    assert VM.PutUsbScanCodes(vim.vm.UsbScanCodeSpec(keyEvents=typed)) == 2
    raises(vmodl.fault.InvalidArgument, VM.PutUsbScanCodes,
        vim.vm.UsbScanCodeSpec(keyEvents=[vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=0x28)]))
@call
def console_ticket(): assert VM.AcquireTicket(ticketType="webmks").ticket
@call
def vmotion_compatibility():
    other = next(h for h in HOSTS if h != HOST and h.parent == HOST.parent)
    WaitForTask(content.vmProvisioningChecker.QueryVMotionCompatibilityEx_Task(vm=[VM], host=[HOST, other]))
@call
def power_off(): WaitForTask(VM.PowerOffVM_Task())
@call
def power_off_again(): raises(vim.fault.InvalidPowerState, WaitForTask, VM.PowerOffVM_Task())
@call
def screenshot_of_a_vm_that_is_off(): raises(vim.fault.InvalidPowerState, VM.CreateScreenshot_Task)
@call
def keys_of_a_vm_that_is_off():
    raises(vim.fault.InvalidPowerState, VM.PutUsbScanCodes,
        vim.vm.UsbScanCodeSpec(keyEvents=[vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=0x28 << 16 | 7)]))
@call
def check_power_on():
    task = content.vmCompatibilityChecker.CheckPowerOn_Task(vm=VM)
    WaitForTask(task)
    assert not task.info.result[0].error
@call
def rename(): WaitForTask(VM.Rename_Task(newName="renamed"))
@call
def annotate(): WaitForTask(VM.ReconfigVM_Task(spec=vim.vm.ConfigSpec(annotation="a note")))
@call
def extra_config(): WaitForTask(VM.ReconfigVM_Task(spec=vim.vm.ConfigSpec(extraConfig=[vim.option.OptionValue(key="guestinfo.a", value="b")])))
@call
def more_memory(): WaitForTask(VM.ReconfigVM_Task(spec=vim.vm.ConfigSpec(memoryMB=2048, numCPUs=2)))
@call
def snapshot(): WaitForTask(VM.CreateSnapshot_Task(name="s", description="", memory=False, quiesce=False))
@call
def snapshot_tree(): assert VM.snapshot.rootSnapshotList[0].name == "s"
@call
def revert(): WaitForTask(VM.RevertToCurrentSnapshot_Task())
@call
def remove_snapshots(): WaitForTask(VM.RemoveAllSnapshots_Task())
@call
def export():
    lease = VM.ExportVm()
    assert lease.state == "ready" and lease.info.deviceUrl[0].disk
    lease.HttpNfcLeaseProgress(50)
    url = lease.info.deviceUrl[0].url.replace("*", ready["host"])
    assert urllib.request.urlopen(url, context=ssl._create_unverified_context()).status == 200
    assert lease.HttpNfcLeaseGetManifest()[0].sha1
    lease.HttpNfcLeaseComplete()
@call
def clone():
    WaitForTask(VM.CloneVM_Task(folder=DC.vmFolder, name="copy", spec=vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=CLUSTER.resourcePool), powerOn=False, template=False)))
@call
def copy_is_there(): assert content.searchIndex.FindByInventoryPath("DC0/vm/copy")
@call
def mark_as_template(): content.searchIndex.FindByInventoryPath("DC0/vm/copy").MarkAsTemplate()
@call
def template_does_not_start(): raises((vim.fault.InvalidState, vmodl.fault.NotSupported, vim.fault.VimFault), lambda: WaitForTask(content.searchIndex.FindByInventoryPath("DC0/vm/copy").PowerOnVM_Task()))
@call
def mark_as_vm(): content.searchIndex.FindByInventoryPath("DC0/vm/copy").MarkAsVirtualMachine(pool=CLUSTER.resourcePool)
@call
def unregister(): content.searchIndex.FindByInventoryPath("DC0/vm/copy").UnregisterVM()
@call
def register():
    WaitForTask(DC.vmFolder.RegisterVM_Task(path="[LocalDS_0] copy/copy.vmx", name="copy", asTemplate=False, pool=CLUSTER.resourcePool))
@call
def destroy(): WaitForTask(content.searchIndex.FindByInventoryPath("DC0/vm/copy").Destroy_Task())
@call
def create_folder(): DC.vmFolder.CreateFolder(name="prod")
@call
def create_folder_again(): raises(vim.fault.DuplicateName, DC.vmFolder.CreateFolder, name="prod")
@call
def move_into_folder(): WaitForTask(content.searchIndex.FindByInventoryPath("DC0/vm/prod").MoveIntoFolder_Task(list=[VM]))
@call
def find_in_folder(): assert content.searchIndex.FindByInventoryPath("DC0/vm/prod/renamed") == VM
@call
def create_pool(): CLUSTER.resourcePool.CreateResourcePool(name="gold", spec=vim.ResourceConfigSpec(
    cpuAllocation=vim.ResourceAllocationInfo(reservation=0, expandableReservation=True, limit=-1, shares=vim.SharesInfo(level="normal", shares=4000)),
    memoryAllocation=vim.ResourceAllocationInfo(reservation=0, expandableReservation=True, limit=-1, shares=vim.SharesInfo(level="normal", shares=163840))))
@call
def power_on(): WaitForTask(VM.PowerOnVM_Task())
@call
def reset(): WaitForTask(VM.ResetVM_Task())
@call
def suspend(): WaitForTask(VM.SuspendVM_Task())
@call
def resume(): WaitForTask(VM.PowerOnVM_Task())
@call
def no_tools_no_reboot(): raises(vim.fault.ToolsUnavailable, VM.RebootGuest)
@call
def browse_datastore():
    spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*.vmx"])
    task = view(vim.Datastore)[0].browser.SearchDatastoreSubFolders_Task(datastorePath="[LocalDS_0]", searchSpec=spec)
    WaitForTask(task)
    assert any(r.file for r in task.info.result)
@call
def make_directory(): content.fileManager.MakeDirectory(name="[LocalDS_0] iso", datacenter=DC, createParentDirectories=False)
@call
def delete_directory(): WaitForTask(content.fileManager.DeleteDatastoreFile_Task(name="[LocalDS_0] iso", datacenter=DC))
@call
def maintenance():
    alone = next(h for h in HOSTS if h.parent.parent == HOST.parent.parent and not isinstance(h.parent, vim.ClusterComputeResource))
    for v in alone.vm:
        WaitForTask(v.PowerOffVM_Task())
    WaitForTask(alone.EnterMaintenanceMode_Task(timeout=0, evacuatePoweredOffVms=False))
    assert alone.runtime.inMaintenanceMode
    WaitForTask(alone.ExitMaintenanceMode_Task(timeout=0))
@call
def log_user_event(): content.eventManager.LogUserEvent(entity=VM, msg="looked at")


failed = 0
for function in calls:
    try:
        function()
    except Exception as e:  # every failure is shown, whatever it is
        failed += 1
        print("%s: %s: %s" % (function.__name__, type(e).__name__, str(getattr(e, "msg", e)).split("\n")[0][:200]))
connect.Disconnect(si)
print("%d calls, %d failed" % (len(calls), failed))
sys.exit(1 if failed else 0)
