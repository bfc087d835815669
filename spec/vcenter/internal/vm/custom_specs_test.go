package vm_test

import (
	"html"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestCustomizationSpecifications(t *testing.T) {
	k := start(t)
	k.rule("vm.customization-specs", "vm.customization-passwords")
	const m = "CustomizationSpecManager:CustomizationSpecManager"
	item := func(name, kind, version, host string) string {
		if version != "" {
			version = "<changeVersion>" + version + "</changeVersion>"
		}
		return `<item><info><name>` + name + `</name><description>d</description><type>` + kind + `</type>` + version + `</info><spec><identity xsi:type="CustomizationLinuxPrep">` +
			`<hostName xsi:type="CustomizationFixedName"><name>` + host + `</name></hostName><domain>lab.example</domain></identity><globalIPSettings/></spec></item>`
	}
	windows := `<item><info><name>win</name><description>d</description><type>Windows</type></info><spec><options xsi:type="CustomizationWinOptions"><changeSID>true</changeSID>` +
		`<deleteAccounts>false</deleteAccounts></options><identity xsi:type="CustomizationSysprep"><guiUnattended><password><value>Train-1-pass</value><plainText>true</plainText></password>` +
		`<timeZone>4</timeZone><autoLogon>false</autoLogon><autoLogonCount>0</autoLogonCount></guiUnattended><userData><fullName>a</fullName><orgName>b</orgName>` +
		`<computerName xsi:type="CustomizationVirtualMachineName"/><productId></productId></userData><identification><joinWorkgroup>W</joinWorkgroup></identification></identity>` +
		`<globalIPSettings/></spec></item>`
	name := func(n string) string { return "<name>" + n + "</name>" }
	if got := k.get(m, "info"); got != "" {
		t.Errorf("a new server has %s", got)
	}
	k.c.Must("CreateCustomizationSpec", m, item("one", "Linux", "", "h"))
	k.c.Refused(k.c.Call("CreateCustomizationSpec", m, item("one", "Linux", "", "h")), "AlreadyExists")
	k.c.Refused(k.c.Call("CreateCustomizationSpec", m, item("two", "Windows", "", "h")), "InvalidArgument", "item.info.type")
	k.c.Must("CreateCustomizationSpec", m, windows)
	if got := k.get(m, "info"); strings.Count(got, "<CustomizationSpecInfo ") != 2 || !strings.Contains(got, "<name>one</name>") {
		t.Errorf("info: %s", got)
	}
	got := k.c.Must("GetCustomizationSpec", m, name("one"))
	version := got.Text("changeVersion")
	if version == "" || !strings.Contains(got.Body, "<domain>lab.example</domain>") {
		t.Errorf("one: %s", got.Body)
	}
	k.c.Must("OverwriteCustomizationSpec", m, item("one", "Linux", version, "h2"))
	k.c.Refused(k.c.Call("OverwriteCustomizationSpec", m, item("one", "Linux", version, "h3")), "ConcurrentAccess")
	k.c.Refused(k.c.Call("OverwriteCustomizationSpec", m, item("none", "Linux", "", "h3")), "NotFound")
	if got := k.c.Must("GetCustomizationSpec", m, name("one")); !strings.Contains(got.Body, "<name>h2</name>") {
		t.Errorf("after the overwrite: %s", got.Body)
	}
	k.c.Must("DuplicateCustomizationSpec", m, name("one")+"<newName>copy</newName>")
	k.c.Refused(k.c.Call("DuplicateCustomizationSpec", m, name("one")+"<newName>copy</newName>"), "AlreadyExists")
	k.c.Must("RenameCustomizationSpec", m, name("copy")+"<newName>other</newName>")
	k.c.Refused(k.c.Call("RenameCustomizationSpec", m, name("copy")+"<newName>third</newName>"), "NotFound")
	for n, want := range map[string]string{"one": "true", "copy": "false", "other": "true"} {
		if got := k.c.Must("DoesCustomizationSpecExist", m, name(n)).Text("returnval"); got != want {
			t.Errorf("%s exists: %s", n, got)
		}
	}
	k.c.Must("DeleteCustomizationSpec", m, name("other"))
	k.c.Refused(k.c.Call("DeleteCustomizationSpec", m, name("other")), "NotFound")
	k.c.Refused(k.c.Call("GetCustomizationSpec", m, name("other")), "NotFound")
	if got := k.c.Must("GetCustomizationSpec", m, name("win")); strings.Contains(got.Body, "Train-1-pass") || got.Text("plainText") != "false" {
		t.Errorf("a stored password: %s", got.Body)
	}
	text := k.c.Must("CustomizationSpecItemToXml", m, item("x", "Linux", "", "h")).Text("returnval")
	if back := k.c.Must("XmlToCustomizationSpecItem", m, "<specItemXml>"+html.EscapeString(text)+"</specItemXml>"); !strings.Contains(back.Body, `<hostName xsi:type="CustomizationFixedName"><name>h</name>`) {
		t.Errorf("XML round trip: %s -> %s", text, back.Body)
	}
	k.c.Refused(k.c.Call("XmlToCustomizationSpecItem", m, "<specItemXml>no XML</specItemXml>"), "CustomizationFault")
	k.c.Must("CheckCustomizationResources", m, "<guestOs>windows2019srv_64Guest</guestOs>")
}

// What is read from the manager can be used for a clone, including the password.
func TestACloneWithAStoredSpecification(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "gold", Installed: "windows", Firmware: "efi", Password: "Old-pass-1"}}
	})
	const m = "CustomizationSpecManager:CustomizationSpecManager"
	body := `<spec><options xsi:type="CustomizationWinOptions"><changeSID>true</changeSID>` +
		`<deleteAccounts>false</deleteAccounts></options><identity xsi:type="CustomizationSysprep"><guiUnattended><password><value>Train-1-pass</value><plainText>true</plainText></password>` +
		`<timeZone>4</timeZone><autoLogon>false</autoLogon><autoLogonCount>0</autoLogonCount></guiUnattended><userData><fullName>a</fullName><orgName>b</orgName>` +
		`<computerName xsi:type="CustomizationFixedName"><name>cad-01</name></computerName><productId></productId></userData><identification><joinWorkgroup>W</joinWorkgroup></identification></identity>` +
		`<globalIPSettings/><nicSettingMap><adapter><ip xsi:type="CustomizationDhcpIpGenerator"/></adapter></nicSettingMap></spec>`
	k.c.Must("CreateCustomizationSpec", m, "<item><info><name>win</name><description>d</description><type>Windows</type></info>"+body+"</item>")
	token := k.c.Must("GetCustomizationSpec", m, "<name>win</name>").Text("value")
	stored := strings.Replace(body, "<value>Train-1-pass</value><plainText>true<", "<value>"+token+"</value><plainText>false<", 1)
	clone := func(name, s string) vctest.Result {
		return k.c.Task("CloneVM_Task", k.c.Find("/DC0/vm/gold"), vctest.Ref("folder", k.folder())+"<name>"+name+"</name><spec><location>"+vctest.Ref("pool", k.pool)+"</location><template>false</template>"+
			strings.Replace(strings.Replace(s, "<spec>", "<customization>", 1), "</spec>", "</customization>", 1)+"<powerOn>true</powerOn></spec>")
	}
	k.refused(clone("b", strings.Replace(stored, token, "sealed:of-another-server", 1)), "CannotDecryptPasswords")
	k.accepted(clone("a", stored))
	vm := k.c.Find("/DC0/vm/a")
	k.until(vm, "guest.customizationInfo.customizationStatus", "TOOLSDEPLOYPKG_SUCCEEDED")
	k.until(vm, "guest.guestOperationsReady", "true")
	k.until(vm, "guest.hostName", "cad-01")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+windowsAuth)
}
