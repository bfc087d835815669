package vm

// guestpower.go: what goes through Tools to the guest's own power management, the Tools
// medium, and manual changes (POST /gpsim/set with "vm").

import (
	"fmt"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/task"
)

var (
	_ = rule("guest.tools-needed", "documented", "real", "API reference: ToolsUnavailable of ShutdownGuest, RebootGuest, UpgradeTools_Task",
		"ShutdownGuest, RebootGuest and UpgradeTools_Task need running Tools.")
	_ = rule("guest.mount-tools", "documented", "real", "API reference: MountToolsInstaller, InvalidState", "MountToolsInstaller requires a running VM with a CD-ROM drive.")
	_ = rule("guest.upgrade-tools", "documented", "real", "API reference: UpgradeTools_Task.installerOptions; VmToolsUpgradeFault",
		"UpgradeTools_Task passes its options to the installer as received; open-vm-tools are not upgraded this way.")
)

func (r *Service) registerGuestPower() {
	power := func(method, what string) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			vm, e := r.of(c.This)
			if e != nil {
				return nil, e
			}
			if e := vm.mustRun(); e != nil {
				return nil, e
			}
			if i := vm.guest.Info(); i.ToolsRun != "guestToolsRunning" {
				return nil, fault.New(&types.ToolsUnavailable{})
			}
			vm.guest.Shutdown(what)
			r.w.Truth.VM("guest-"+what, vm.hostName(), vm.Name, "%s", method)
			return &api.Void{}, nil
		})
	}
	power("ShutdownGuest", "off")
	power("RebootGuest", "reboot")
	r.s.Handle("CustomizeVM_Task", r.customize)
	r.s.Handle("CheckCustomizationSpec", r.checkCustomization)
	r.s.Handle("StandbyGuest", func(c *api.Call) (any, *fault.Error) {
		return nil, fault.New(&types.NotSupported{})
	})
	r.s.Handle("MountToolsInstaller", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		if e := vm.mustRun(); e != nil {
			return nil, e
		}
		if len(vm.drives()) == 0 {
			return nil, fault.New(&types.VmConfigFault{}, "The virtual machine has no CD-ROM drive.")
		}
		vm.tools = true
		vm.Runtime.ToolsInstallerMounted, vm.Summary.Runtime.ToolsInstallerMounted = true, true
		vm.guest.CDChanged(vm.drives())
		r.touch(vm, false)
		return &api.Void{}, nil
	})
	r.s.Handle("UnmountToolsInstaller", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		if e := vm.mustRun(); e != nil {
			return nil, e
		}
		if !vm.tools { // disabledMethod lists it then
			return nil, fault.InvalidState("The Tools installer is not mounted.")
		}
		vm.tools = false
		vm.Runtime.ToolsInstallerMounted, vm.Summary.Runtime.ToolsInstallerMounted = false, false
		vm.guest.CDChanged(vm.drives())
		r.touch(vm, false)
		return &api.Void{}, nil
	})
	r.s.Handle("UpgradeTools_Task", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.UpgradeTools_Task)
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		return c.Task(task.Spec{Exclusive: true, Run: func(t *task.Task) (any, *fault.Error) {
			var e *fault.Error
			t.Do(func() {
				if e = vm.mustRun(); e == nil && vm.guest.Info().ToolsRun != "guestToolsRunning" {
					e = fault.New(&types.ToolsUnavailable{})
				}
			})
			if e != nil {
				return nil, e
			}
			i := vm.guest.Info()
			if i.Tools.Type != "guestToolsTypeMSI" {
				return nil, fault.New(&types.VmToolsUpgradeFault{}, "The Tools of this guest are managed by its operating system.")
			}
			code := vm.guest.Upgrade(t.Context(), guest.DefaultTools, req.InstallerOptions)
			if code != 0 && code != 3010 && code != 1641 {
				return nil, fault.New(&types.VmToolsUpgradeFault{}, "Error upgrading VMware Tools: the installer ended with %d.", code)
			}
			for n := 0; n < 120; n++ { // the task ends when Tools are back
				if !t.Sleep(time.Second) {
					return nil, task.Cancelled()
				}
				if i := vm.guest.Info(); i.ToolsRun == "guestToolsRunning" && i.Ready {
					break
				}
			}
			return nil, nil
		}})
	})
}

// wished carries out what the guest requested of its virtual power switch.
func (vm *VM) wished(what string) {
	r := vm.service
	r.w.Lock()
	defer r.w.Unlock()
	if r.vms[vm.Self] != vm || !vm.on() {
		return
	}
	if what == "reboot" {
		vm.guest.Reset()
		r.w.Truth.VM("guest-rebooted", vm.hostName(), vm.Name, "restarted by the guest")
		return
	}
	r.powerOff(vm, "shut down by the guest")
}

