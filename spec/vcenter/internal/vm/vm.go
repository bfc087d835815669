// Package vm simulates virtual machines: creating, reconfiguring and cloning them,
// power with the rules for passthrough, their guests, files and logs. The simulator keeps
// the objects and default devices; this package checks what it would accept unchecked, completes
// what it leaves empty, and links each VM to a guest (package guest).
//
// Locks: handlers hold the world lock and may take a guest's lock below it. A guest calls
// back (Changed, Power) without its own lock and takes the world's.
package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/iso"
	"gpupt.test/vcenter/internal/world"
)

// Service keeps the guest behind each VirtualMachine.
type Service struct {
	w     *world.World
	s     *api.Server
	hosts *host.Hosts
	vms   map[types.ManagedObjectReference]*VM
	media mediaCache
	files transfers
	tick  int64
	shelf map[string]*guest.Machine // of unregistered VMs, by their .vmx
	specs customSpecs
	snaps map[types.ManagedObjectReference]*guest.Machine // the disks that snapshots keep
	quiet bool                                            // while the fleet file's VMs are built
	// leases are the exports that are open, by the id in their URLs.
	leases sync.Map
}

// VM is a virtual machine with the state that vim25 does not show. Guarded by the world lock.
type VM struct {
	*simulator.VirtualMachine
	service  *Service
	guest    *guest.Machine
	assigned []*placed
	window   uint64 // for 64-bit BARs, since the power-on
	mmio     string // set by /gpsim/set: "guest" lets a too small window boot
	refuse   string // set by /gpsim/set: the next power-on fails with this line
	tools    bool   // the Tools medium is mounted
	shots    int    // screenshots so far
	// the delta disks of its snapshots, bytes; what was not merged when they were deleted
	deltas   map[types.ManagedObjectReference]int64
	unmerged int64
	blocked  []string // methods that another product has disabled
}

// Register registers the package with the server and builds the VMs of the fleet file.
func Register(s *api.Server, hosts *host.Hosts) (*Service, error) {
	r := &Service{w: s.W, s: s, hosts: hosts, vms: map[types.ManagedObjectReference]*VM{}, shelf: map[string]*guest.Machine{},
		snaps: map[types.ManagedObjectReference]*guest.Machine{}}
	r.files.open = map[string]*transfer{}
	r.media.byPath = map[string]cached{}
	r.registerConfig()
	r.registerEmptyFolder()
	r.registerFiles()
	r.registerCustomSpecs()
	r.registerPower()
	r.registerGuestPower()
	r.registerGuestOps()
	r.registerFolder()
	r.registerScreenshot()
	r.registerKeys()
	r.registerStorage()
	r.registerCheckers()
	r.registerExport()
	r.registerTicket()
	r.registerCapacity()
	r.registerShown()
	s.OnSet(r.set)
	s.W.Truth.Section("vms", r.truth)
	s.W.PowerLost = append(s.W.PowerLost, func(v *simulator.VirtualMachine) {
		if vm := r.vms[v.Self]; vm != nil {
			vm.halted()
		}
	})
	s.W.Lock()
	defer s.W.Unlock()
	if err := r.stock(); err != nil {
		return nil, err
	}
	r.quiet = true
	defer func() { r.quiet = false }()
	return r, r.inventory()
}

// Wait returns when no guest runs anything any longer (after the world's Stop).
func (r *Service) Wait() {
	r.w.Lock()
	all := make([]*VM, 0, len(r.vms))
	for _, vm := range r.vms {
		all = append(all, vm)
	}
	r.w.Unlock()
	for _, vm := range all {
		vm.guest.Wait()
	}
}

// of finds the record of a VM, and creates one for a new VM.
func (r *Service) of(ref types.ManagedObjectReference) (*VM, *fault.Error) {
	v, e := r.w.VM(ref)
	if e != nil {
		return nil, e
	}
	if vm := r.vms[ref]; vm != nil {
		return vm, nil
	}
	vm := &VM{VirtualMachine: v, service: r}
	vm.guest = guest.New(filepath.Join(r.w.Dir, "guests", ref.Value), &r.w.Clock)
	vm.guest.Parent = r.w.Stop
	vm.guest.Changed = func() { go vm.publishLater() }
	vm.guest.Power = func(what string) { go vm.wished(what) }
	vm.guest.Note = func(kind, text string) { r.w.Truth.VM(kind, vm.hostName(), v.Name, "%s", text) }
	r.vms[ref] = vm
	return vm, nil
}

func (vm *VM) hostName() string {
	if vm.Runtime.Host != nil {
		if h := vm.service.hosts.Get(*vm.Runtime.Host); h != nil {
			return h.Name()
		}
	}
	return ""
}

func (vm *VM) host() *host.Host {
	if vm.Runtime.Host == nil {
		return nil
	}
	return vm.service.hosts.Get(*vm.Runtime.Host)
}

func (vm *VM) on() bool { return host.On(vm.VirtualMachine) }
func (vm *VM) off() bool {
	return vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff
}

