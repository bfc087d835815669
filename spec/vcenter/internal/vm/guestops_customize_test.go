package vm_test

import (
	"regexp"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

const dhcp = `<nicSettingMap><adapter><ip xsi:type="CustomizationDhcpIpGenerator"/></adapter></nicSettingMap>`

func linuxPrep(name, more string) string {
	return `<identity xsi:type="CustomizationLinuxPrep"><hostName xsi:type="CustomizationFixedName"><name>` + name + `</name></hostName><domain>lab.example</domain>` + more +
		`</identity><globalIPSettings/>`
}

func sysprep(name, password string) string {
	return `<identity xsi:type="CustomizationSysprep"><guiUnattended><password><value>` + password + `</value><plainText>true</plainText></password><timeZone>85</timeZone>` +
		`<autoLogon>false</autoLogon><autoLogonCount>0</autoLogonCount></guiUnattended><userData><fullName>Ops</fullName><orgName>Lab</orgName>` +
		`<computerName xsi:type="CustomizationFixedName"><name>` + name + `</name></computerName><productId></productId></userData>` +
		`<guiRunOnce><commandList>cmd.exe /c echo once&gt;C:\once.txt</commandList></guiRunOnce><identification/></identity><globalIPSettings/>`
}

// A clone of a template gets an identity of its own from a specification, and only so.
func TestCustomization(t *testing.T) {
	t.Parallel()
	k, lin, win := guests(t, func(lin, win *fleet.VM) {
		lin.Devices, win.Devices, lin.Template, win.Template = nil, nil, true, true
		lin.Power, win.Power, lin.MemoryLock, win.MemoryLock = "poweredOff", "poweredOff", false, false
	})
	k.rule("guest.customize-fits", "guest.customize", "guest.computer-name")
	clone := func(source, name, custom string) vctest.Result {
		if custom != "" {
			custom = "<customization>" + custom + "</customization>"
		}
		return k.c.Task("CloneVM_Task", source, vctest.Ref("folder", k.c.Find("/DC0/vm"))+"<name>"+name+"</name><spec><location>"+vctest.Ref("pool", k.pool)+
			"</location><template>false</template>"+custom+"<powerOn>true</powerOn></spec>")
	}
	k.refused(clone(lin, "a", sysprep("A", "x")+dhcp), "UncustomizableGuest")
	k.refused(clone(win, "a", linuxPrep("a", "")+dhcp), "UncustomizableGuest")
	k.refused(clone(lin, "a", linuxPrep("a", "")+dhcp+dhcp+dhcp), "NicSettingMismatch")
	k.refused(clone(lin, "a", linuxPrep("a_b", "")+dhcp), "InvalidArgument", "spec.identity.hostName")
	k.refused(clone(win, "a", sysprep("A_B", "x")+dhcp), "InvalidArgument", "computerName")
	k.accepted(clone(win, "long", sysprep("SIXTEEN-LETTERS-AND-MORE", "New-pass-1")+dhcp))
	k.until(k.c.Find("/DC0/vm/long"), "guest.hostName", "SIXTEEN-LETTERS")
	// without a specification a clone is a copy
	k.accepted(clone(lin, "plain", ""))
	k.accepted(clone(lin, "own", linuxPrep("own-name", "<timeZone>Europe/Berlin</timeZone>")+
		`<nicSettingMap><adapter><ip xsi:type="CustomizationFixedIp"><ipAddress>192.0.2.7</ipAddress></ip><subnetMask>255.255.255.0</subnetMask></adapter></nicSettingMap>`))
	plain, own := k.c.Find("/DC0/vm/plain"), k.c.Find("/DC0/vm/own")
	k.until(plain, "guest.guestOperationsReady", "true")
	k.until(own, "guest.guestOperationsReady", "true") // before it has its name
	k.until(own, "guest.hostName", "own-name")
	k.until(own, "guest.ipAddress", "192.0.2.7")
	if s := k.c.Get(own, "guest.customizationInfo")["guest.customizationInfo"]; !strings.Contains(s, "SUCCEEDED") {
		t.Errorf("customizationInfo: %s", s)
	}
	if s := k.c.Get(plain, "guest.customizationInfo")["guest.customizationInfo"]; !strings.Contains(s, "IDLE") {
		t.Errorf("customizationInfo of a plain clone: %s", s)
	}
	if out := k.bash(plain, "hostname; cat /etc/machine-id"); !strings.HasPrefix(out, "lin\n") {
		t.Errorf("a plain clone: %s", out)
	}
	if out := k.bash(own, "hostname; grep lab /etc/hosts"); out != "own-name\n127.0.1.1 own-name.lab.example own-name\n" {
		t.Errorf("the customized clone: %s", out)
	}
	// the machine id is the template's until it is emptied
	k.bash(plain, "sudo truncate -s 0 /etc/machine-id")
	k.accepted(k.c.Task("PowerOffVM_Task", plain, ""))
	k.accepted(k.c.Task("CustomizeVM_Task", plain, "<spec>"+linuxPrep("later", "")+dhcp+"</spec>"))
	k.refused(k.c.Task("CustomizeVM_Task", plain, "<spec>"+linuxPrep("later", "")+dhcp+"</spec>"), "CustomizationPending")
	k.refused(k.c.Task("CustomizeVM_Task", own, "<spec>"+linuxPrep("later", "")+dhcp+"</spec>"), "InvalidPowerState")
	k.accepted(k.on(plain))
	k.until(plain, "guest.hostName", "later")
	k.until(plain, "guest.guestOperationsReady", "true")
	if out := k.bash(plain, "cat /etc/machine-id"); !regexp.MustCompile(`^[0-9a-f]{32}\n$`).MatchString(out) {
		t.Errorf("machine id: %q", out)
	}
	// Windows
	k.accepted(clone(win, "desk", sysprep("DESK-1", "New-pass-1")+dhcp))
	k.accepted(clone(win, "copy", ""))
	desk, copied := k.c.Find("/DC0/vm/desk"), k.c.Find("/DC0/vm/copy")
	k.until(desk, "guest.hostName", "DESK-1")
	k.until(copied, "guest.guestOperationsReady", "true")
	k.until(desk, "guest.guestOperationsReady", "true")
	auth := as(windowsAuth, "Administrator", "New-pass-1")
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(desk)+windowsAuth), "InvalidGuestLogin")
	k.program(desk, auth, `C:\Windows\System32\cmd.exe`, `/c "(hostname & type C:\once.txt) > C:\out.txt"`)
	if out := k.fetch(desk, auth, `C:\out.txt`); strings.ReplaceAll(out, "\r", "") != "DESK-1\nonce\n" {
		t.Errorf("Windows: %q", out)
	}
	if out := k.powershell(copied, "whoami /user"); !strings.Contains(out, "S-1-5-21-") {
		t.Errorf("SID: %q", out)
	}
}

// Without Tools a specification stays pending.
func TestCustomizationWithoutTools(t *testing.T) {
	k, lin, _ := guests(t, func(lin, win *fleet.VM) {
		win.Power, lin.Power = "poweredOff", "poweredOff"
		lin.More = map[string]any{"tools": "none"}
	})
	k.accepted(k.c.Task("CustomizeVM_Task", lin, "<spec>"+linuxPrep("never", "")+dhcp+"</spec>"))
	k.accepted(k.on(lin))
	k.until(lin, "guest.guestState", "unknown")
	if s := k.c.Get(lin, "guest.customizationInfo")["guest.customizationInfo"]; !strings.Contains(s, "PENDING") {
		t.Errorf("customizationInfo: %s", s)
	}
}
