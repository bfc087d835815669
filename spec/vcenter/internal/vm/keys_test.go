package vm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/vctest"
)

// press is the spec of keys as a client writes it: usage << 16 | 7.
func press(usages ...int) string {
	var b strings.Builder
	for _, u := range usages {
		fmt.Fprintf(&b, "<keyEvents><usbHidCode>%d</usbHidCode></keyEvents>", u<<16|7)
	}
	return "<spec>" + b.String() + "</spec>"
}

const enter = 0x28

var yes = []int{0x1c, 0x08, 0x16, enter}

func (k *kit) press(vm string, usages ...int) { k.c.Must("PutUsbScanCodes", vm, press(usages...)) }

// slowly is boot with one stage of the guest that lasts long enough for a test.
func (k *kit) slowly(name string, media []string, stage string, seconds int) string {
	k.t.Helper()
	parts := append(disk("VirtualLsiLogicSASController"), network("VM Network"))
	for i, m := range media {
		parts = append(parts, cd(-120-i, i, m))
	}
	vm := k.vm(name, parts...)
	k.Control(k.t, "POST", "/set", map[string]any{"vm": name, "seconds": map[string]any{stage: seconds}})
	k.accepted(k.on(vm))
	return vm
}

// stage waits until the guest shows this.
func (k *kit) stage(vm, text string) {
	k.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		if strings.Contains(fmt.Sprint(k.guest(vm)["stage"]), text) {
			return
		}
	}
	k.t.Fatalf("the guest does not show %q: %+v", text, k.guest(vm))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.VMs = []fleet.VM{{Name: "off", Host: "esx-a-1", DiskGB: 1}, {Name: "on", Host: "esx-a-1", DiskGB: 1, Power: "poweredOn"}}
		f.Users = append(f.Users, fleet.User{Name: "hands@vsphere.local", Password: "pw", Privileges: []string{"System.Anonymous", "System.View", "System.Read", "VirtualMachine.Interact.PutUsbScanCodes"}},
			fleet.User{Name: "eyes@vsphere.local", Password: "pw", Role: "ReadOnly"})
	})
	k.rule("vm.keys", "vm.keys-power", "vm.keys-code")
	off, on := k.c.Find("/DC0/vm/off"), k.c.Find("/DC0/vm/on")
	if n := k.c.Must("PutUsbScanCodes", on, press(yes...)).Text("returnval"); n != "4" {
		t.Errorf("%s keys were sent", n)
	}
	k.c.Refused(k.c.Call("PutUsbScanCodes", off, press(enter)), "InvalidPowerState")
	raw := func(code int) vctest.Answer {
		return k.c.Call("PutUsbScanCodes", on, fmt.Sprintf("<spec><keyEvents><usbHidCode>%d</usbHidCode><modifiers><leftShift>true</leftShift></modifiers></keyEvents></spec>", code))
	}
	if a := raw(0x1c<<16 | 7); a.Text("returnval") != "1" {
		t.Error(a.Body)
	}
	for _, code := range []int{0x28, 0x28 << 16, 0x28<<16 | 12, 3<<16 | 7, 0xe8<<16 | 7, 0} { // not shifted, no page, consumer page, an error code, no key
		k.c.Refused(raw(code), "InvalidArgument")
	}
	k.c.Refused(k.c.Call("PutUsbScanCodes", on, "<spec></spec>"), "InvalidArgument")
	k.c.Refused(k.Login(t, "eyes@vsphere.local", "pw").Call("PutUsbScanCodes", on, press(enter)), "NoPermission")
	k.Login(t, "hands@vsphere.local", "pw").Must("PutUsbScanCodes", on, press(enter))
}

// A stock Windows medium boots only with a key at the right moment.
func TestPressAnyKey(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/windows-prompt.iso"] = fleet.File{OS: "windows-prompt", Prompt: 400}
	})
	k.rule("install.windows-key")
	media := []string{"[ds-1] iso/windows-prompt.iso", "[ds-1] iso/windows-answer.iso"}
	vm := k.slowly("early", media, "post", 1000)
	k.press(vm, enter) // during the power-on self test
	k.wantStuck(vm, "waits for a key")
	k.press(vm, enter) // the boot manager has no use for it
	k.wantStuck(vm, "waits for a key")
	vm = k.boot("timely", "VirtualLsiLogicSASController", media)
	k.stage(vm, "Press any key")
	k.press(vm, 0x2c)
	k.until(vm, "guest.guestOperationsReady", "true")
}

func TestContinueWithAutoinstall(t *testing.T) {
	t.Parallel()
	k := startFleet(t, func(f *fleet.Fleet) {
		f.Datastores[0].Files["iso/ubuntu-stock.iso"] = fleet.File{OS: "ubuntu-stock"}
	})
	k.rule("install.ubuntu-word", "install.grub-keys")
	media := []string{"[ds-1] iso/ubuntu-stock.iso", k.answer("stock", "CIDATA", map[string]string{
		"user-data": guest.UbuntuAnswer("ops", "Train-1-pass"), "meta-data": ""})}
	asks := func(vm string) {
		t.Helper()
		if why := k.stuck(vm); !strings.Contains(why, "Continue with autoinstall?") {
			t.Error(why)
		}
	}
	vm := k.boot("stock", "ParaVirtualSCSIController", media)
	asks(vm)
	if host := k.get(vm, "guest.hostName"); host != "ubuntu-server" {
		t.Errorf("the installer's Tools name %q", host)
	}
	k.press(vm, 0x1c, enter) // y
	k.press(vm, yes[:3]...)  // yes without its end
	asks(vm)
	k.press(vm, enter)
	k.until(vm, "guest.hostName", "train")
	// in GRUB the same letters leave the menu
	for key, why := range map[int]string{0x08: "editor or command line", 0x06: "editor or command line", 0x1c: "ended the countdown"} {
		vm = k.slowly(fmt.Sprintf("grub-%d", key), media, "ubuntu.grub", 4000)
		k.stage(vm, "the installer starts")
		k.press(vm, key)
		if got := k.stuck(vm); !strings.Contains(got, why) {
			t.Errorf("key %#x in GRUB: %q", key, got)
		}
		if key == 0x1c {
			k.press(vm, enter)
			asks(vm)
		}
	}
}