// touch gives the VM a new changeVersion and informs the collector.
func (r *Service) touch(vm *VM, changed bool) {
	if changed {
		r.tick++
		now := time.Now().UTC()
		vm.Config.Modified = now
		vm.Config.ChangeVersion = now.Format("2006-01-02T15:04:05.000000") + fmt.Sprintf("%03dZ", r.tick%1000)
		vm.defaults()
		vm.saveVMX()
	}
	vm.running()
	r.w.Touch(vm.Self)
}

// extra reads a key of extraConfig; case does not matter.
func (vm *VM) extra(key string) string {
	for _, o := range vm.Config.ExtraConfig {
		v := o.GetOptionValue()
		if strings.EqualFold(v.Key, key) {
			s, _ := v.Value.(string)
			return s
		}
	}
	return ""
}

func (vm *VM) extraTrue(key string) bool { return truthy(vm.extra(key)) }

func truthy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "t", "yes", "y", "1", "on":
		return true
	}
	return false
}

func falsy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "false", "f", "no", "n", "0", "off":
		return true
	}
	return false
}

func (vm *VM) efi() bool { return vm.Config.Firmware == "efi" }

func isTrue(b *bool) bool { return b != nil && *b }

// hardwareVersion is the number in vmx-21.
func hardwareVersion(s string) int {
	var n int
	if _, err := fmt.Sscanf(s, "vmx-%d", &n); err != nil {
		return 0
	}
	return n
}

// datastoreFile maps "[ds] path" to a file of this computer.
func (r *Service) datastoreFile(name string) (string, object.DatastorePath, bool) {
	var p object.DatastorePath
	if !p.FromString(name) || p.Datastore == "" {
		return "", p, false
	}
	if _, ok := r.w.Named("Datastore", p.Datastore); !ok {
		return "", p, false
	}
	clean := filepath.Clean("/" + p.Path)
	return filepath.Join(r.w.DatastoreDir(p.Datastore), clean), p, true
}

// dir is the VM's directory on its datastore, on this computer.
func (vm *VM) dir() string {
	f, _, ok := vm.service.datastoreFile(vm.Config.Files.VmPathName)
	if !ok {
		return ""
	}
	return filepath.Dir(f)
}

type mediaCache struct {
	mu     sync.Mutex
	byPath map[string]cached
}

type cached struct {
	stamp time.Time
	size  int64
	img   *iso.Image
	err   error
}

// medium opens an ISO of a datastore; the answer is kept until the file changes.
func (r *Service) medium(file string) (*iso.Image, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	r.media.mu.Lock()
	defer r.media.mu.Unlock()
	if c, ok := r.media.byPath[file]; ok && c.stamp.Equal(st.ModTime()) && c.size == st.Size() {
		return c.img, c.err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	img, err := iso.Open(f)
	if err != nil {
		f.Close()
	}
	r.media.byPath[file] = cached{st.ModTime(), st.Size(), img, err}
	return img, err
}

// truth is the VMs' part of /gpsim/truth.
func (r *Service) truth() any {
	out := []map[string]any{}
	for _, ref := range r.order() {
		vm := r.vms[ref]
		extra := map[string]string{}
		for _, o := range vm.Config.ExtraConfig {
			extra[o.GetOptionValue().Key] = fmt.Sprint(o.GetOptionValue().Value)
		}
		devices := []map[string]any{}
		for _, p := range host.Passthrough(vm.VirtualMachine) {
			d := map[string]any{"key": p.Key, "address": host.Address(p)}
			switch b := p.Backing.(type) {
			case *types.VirtualPCIPassthroughDeviceBackingInfo:
				d["backing"], d["device_id"], d["system_id"] = "fixed", b.DeviceId, b.SystemId
			case *types.VirtualPCIPassthroughDynamicBackingInfo:
				d["backing"] = "dynamic"
			}
			devices = append(devices, d)
		}
		mem := vm.Config.MemoryAllocation
		g := vm.guest.Info()
		out = append(out, map[string]any{"name": vm.Name, "ref": vm.Self.Value, "host": vm.hostName(), "power": vm.Runtime.PowerState,
			"firmware": vm.Config.Firmware, "version": vm.Config.Version, "extra_config": extra, "devices": devices,
			"memory_mb": vm.Config.Hardware.MemoryMB, "memory_locked": isTrue(vm.Config.MemoryReservationLockedToMax),
			"memory_reservation": mem.Reservation, "memory_limit": mem.Limit, "path": vm.Config.Files.VmPathName,
			"snapshots": vm.snapshotNames(), "vbs": isTrue(vm.Config.Flags.VbsEnabled), "nested_hv": isTrue(vm.Config.NestedHVEnabled),
			"guest": map[string]any{"state": g.State, "stage": g.Stage, "why": g.Why, "os": g.OS, "tools": g.ToolsRun, "tools_version": g.Tools.Text,
				"tools_features": g.Tools.Features, "ready": g.Ready, "devices": g.Devices, "hostname": g.Hostname, "session": vm.guest.Session(), "unsupported": vm.guest.Unsupported()}})
	}
	return out
}

// order lists the VMs by name of their reference.
func (r *Service) order() []types.ManagedObjectReference {
	var refs []types.ManagedObjectReference
	for _, e := range r.w.Reg.All("VirtualMachine") {
		ref := e.Reference()
		if _, e := r.of(ref); e == nil {
			refs = append(refs, ref)
		}
	}
	return refs
}
