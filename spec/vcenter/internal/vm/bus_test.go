package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

func device(op, file, kind string, key int, inner string) part {
	if file != "" {
		file = "<fileOperation>" + file + "</fileOperation>"
	}
	return field("deviceChange", fmt.Sprintf(`<deviceChange><operation>%s</operation>%s<device xsi:type="%s"><key>%d</key>%s</device></deviceChange>`, op, file, kind, key, inner))
}

func drive(op, file string, key, controller, unit, kb int) part {
	return device(op, file, "VirtualDisk", key, fmt.Sprintf(`<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds-1]</fileName><diskMode>persistent</diskMode></backing>`+
		`<controllerKey>%d</controllerKey><unitNumber>%d</unitNumber><capacityInKB>%d</capacityInKB>`, controller, unit, kb))
}

func TestDevicesOfOneVMFitEachOther(t *testing.T) {
	k := start(t)
	k.rule("vm.device-type", "vm.file-operation", "vm.device-unit", "vm.device-bus", "vm.controller-in-use", "vm.disk-shrink", "vm.device-numbers")
	vm := k.vm("a", append(disk("VirtualLsiLogicSASController"), network("VM Network"), cd(-120, 0, "[ds-1] iso/ubuntu-24.04.iso"))...)
	list := k.get(vm, "config.hardware.device")
	for _, want := range []string{"<key>1000</key>", "<label>SCSI controller 0</label>", "<key>2000</key>", "<label>Hard disk 1</label>", "<key>4000</key>",
		"<label>Network adapter 1</label>", "<key>3000</key>", "<label>CD/DVD drive 1</label>", "<controllerKey>1000</controllerKey>"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in %s", want, list)
		}
	}
	if l := k.get(vm, "layoutEx"); !strings.Contains(l, "<disk><key>2000</key>") {
		t.Errorf("layoutEx: %s", l)
	}
	iso := `<backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>[ds-1] iso/ubuntu-24.04.iso</fileName></backing>`
	k.refused(k.reconfigure(vm, change("edit", "VirtualCdrom", 500, iso)), "InvalidDeviceSpec", "of another type")
	k.accepted(k.reconfigure(vm, change("edit", "VirtualCdrom", 3000, iso+"<controllerKey>200</controllerKey><unitNumber>0</unitNumber>")))
	k.refused(k.reconfigure(vm, device("add", "create", "VirtualCdrom", -1, iso+"<controllerKey>200</controllerKey><unitNumber>1</unitNumber>")), "InvalidDeviceSpec", "for disks")
	k.refused(k.reconfigure(vm, drive("add", "destroy", -1, 1000, 1, 1024)), "InvalidDeviceSpec", "does not go with operation add")
	k.refused(k.reconfigure(vm, drive("add", "create", -1, 1000, 0, 1024)), "InvalidDeviceSpec", "unit 0 of the controller 1000 is taken")
	k.refused(k.reconfigure(vm, drive("add", "create", -1, 1000, 16, 1024)), "InvalidDeviceSpec", "no unit 16")
	k.refused(k.reconfigure(vm, device("add", "", "VirtualCdrom", -1, iso+"<controllerKey>200</controllerKey><unitNumber>0</unitNumber>")), "InvalidDeviceSpec", "is taken")
	k.refused(k.reconfigure(vm, device("add", "", "VirtualCdrom", -1, iso+"<controllerKey>201</controllerKey><unitNumber>2</unitNumber>")), "InvalidDeviceSpec", "no unit 2")
	k.refused(k.reconfigure(vm, drive("add", "create", -1, 1000, 3, 1024), drive("add", "create", -2, 1000, 3, 1024)), "InvalidDeviceSpec", "is taken")
	k.accepted(k.reconfigure(vm, drive("add", "create", -1, 1000, 15, 1024)))
	k.refused(k.reconfigure(vm, drive("edit", "", 2000, 1000, 0, 1024)), "InvalidDeviceSpec", "cannot shrink")
	sas := "<busNumber>%d</busNumber><sharedBus>noSharing</sharedBus>"
	k.refused(k.reconfigure(vm, add("ParaVirtualSCSIController", -1, fmt.Sprintf(sas, 0))), "InvalidDeviceSpec", "two controllers of the bus scsi0")
	k.refused(k.reconfigure(vm, add("ParaVirtualSCSIController", -1, fmt.Sprintf(sas, 4))), "InvalidDeviceSpec", "not in 0..3")
	k.accepted(k.reconfigure(vm, add("ParaVirtualSCSIController", -1, fmt.Sprintf(sas, 1)), drive("add", "create", -2, -1, 63, 1024)))
	if list := k.get(vm, "config.hardware.device"); !strings.Contains(list, "<key>1001</key>") || !strings.Contains(list, "<key>2079</key>") || !strings.Contains(list, "<label>Hard disk 3</label>") {
		t.Errorf("after: %s", list)
	}
	k.refused(k.reconfigure(vm, change("remove", "VirtualLsiLogicSASController", 1000, fmt.Sprintf(sas, 0))), "InvalidDeviceSpec", "is in use by")
	k.refused(k.reconfigure(vm, change("remove", "VirtualIDEController", 200, "<busNumber>0</busNumber>")), "InvalidDeviceSpec", "of the board")
	k.accepted(k.reconfigure(vm, drive("remove", "destroy", 2079, 1001, 63, 1024), change("remove", "ParaVirtualSCSIController", 1001, fmt.Sprintf(sas, 1))))
	// unused keys: the simulator's special keys are ordinary keys here
	k.accepted(k.reconfigure(vm, extra("SET.guest.toolsRunningStatus", "guestToolsRunning"), extra("RUN.container", "none")))
	if s := k.get(vm, "guest.toolsRunningStatus"); s != "guestToolsNotRunning" {
		t.Errorf("a special key of the simulator has an effect: %s", s)
	}
}

