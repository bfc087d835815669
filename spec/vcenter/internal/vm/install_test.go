package vm_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/iso"
)

// answer uploads a medium through /folder and gives its datastore path.
func (k *kit) answer(name, label string, files map[string]string) string {
	k.t.Helper()
	content := map[string][]byte{}
	for n, s := range files {
		content[n] = []byte(s)
	}
	img, err := iso.Write(label, content, time.Unix(1700000000, 0))
	if err != nil {
		k.t.Fatal(err)
	}
	return k.upload(name, img)
}

// mastered creates a medium with xorriso, with xorriso's rules for names.
func (k *kit) mastered(name, label, args string, files map[string]string) string {
	k.t.Helper()
	dir := k.t.TempDir()
	for n, s := range files {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(s), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
	out := filepath.Join(k.t.TempDir(), "out.iso")
	list := append([]string{"-as", "mkisofs", "-quiet", "-V", label, "-o", out}, strings.Fields(args)...)
	if text, err := exec.Command("xorriso", append(list, dir)...).CombinedOutput(); err != nil {
		k.t.Fatalf("xorriso: %v %s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.upload(name, b)
}

func (k *kit) upload(name string, img []byte) string {
	k.t.Helper()
	if code := k.http("PUT", "/folder/iso/"+name+".iso?dcPath=DC0&dsName=ds-1", string(img), k.c.Cookie); code != http.StatusCreated {
		k.t.Fatalf("upload of %s: %d", name, code)
	}
	return "[ds-1] iso/" + name + ".iso"
}

// boot creates a VM with these media and powers it on.
func (k *kit) boot(name, controller string, media []string, more ...part) string {
	k.t.Helper()
	parts := append(disk(controller), network("VM Network"))
	for i, m := range media {
		parts = append(parts, cd(-120-i, i, m))
	}
	vm := k.vm(name, append(parts, more...)...)
	k.accepted(k.on(vm))
	return vm
}

// wantStuck checks that the guest is stuck with this reason, without guest operations.
func (k *kit) wantStuck(vm, because string) {
	k.t.Helper()
	if why := k.stuck(vm); !strings.Contains(why, because) {
		k.t.Errorf("%s: wanted %q, got %q", vm, because, why)
	}
	if r := k.get(vm, "guest.guestOperationsReady"); r != "false" {
		k.t.Errorf("%s: guest operations are ready", vm)
	}
}

const windows, ubuntu = "[ds-1] iso/windows-2022.iso", "[ds-1] iso/ubuntu-24.04.iso"

func swap(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

func TestNothingBoots(t *testing.T) {
	t.Parallel()
	k := start(t)
	k.rule("install.nothing-boots", "install.firmware-fits")
	k.wantStuck(k.boot("a", "VirtualLsiLogicSASController", nil), "No operating system was found")
	k.wantStuck(k.boot("b", "VirtualLsiLogicSASController", []string{"[ds-1] iso/ubuntu-answer.iso"}), "no connected CD-ROM boots")
	vm := k.boot("c", "VirtualLsiLogicSASController", []string{ubuntu, "[ds-1] iso/ubuntu-answer.iso"})
	k.until(vm, "guest.guestOperationsReady", "true")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, val("firmware", "bios")))
	k.accepted(k.on(vm))
	k.wantStuck(vm, "the disk was installed for efi and the firmware is bios")
	k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	k.accepted(k.reconfigure(vm, val("firmware", "efi")))
	k.accepted(k.on(vm))
	k.until(vm, "guest.guestOperationsReady", "true")
}

func TestWindowsAnswers(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/windows-prompt.iso"] = fleet.File{OS: "windows-prompt"}
	}, nil...)
	k.rule("install.windows-answer", "install.windows-language", "install.windows-disk", "install.windows-target", "install.windows-image",
		"install.windows-eula", "install.windows-account", "install.windows-tools", "install.windows-key", "install.windows-pvscsi")
	good := guest.WindowsAnswer("pw-1")
	const tools = "[ds-1] iso/vmware-tools-12.iso"
	n := 0
	var check func(vm string)
	try := func(because, controller string, change func(string) string, media ...string) {
		t.Helper()
		n++
		name := fmt.Sprintf("w%d", n)
		if len(media) == 0 {
			media = []string{windows, k.answer(name, "ANYTHING", map[string]string{"autounattend.xml": change(good)}), tools}
		}
		vm := k.boot(name, controller, media)
		if because == "" {
			k.until(vm, "guest.guestOperationsReady", "true")
		} else {
			k.wantStuck(vm, because)
		}
		if check != nil {
			check(vm)
		}
		k.accepted(k.c.Task("PowerOffVM_Task", vm, ""))
	}
	const sas = "VirtualLsiLogicSASController"
	same := swap()
	try("", sas, same)
	try("", "VirtualNVMEController", same)
	try("waits for a key", sas, nil, "[ds-1] iso/windows-prompt.iso", "[ds-1] iso/windows-answer.iso")
	try("has an autounattend.xml in its root", sas, nil, windows, k.answer("deep", "X", map[string]string{"sub/autounattend.xml": good}))
	if _, err := exec.LookPath("xorriso"); err == nil {
		files := map[string]string{"autounattend.xml": good}
		try("Windows reads Joliet", sas, nil, windows, k.mastered("rock", "X", "-R", files), tools)
		try("", sas, nil, windows, k.mastered("joliet", "X", "-J", files), tools)
		try("", sas, nil, windows, k.mastered("long", "X", "-R -iso-level 3", files), tools)
	}
	try("could not parse", sas, swap("</unattend>", ""))
	try("the root is not", sas, swap("urn:schemas-microsoft-com:unattend", "urn:other"))
	try("asks for the language", sas, swap("<UILanguage>en-US</UILanguage>", ""))
	try("asks for the language", sas, swap("amd64", "x86"))
	try("needs a partition of type EFI", sas, swap("<Type>EFI</Type>", "<Type>Primary</Type>"))
	try("needs a partition of type MSR", sas, swap("<Type>MSR</Type>", "<Type>Primary</Type>"))
	try("needs 100 MB", sas, swap("<Size>260</Size>", "<Size>50</Size>"))
	try("WillWipeDisk", sas, swap("<WillWipeDisk>true</WillWipeDisk>", ""))
	try("the primary partition is 3", sas, swap("<DiskID>0</DiskID><PartitionID>3</PartitionID>", "<DiskID>0</DiskID><PartitionID>2</PartitionID>"))
	try("finds no image", sas, swap("<Value>2</Value>", "<Value>9</Value>"))
	try("asks for the edition", sas, swap("<InstallFrom><MetaData wcm:action=\"add\"><Key>/IMAGE/INDEX</Key><Value>2</Value></MetaData></InstallFrom>", ""))
	try("accept the licence", sas, swap("<AcceptEula>true</AcceptEula>", ""))
	try("administrator's password", sas, swap("<AdministratorPassword><Value>pw-1</Value><PlainText>true</PlainText></AdministratorPassword>", ""))
	try("automatic logon", sas, swap("<Username>Administrator</Username>\n        <Password><Value>pw-1</Value>", "<Username>Administrator</Username>\n        <Password><Value>pw-2</Value>"))
	try("AutoLogon is not enabled", sas, swap("<Enabled>true</Enabled>", "<Enabled>false</Enabled>"))
	try("runs no command", sas, swap("<CommandLine>", "<Comment>", "</CommandLine>", "</Comment>", "FirstLogonCommands", "Nothing"))
	try("Tools are not installed", sas, nil, windows, k.answer("bare", "X", map[string]string{"autounattend.xml": good})) // no Tools medium
	try("", sas, swap("eq 'VMware Tools'", "eq 'vmware tools'"))                                                          // PowerShell ignores the case
	try("no driver for the paravirtual SCSI controller", "ParaVirtualSCSIController", same)
	try("", "ParaVirtualSCSIController", swap(`<component name="Microsoft-Windows-Setup"`,
		`<component name="Microsoft-Windows-PnpCustomizationsWinPE" processorArchitecture="amd64"><DriverPaths><PathAndCredentials><Path>E:\Drivers</Path></PathAndCredentials></DriverPaths></component><component name="Microsoft-Windows-Setup"`))
	// the second command does not wait for the first
	k.rule("install.windows-first-logon")
	second := func(line string) func(string) string {
		return swap("</FirstLogonCommands>", `<SynchronousCommand wcm:action="add"><Order>2</Order><CommandLine>`+line+`</CommandLine></SynchronousCommand></FirstLogonCommands>`)
	}
	check = func(vm string) {
		if code := k.program(vm, strings.Replace(windowsAuth, "Train-1-pass", "pw-1", 1), `C:\Windows\System32\cmd.exe`, `/c if exist C:\Before exit 7`); code != "7" {
			t.Errorf("the second command of the first logon waited for the first: %s", code)
		}
	}
	try("", sas, second(`cmd.exe /c if not exist &quot;C:\Program Files\VMware\VMware Tools\vmtoolsd.exe&quot; mkdir C:\Before`))
	check = nil
	// cmd.exe finds Tools as well, letter by letter
	try("", sas, func(s string) string {
		from, to := strings.Index(s, "<CommandLine>"), strings.Index(s, "</CommandLine>")
		return s[:from] + `<CommandLine>cmd.exe /c "for %d in (D E F G) do if exist %d:\setup64.exe start /wait %d:\setup64.exe /S /v"/qn REBOOT=R""` + s[to:]
	})
}

