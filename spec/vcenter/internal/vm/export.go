package vm

// export.go: ExportVm and its lease. The disks of a test VM have no content of their own, so
// that what is transferred is the descriptor that stands for each.

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var _ = rules.Add(rules.Rule{ID: "vm.export", Sure: "documented", As: "laxer: the disks of a real lease hold the VM's data", Source: "API reference: VirtualMachine.ExportVm (InvalidPowerState), HttpNfcLease (state, info.deviceUrl, HttpNfcLeaseProgress, HttpNfcLeaseComplete, HttpNfcLeaseAbort), privilege VApp.Export",
	Text: "ExportVm of a powered-off VM returns a lease that is ready, with one URL for each disk; the URLs need no session, and end with the lease. Disks are small stand-ins."})

// lease is one export or import.
type lease struct {
	mo.HttpNfcLease
	id      string // in its URLs
	base    string // what they begin with: the VM's host
	print   string // of that host's certificate
	owner   types.ManagedObjectReference
	files   map[string]string // name -> file of this computer
	uploads map[string]upload
	end     chan bool // of an import: whether it is complete
}

func (r *Service) registerExport() {
	r.s.Handle("ExportVm", r.export, api.Needs("VApp.Export"))
	r.s.Handle("CreateDescriptor", r.descriptor, api.ReadOnly())
	end := func(c *api.Call) (any, *fault.Error) {
		l, e := api.Object[*lease](c)
		if e != nil {
			return nil, e
		}
		if l.end != nil {
			if l.State != types.HttpNfcLeaseStateReady && c.Method == "HttpNfcLeaseComplete" {
				return nil, fault.InvalidState("")
			}
			l.end <- c.Method == "HttpNfcLeaseComplete"
		}
		r.leases.Delete(l.id)
		r.w.Remove(l.Self)
		return &api.Void{}, nil
	}
	r.s.Handle("HttpNfcLeaseComplete", end)
	r.s.Handle("HttpNfcLeaseAbort", end)
	r.s.Handle("HttpNfcLeaseProgress", func(c *api.Call) (any, *fault.Error) {
		l, e := api.Object[*lease](c)
		if e != nil {
			return nil, e
		}
		percent := c.Req.(*types.HttpNfcLeaseProgress).Percent
		if percent < 0 || percent > 100 {
			return nil, fault.InvalidArgument("percent")
		}
		l.TransferProgress = percent
		r.w.Touch(l.Self)
		return &api.Void{}, nil
	})
	r.s.Handle("HttpNfcLeaseGetManifest", func(c *api.Call) (any, *fault.Error) {
		l, e := api.Object[*lease](c)
		if e != nil {
			return nil, e
		}
		out := &types.HttpNfcLeaseGetManifestResponse{}
		if l.Info == nil {
			return nil, fault.InvalidState("")
		}
		for _, u := range l.Info.DeviceUrl {
			if l.end != nil {
				if x, ok := l.uploads[u.TargetId]; ok {
					out.Returnval = append(out.Returnval, types.HttpNfcLeaseManifestEntry{Key: u.Key, Sha1: x.sha1, Size: x.size, Disk: *u.Disk})
				}
				continue
			}
			data, err := os.ReadFile(l.files[u.TargetId])
			if err != nil {
				return nil, fault.From(err)
			}
			sum := sha1.Sum(data)
			out.Returnval = append(out.Returnval, types.HttpNfcLeaseManifestEntry{Key: u.Key, Sha1: hex.EncodeToString(sum[:]), Size: int64(len(data)), Disk: true})
		}
		return out, nil
	})
	r.s.OnOwner(func(ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
		if l, ok := r.w.Reg.Get(ref).(*lease); ok {
			return l.owner, true
		}
		return ref, false
	})
	r.s.HTTP("/nfc/", r.nfc)
	r.registerImport()
}