func TestTPM(t *testing.T) {
	k := start(t)
	k.rule("vm.tpm")
	vm, bios, old := k.vm("a"), k.vm("bios", val("firmware", "bios")), k.vm("old", val("version", "vmx-13"))
	tpm := add("VirtualTPM", -1, "")
	k.refused(k.reconfigure(vm, tpm), "InvalidVmConfig", "configSpec.crypto")
	crypto := "CryptoManagerKmip:CryptoManager"
	k.c.Must("RegisterKmsCluster", crypto, "<clusterId><id>keys</id></clusterId><managementType>nativeProvider</managementType>")
	k.refused(k.reconfigure(vm, tpm), "InvalidVmConfig", "configSpec.crypto")
	k.c.Must("MarkDefault", crypto, "<clusterId><id>keys</id></clusterId>")
	k.refused(k.reconfigure(bios, tpm), "InvalidDeviceSpec", "EFI")
	k.refused(k.reconfigure(old, tpm), "DeviceUnsupportedForVmVersion", "vmx-14")
	k.refused(k.reconfigure(vm, tpm, add("VirtualTPM", -2, "")), "InvalidDeviceSpec", "already")
	k.accepted(k.reconfigure(vm, tpm))
	if d := k.get(vm, "config.hardware.device"); !strings.Contains(d, `xsi:type="VirtualTPM"><key>11000</key>`) || !strings.Contains(k.file("a/a.vmx"), `vtpm.present = "TRUE"`) {
		t.Errorf("devices: %s", d)
	}
	k.accepted(k.on(vm))
	k.refused(k.reconfigure(vm, change("remove", "VirtualTPM", 11000, "")), "DeviceHotPlugNotSupported")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, change("remove", "VirtualTPM", 11000, "")))
}