func TestUbuntuAnswers(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/ubuntu-stock.iso"] = fleet.File{OS: "ubuntu-stock"}
	}, nil...)
	k.rule("install.ubuntu-seed", "install.ubuntu-config", "install.ubuntu-word", "install.ubuntu-identity", "install.ubuntu-storage",
		"install.ubuntu-interactive", "install.ubuntu-commands", "install.ubuntu-tools")
	good := guest.UbuntuAnswer("ops", "Train-1-pass")
	n := 0
	try := func(because string, change func(string) string, media ...string) string {
		t.Helper()
		n++
		name := fmt.Sprintf("u%d", n)
		if len(media) == 0 {
			media = []string{ubuntu, k.answer(name, "cidata", map[string]string{"user-data": change(good), "meta-data": ""})}
		}
		vm := k.boot(name, "ParaVirtualSCSIController", media)
		if because == "" {
			k.until(vm, "guest.guestOperationsReady", "true")
		} else {
			k.wantStuck(vm, because)
		}
		return vm
	}
	more := func(lines string) func(string) string { return func(s string) string { return s + lines } }
	try("", swap())
	try("no connected medium is labelled CIDATA", nil, ubuntu, k.answer("label", "SEED", map[string]string{"user-data": good, "meta-data": ""}))
	try("no connected medium is labelled CIDATA", nil, ubuntu, k.answer("mixed", "CiData", map[string]string{"user-data": good, "meta-data": ""}))
	try("user-data is not on the medium", nil, ubuntu, k.answer("capitals", "CIDATA", map[string]string{"USER-DATA": good, "META-DATA": ""}))
	try("meta-data is not on the medium", nil, ubuntu, k.answer("meta", "CIDATA", map[string]string{"user-data": good}))
	try("first line is not #cloud-config", swap("#cloud-config", "# cloud-config"))
	try("cannot parse user-data", swap("  identity:", "\tidentity:"))
	try("no mapping autoinstall", swap("autoinstall:", "install:"))
	try("version must be 1", swap("version: 1", "version: '1'"))
	try("unknown key \"package\"", swap("packages:", "package:"))
	try("identity lacks hostname", swap("hostname: train", "host: train"))
	try("neither identity nor user-data/users", swap("  identity:", "  ssh:"))
	try("storage layout \"raid9\"", swap("name: lvm", "name: raid9"))
	try("a partition with the flag boot mounted at /boot/efi", swap("    layout:\n      name: lvm\n", "    config:\n      - {type: mount, path: /}\n"))
	try("", swap("    layout:\n      name: lvm\n", "    config:\n      - {type: partition, id: esp, flag: boot}\n      - {type: mount, path: /boot/efi, device: esp}\n      - {type: mount, path: /}\n"))
	try("interactive-sections", more("  interactive-sections:\n    - network\n"))
	try("failed at package no-such-package", more("    - no-such-package\n"))
	try("late command \"curtin in-target -- false\" ended with 1", more("  late-commands:\n    - curtin in-target -- false\n"))
	try("Tools are not installed", swap("    - open-vm-tools\n", "    - jq\n"))
	try("", swap("  packages:\n    - open-vm-tools\n", "  late-commands:\n    - curtin in-target --target=/target -- apt-get install -y open-vm-tools\n    - echo done > /target/root/mark\n"))
	// plain text instead of a hash: installed, but no login is possible
	vm := try("", func(s string) string {
		i := strings.Index(s, "password: ")
		j := strings.Index(s[i:], "\n")
		return s[:i] + "password: Train-1-pass" + s[i+j:]
	})
	a := k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+linuxAuth)
	k.c.Refused(a, "InvalidGuestLogin")
	vm = try("", more("  user-data:\n    users:\n      - name: root2\n        lock_passwd: false\n        plain_text_passwd: Train-1-pass\n        sudo: ALL=(ALL) NOPASSWD:ALL\n"))
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+strings.Replace(linuxAuth, ">ops<", ">root2<", 1))
}