// descriptor writes the OVF of a VM: its name, CPUs, memory and disks, as govc and ovftool ask for it.
func (r *Service) descriptor(c *api.Call) (any, *fault.Error) {
	q := c.Req.(*types.CreateDescriptor)
	vm, e := r.of(q.Obj)
	if e != nil {
		return nil, e
	}
	esc := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	name := q.Cdp.Name
	if name == "" {
		name = vm.Name
	}
	var files, disks, items strings.Builder
	for i, f := range q.Cdp.OvfFiles {
		fmt.Fprintf(&files, "    <File ovf:href=\"%s\" ovf:id=\"file%d\" ovf:size=\"%d\"/>\n", esc(f.Path), i+1, f.Size)
		fmt.Fprintf(&disks, "    <Disk ovf:diskId=\"vmdisk%d\" ovf:fileRef=\"file%d\" ovf:capacity=\"%d\" "+
			"ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n", i+1, i+1, f.Capacity)
	}
	item := func(id, kind int, what string, quantity int64) {
		fmt.Fprintf(&items, "      <Item><rasd:ElementName>%s</rasd:ElementName><rasd:InstanceID>%d</rasd:InstanceID><rasd:ResourceType>%d</rasd:ResourceType>"+
			"<rasd:VirtualQuantity>%d</rasd:VirtualQuantity></Item>\n", what, id, kind, quantity)
	}
	item(1, 3, "virtual CPUs", int64(vm.Config.Hardware.NumCPU))
	item(2, 4, "memory in MB", int64(vm.Config.Hardware.MemoryMB))
	text := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" " +
		"xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\">\n  <References>\n" + files.String() +
		"  </References>\n  <DiskSection>\n    <Info>disks</Info>\n" + disks.String() + "  </DiskSection>\n  <VirtualSystem ovf:id=\"" + esc(name) +
		"\">\n    <Info>a virtual machine</Info>\n    <Name>" + esc(name) + "</Name>\n    <VirtualHardwareSection>\n      <Info>hardware</Info>\n" +
		items.String() + "    </VirtualHardwareSection>\n  </VirtualSystem>\n</Envelope>\n"
	return &types.CreateDescriptorResponse{Returnval: types.OvfCreateDescriptorResult{OvfDescriptor: text}}, nil
}

func (r *Service) export(c *api.Call) (any, *fault.Error) {
	vm, e := r.of(c.This)
	if e != nil {
		return nil, e
	}
	if vm.on() {
		return nil, fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState})
	}
	l := newLease(vm.Self)
	if l.base, e = r.hosts.Base(vm.host()); e != nil {
		return nil, e
	}
	l.print = r.print(vm)
	l.State, l.InitializeProgress = types.HttpNfcLeaseStateReady, 100
	l.Info = &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: vm.Self, LeaseTimeout: 300}
	n := 0
	for _, d := range vm.Config.Hardware.Device {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		b, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo)
		if !ok {
			continue
		}
		file, _, ok := r.datastoreFile(b.GetVirtualDeviceFileBackingInfo().FileName)
		if !ok || !isFile(file) {
			return nil, fault.New(&types.FileNotFound{FileFault: types.FileFault{File: b.GetVirtualDeviceFileBackingInfo().FileName}})
		}
		name := filepath.Base(file)
		l.files[name] = file
		l.Info.TotalDiskCapacityInKB += disk.CapacityInKB
		size := int64(0)
		if st, err := os.Stat(file); err == nil {
			size = st.Size()
		}
		l.Info.DeviceUrl = append(l.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{Key: fmt.Sprintf("/%s/disk-%d", vm.Self.Value, n),
			ImportKey: fmt.Sprintf("/%s/VirtualDisk:%d", vm.Name, n), Url: l.url(name),
			SslThumbprint: l.print, Disk: ptr(true), TargetId: name, FileSize: size})
		n++
	}
	r.w.Put(l)
	r.leases.Store(l.id, l)
	return &types.ExportVmResponse{Returnval: l.Self}, nil
}

// print is the thumbprint of the host that serves a VM's files behind a vCenter (HttpNfcLeaseDeviceUrl.sslThumbprint):
// clients that verify certificates, as govc, take the host by it.
func (r *Service) print(vm *VM) string {
	if r.w.ESXi {
		return "" // it is the server that the client is connected to
	}
	return vm.host().HS.Summary.Config.SslThumbprint
}

// nfc serves the files of a lease by their names, and takes those of an import.
func (r *Service) nfc(w http.ResponseWriter, q *http.Request, _ *session.Session) {
	l, name, file, ok := r.nfcFile(q)
	post := q.Method == http.MethodPut || q.Method == http.MethodPost
	switch {
	case !ok || r.hosts.Misdirected(q) || post != (l.end != nil) || !post && q.Method != http.MethodGet && q.Method != http.MethodHead:
		http.NotFound(w, q)
	case post:
		r.receive(w, q, l, name, file)
	default:
		http.ServeFile(w, q, file)
	}
}