func TestEditsMerge(t *testing.T) {
	k := start(t)
	k.rule("vm.device-edit")
	vm := k.vm("a", append(disk("VirtualLsiLogicSASController"), network("VM Network"))...)
	mac := k.get(vm, `config.hardware.device[4000].macAddress`)
	k.accepted(k.reconfigure(vm, change("edit", "VirtualVmxnet3", 4000, "<connectable><startConnected>false</startConnected><allowGuestControl>true</allowGuestControl><connected>false</connected></connectable>")))
	card := k.get(vm, "config.hardware.device[4000]")
	if !strings.Contains(card, "<deviceName>VM Network</deviceName>") || !strings.Contains(card, "<startConnected>false<") || !strings.Contains(card, mac) || mac == "" {
		t.Errorf("the network card: %s", card)
	}
	k.accepted(k.reconfigure(vm, change("edit", "VirtualDisk", 2000, "<capacityInKB>83886080</capacityInKB>")))
	if d := k.get(vm, "config.hardware.device[2000]"); !strings.Contains(d, "[ds-1] a/a.vmdk") || !strings.Contains(d, "<capacityInKB>83886080<") || !strings.Contains(d, "<unitNumber>0<") {
		t.Errorf("the disk: %s", d)
	}
	k.accepted(k.reconfigure(vm, change("edit", "VirtualMachineVideoCard", 500, "<useAutoDetect>true</useAutoDetect>")))
	if d := k.get(vm, "config.hardware.device[500]"); !strings.Contains(d, "<useAutoDetect>true<") || !strings.Contains(d, "<use3dRenderer>automatic<") || !strings.Contains(d, "<numDisplays>1<") {
		t.Errorf("the video card: %s", d)
	}
	// a refusal in the middle of a spec changes nothing
	before := k.get(vm, "config.hardware.device")
	bad := drive("add", "", -5, 1000, 4, 1024)
	bad.xml = strings.Replace(bad.xml, "[ds-1]", "[ds-1] a/none.vmdk", 1)
	k.refused(k.reconfigure(vm, change("edit", "VirtualDisk", 2000, "<capacityInKB>167772160</capacityInKB>"), bad), "FileNotFound")
	clash := drive("edit", "", 2000, 1000, 0, 167772160)
	clash.xml = strings.Replace(clash.xml, "[ds-1]", "[ds-1] a/none.vmdk", 1)
	k.refused(k.reconfigure(vm, network("VM Network"), clash), "FileNotFound")
	if after := k.get(vm, "config.hardware.device"); after != before {
		t.Errorf("after refusals:\n%s\nbefore:\n%s", after, before)
	}
}

func TestShares(t *testing.T) {
	k := start(t)
	k.rule("vm.shares")
	vm := k.vm("a")
	shares := func(level string, n int) part {
		return field("memoryAllocation", fmt.Sprintf("<memoryAllocation><shares><shares>%d</shares><level>%s</level></shares></memoryAllocation>", n, level))
	}
	read := func(want string) {
		t.Helper()
		if got := k.get(vm, "config.memoryAllocation.shares"); got != want {
			t.Errorf("shares %s, wanted %s", got, want)
		}
	}
	read("<shares>81920</shares><level>normal</level>")
	k.accepted(k.reconfigure(vm, shares("high", 7)))
	read("<shares>163840</shares><level>high</level>")
	k.accepted(k.reconfigure(vm, val("memoryMB", "4096")))
	read("<shares>81920</shares><level>high</level>")
	k.accepted(k.reconfigure(vm, shares("low", 0)))
	read("<shares>20480</shares><level>low</level>")
	k.refused(k.reconfigure(vm, shares("custom", 0)), "InvalidArgument", "shares")
	k.accepted(k.reconfigure(vm, shares("custom", 1234)))
	read("<shares>1234</shares><level>custom</level>")
	if got := k.get(vm, "config.cpuAllocation.shares"); got != "<shares>4000</shares><level>normal</level>" {
		t.Errorf("processors: %s", got)
	}
}