// An installer that runs Tools itself looks like an installed system, but for its name and accounts.
func TestToolsOfTheInstaller(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/ubuntu-live.iso"] = fleet.File{OS: "ubuntu-live"}
	}, nil...)
	k.rule("install.ubuntu-live-tools", "vm.storage-info")
	size := func(vm string) string {
		k.c.Must("RefreshStorageInfo", vm, "")
		list := k.get(vm, "layoutEx.file")
		for _, f := range strings.Split(list, "<key>") {
			if strings.Contains(f, "<type>diskExtent</type>") {
				bytes := regexp.MustCompile(`<size>(\d+)</size>`).FindStringSubmatch(f)[1]
				number := func(text string) int64 {
					n, _ := strconv.ParseInt(text, 10, 64)
					return n
				}
				disk, used, all := number(bytes), number(k.get(vm, "summary.storage.unshared")), number(k.get(vm, "summary.storage.committed"))
				if used < disk || used > disk+4096 || all < used { // the descriptor of the disk is unshared too
					t.Errorf("the disk has %d bytes, the summary says unshared %d of committed %d", disk, used, all)
				}
				return bytes
			}
		}
		t.Log(list)
		return "none"
	}
	vm := k.boot("live", "ParaVirtualSCSIController", []string{"[ds-1] iso/ubuntu-live.iso",
		k.answer("live", "CIDATA", map[string]string{"user-data": guest.UbuntuAnswer("ops", "Train-1-pass"), "meta-data": ""})})
	if s := size(vm); s != "0" {
		t.Errorf("before the installation the disk has %s bytes", s)
	}
	k.until(vm, "guest.hostName", "ubuntu-server")
	if k.get(vm, "guest.toolsRunningStatus") != "guestToolsRunning" || k.get(vm, "guest.guestOperationsReady") != "true" || k.get(vm, "guest.ipAddress") == "" {
		t.Error("the installer's Tools do not run")
	}
	k.c.Refused(k.c.Call("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+linuxAuth), "InvalidGuestLogin")
	k.until(vm, "guest.hostName", "train")
	k.until(vm, "guest.guestOperationsReady", "true")
	k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+linuxAuth)
	if s := size(vm); s != "8589934592" {
		t.Errorf("after the installation the disk has %s bytes", s)
	}
}

