package vm_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

const stages = "guest.toolsRunningStatus guest.guestOperationsReady guestHeartbeatStatus guest.ipAddress"

// seen follows a VM's Tools from power-on until its address is known.
func (k *kit) seen(vm string) (list []string) {
	k.t.Helper()
	last := ""
	vctest.Eventually(k.t, "an address", func() bool {
		m := k.c.Get(vm, strings.Fields(stages)...)
		line := strings.TrimPrefix(m["guest.toolsRunningStatus"], "guestTools") + " " + m["guest.guestOperationsReady"] + " " + m["guestHeartbeatStatus"]
		if m["guest.ipAddress"] != "" {
			line += " address"
		}
		if line != last {
			list, last = append(list, line), line
		}
		return strings.HasSuffix(line, "address")
	})
	return list
}

// Tools start in stages; each is a visible state of its own.
func TestTheStagesOfTools(t *testing.T) {
	t.Parallel()
	k, lin, _ := guests(t, func(lin, win *fleet.VM) { lin.Power, win.Power = "poweredOff", "poweredOff" })
	k.rule("tools.stages")
	k.Control(t, "POST", "/set", map[string]any{"vm": "lin", "seconds": map[string]any{"tools.start": 3000, "tools.ready": 600, "tools.net": 900}})
	k.accepted(k.on(lin))
	want := "NotRunning false gray|ExecutingScripts false gray|Running false green|Running true green|Running true green address"
	if got := strings.Join(k.seen(lin), "|"); got != want {
		t.Errorf("after power-on: %s", got)
	}
	if m := k.c.Get(lin, "guest.net", "summary.guest.ipAddress", "guest.ipAddress"); m["summary.guest.ipAddress"] != m["guest.ipAddress"] || !strings.Contains(m["guest.net"], m["guest.ipAddress"]) {
		t.Errorf("guest.net: %s", m["guest.net"])
	}
	k.c.Must("RebootGuest", lin, "")
	k.until(lin, "guest.toolsRunningStatus", "guestToolsNotRunning")
	if m := k.c.Get(lin, "guest.ipAddress"); m["guest.ipAddress"] != "" {
		t.Errorf("an address without Tools: %s", m["guest.ipAddress"])
	}
	if got := strings.Join(k.seen(lin), "|"); got != want {
		t.Errorf("after a restart: %s", got)
	}
	// the service alone
	k.start(lin, linuxAuth, "/bin/bash", "-c 'sudo systemctl stop open-vm-tools'", "")
	k.until(lin, "guest.toolsRunningStatus", "guestToolsNotRunning")
	k.c.Refused(k.c.Call("ShutdownGuest", lin, ""), "ToolsUnavailable")
	k.c.Refused(k.start(lin, linuxAuth, "/bin/true", "", ""), "GuestOperationsUnavailable")
	k.accepted(k.c.Task("ResetVM_Task", lin, ""))
	k.until(lin, "guest.guestOperationsReady", "true")
}

func TestVersionsOfTools(t *testing.T) {
	for version, want := range map[string]string{"11.3.5": "guestToolsSupportedOld guestToolsNeedUpgrade toolsOld 11365",
		"12.4.0": "guestToolsCurrent guestToolsCurrent toolsOk 12416", "13.0.0": "guestToolsSupportedNew guestToolsSupportedNew toolsOk 13312",
		"none": "guestToolsNotInstalled guestToolsNotInstalled toolsNotInstalled 0"} {
		t.Run(version, func(t *testing.T) {
			k := startFleet(t, func(f *fleet.Fleet) {
				f.VMs = []fleet.VM{{Name: "win", Installed: "windows", Firmware: "efi", Power: "poweredOn", Password: "Train-1-pass", More: map[string]any{"tools": version}}}
			}, nil...)
			k.rule("tools.version-status")
			win := k.c.Find("/DC0/vm/win")
			state := func() string {
				m := k.c.Get(win, "guest.toolsVersionStatus2", "guest.toolsVersionStatus", "guest.toolsStatus", "guest.toolsVersion")
				return m["guest.toolsVersionStatus2"] + " " + m["guest.toolsVersionStatus"] + " " + m["guest.toolsStatus"] + " " + m["guest.toolsVersion"]
			}
			if version == "none" {
				k.until(win, "guest.guestState", "unknown") // it runs, unseen
				if got := state(); got != want {
					t.Errorf("%s", got)
				}
				k.refused(k.c.Task("UpgradeTools_Task", win, ""), "ToolsUnavailable")
				return
			}
			k.until(win, "guest.guestOperationsReady", "true")
			if got := state(); got != want {
				t.Errorf("%s", got)
			}
			if version == "11.3.5" {
				k.accepted(k.c.Task("UpgradeTools_Task", win, ""))
				if got := state(); !strings.HasPrefix(got, "guestToolsCurrent guestToolsCurrent toolsOk") {
					t.Errorf("upgraded: %s", got)
				}
			}
		})
	}
}