// set answers POST /gpsim/set for VMs: {"vm": NAME, ...}.
func (r *Service) set(m map[string]any) (bool, error) {
	if version, ok := m["tools_medium"].(string); ok { // what MountToolsInstaller mounts from now on
		return true, r.writeToolsMedium(version)
	}
	name, ok := m["vm"].(string)
	if !ok {
		return false, nil
	}
	var vm *VM
	for _, ref := range r.order() {
		if r.vms[ref].Name == name || ref.Value == name {
			vm = r.vms[ref]
		}
	}
	if vm == nil {
		return true, fmt.Errorf("there is no virtual machine %q", name)
	}
	for k, v := range m {
		text, _ := v.(string)
		flag, _ := v.(bool)
		switch k {
		case "vm":
		case "mmio": // "guest": a window that is too small lets the VM boot
			vm.mmio = text
		case "fail_power_on": // the next power-on fails with this line
			vm.refuse = text
		case "session": // a user at the console
			vm.guest.Set(func(s *guest.Settable) { s.Session = text })
		case "deaf": // ignores ShutdownGuest
			vm.guest.Set(func(s *guest.Settable) { s.Deaf = flag })
		case "question": // the VM stops at this question; "" is its answer
			vm.Runtime.Question = nil
			if text != "" {
				vm.Runtime.Question = &types.VirtualMachineQuestionInfo{Id: "1", Text: text, Choice: types.ChoiceOption{
					ChoiceInfo: []types.BaseElementDescription{&types.ElementDescription{Description: types.Description{Label: "Retry", Summary: "Retry"}, Key: "0"}}}}
			}
			vm.Summary.Runtime.Question = vm.Runtime.Question
			r.touch(vm, false)
		case "written": // megabytes since the current snapshot
			n, _ := v.(float64)
			if vm.Snapshot == nil || vm.Snapshot.CurrentSnapshot == nil {
				return true, fmt.Errorf("%s has no snapshot", name)
			}
			if vm.deltas == nil {
				vm.deltas = map[types.ManagedObjectReference]int64{}
			}
			vm.deltas[*vm.Snapshot.CurrentSnapshot] = int64(n * (1 << 20))
		case "disabled": // a method that another product disables; "" none
			vm.blocked = nil
			if text != "" {
				vm.blocked = []string{text}
			}
		case "lockout", "max_logons": // wrong passwords that lock an account (-1 never); programs at once (0 any)
			n, _ := v.(float64)
			vm.guest.Set(func(s *guest.Settable) {
				if k == "lockout" {
					s.Lockout = int(n)
				} else {
					s.MaxLogons = int(n)
				}
			})
		case "list_lag": // seconds until a new program is listed
			n, _ := v.(float64)
			vm.guest.Set(func(s *guest.Settable) { s.ListLag = time.Duration(n * float64(time.Second)) })
		case "apt_lock": // another apt holds the lock for this many seconds
			n, _ := v.(float64)
			vm.guest.HoldApt(n)
		case "msi_busy": // another installation runs for this many seconds
			n, _ := v.(float64)
			vm.guest.HoldInstaller(n)
		case "disk_free": // megabytes
			n, _ := v.(float64)
			vm.guest.Set(func(s *guest.Settable) { s.FreeMB = int(n) })
		case "disk_takes": // megabytes of an upload, then the disk is full although Tools reported room
			n, _ := v.(float64)
			vm.guest.Set(func(s *guest.Settable) { s.TakesMB = int(n) })
		case "dkms_fails": // with this line in make.log
			vm.guest.Set(func(s *guest.Settable) { s.DkmsFails = text })
		case "restart_in_upload": // the guest restarts in the middle of the next file that is sent to it
			vm.guest.Set(func(s *guest.Settable) { s.Restarts = flag })
		case "msi": // {"error": 1722, "keep": "SVGA", "reboot": true, "killed": true}
			o := asMap(v)
			number, _ := o["error"].(float64)
			keep, _ := o["keep"].(string)
			reboot, _ := o["reboot"].(bool)
			killed, _ := o["killed"].(bool)
			vm.guest.Set(func(s *guest.Settable) {
				s.Installer = guest.InstallerTrouble{Error: int(number), Keep: keep, Reboot: reboot, Killed: killed}
			})
		case "language": // of Windows: "" (English) or de
			vm.guest.Set(func(s *guest.Settable) { s.Language = text })
		case "powershell": // "", constrained (a policy's ConstrainedLanguage) or absent
			if !slices.Contains([]string{"", "constrained", "absent"}, text) {
				return true, fmt.Errorf("powershell must be constrained, absent or empty")
			}
			vm.guest.Set(func(s *guest.Settable) { s.PowerShell = text })
		case "driver":
			vm.guest.Set(func(s *guest.Settable) { s.Driver = text })
		case "problem": // {"0000:3b:00.0": 43}
			codes, ok := v.(map[string]any)
			if !ok {
				return true, fmt.Errorf("problem must be an object of addresses and codes")
			}
			vm.guest.Set(func(s *guest.Settable) {
				for address, code := range codes {
					n, _ := code.(float64)
					if n == 0 {
						delete(s.Problem, address)
					} else {
						s.Problem[address] = int(n)
					}
				}
			})
		case "seconds": // durations of the guest's stages
			for stage, s := range asMap(v) {
				if f, ok := s.(float64); ok {
					vm.guest.SetSeconds(stage, f)
				}
			}
		case "iommu_fault": // the device did a forbidden access: the host kills the VM
			if vm.on() {
				r.iommuFault(vm, text)
			}
		case "finding": // one of the lines of finding.go
			if err := r.provoke(vm, text); err != nil {
				return true, err
			}
		case "log": // a line for vmware.log
			r.logLine(vm, text)
		default:
			return true, fmt.Errorf("unknown key %q for a VM", k)
		}
	}
	return true, nil
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