func TestKickstart(t *testing.T) {
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/rocky.iso"] = fleet.File{OS: "rocky"}
	}, nil...)
	k.rule("install.kickstart")
	good := "lang en_US.UTF-8\nkeyboard us\ntimezone Etc/UTC\nnetwork --hostname=train\nuser --name=ops --groups=wheel --iscrypted --password=" +
		guest.Crypt("Train-1-pass", "$6$x") + "\nautopart\nreboot\n%packages\n@core\nopen-vm-tools\n%end\n%post\nset -e\necho done > /root/mark\n%end\n"
	n := 0
	try := func(because, label, name string, change ...string) {
		t.Helper()
		n++
		vm := k.boot(fmt.Sprintf("k%d", n), "ParaVirtualSCSIController", []string{"[ds-1] iso/rocky.iso",
			k.answer(fmt.Sprintf("k%d", n), label, map[string]string{name: swap(change...)(good)})})
		if because == "" {
			k.until(vm, "guest.guestOperationsReady", "true")
			k.c.Must("ValidateCredentialsInGuest", guestAuth, vmRef(vm)+linuxAuth)
		} else {
			k.wantStuck(vm, because)
		}
	}
	try("", "OEMDRV", "ks.cfg")
	try("no volume labelled OEMDRV has a ks.cfg", "KS", "ks.cfg")
	try("no volume labelled OEMDRV has a ks.cfg", "OEMDRV", "KS.CFG")
	try("unknown command autoprat on line 6", "OEMDRV", "ks.cfg", "autopart", "autoprat")
	try("does not end with %end", "OEMDRV", "ks.cfg", "mark\n%end\n", "mark\n")
	try("keyboard is missing", "OEMDRV", "ks.cfg", "keyboard us\n", "")
	try("no user and no root password", "OEMDRV", "ks.cfg", "user --name=ops", "#")
	try("no partition for /", "OEMDRV", "ks.cfg", "autopart\n", "")
	try("mounted at /boot/efi", "OEMDRV", "ks.cfg", "autopart\n", "part / --size=1\n")
	try("", "OEMDRV", "ks.cfg", "autopart\n", "reqpart\npart / --size=1\n")
	try("waits for a key", "OEMDRV", "ks.cfg", "reboot\n", "")
	try("failed at package no-such", "OEMDRV", "ks.cfg", "open-vm-tools", "no-such")
	try("%post ended with 1", "OEMDRV", "ks.cfg", "echo done", "false; echo")
	try("Tools are not installed", "OEMDRV", "ks.cfg", "open-vm-tools", "gcc")
}
