package vm

// import.go: ImportVApp and its lease. The VM is made as by CreateVM_Task; its files come
// through the lease's URLs, and the task lasts until the client ends the lease.

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/task"
)

var (
	_ = rule("vm.import", "documented", "laxer: a real lease ends after leaseTimeout seconds without progress, and the disks hold what was uploaded", "API reference: ResourcePool.ImportVApp (the lease is initializing until the entity is made, then ready or error; privilege VApp.Import), HttpNfcLease (info.deviceUrl, importKey; HttpNfcLeaseComplete; HttpNfcLeaseAbort: the import is cancelled)",
		"ImportVApp of a VM returns a lease that is initializing, and ready with a URL for each disk and ISO when the VM is there; HttpNfcLeaseComplete ends the task with the VM, HttpNfcLeaseAbort fails it and deletes the VM. Disks are small stand-ins whatever is uploaded.")
	_ = rule("vm.import-property", "seen", "real", "API reference: NotUserConfigurableProperty; govmomi's import.ovf passes another value for such a property and gets the fault",
		"Another value for a vApp property that is not userConfigurable is NotUserConfigurableProperty.")
)

// upload is what came for one file of a lease.
type upload struct {
	sha1 string
	size int64
}

func (r *Service) registerImport() {
	r.s.Handle("ImportVApp", r.importVApp)
}

// fixedProperty finds the first property with another value than the default that users cannot set.
func fixedProperty(spec *types.VirtualMachineConfigSpec) *types.VAppPropertyInfo {
	app, ok := spec.VAppConfig.(*types.VAppConfigSpec)
	if !ok {
		return nil
	}
	for _, p := range app.Property {
		if i := p.Info; i != nil && i.UserConfigurable != nil && !*i.UserConfigurable && i.Value != "" && i.Value != i.DefaultValue {
			return i
		}
	}
	return nil
}

// withoutMedia takes the ISOs out of a spec: they come by the lease. It returns their datastore paths, one for each drive.
func withoutMedia(spec *types.VirtualMachineConfigSpec) (*types.VirtualMachineConfigSpec, []string) {
	out, isos := clone(spec), []string{}
	for _, change := range out.DeviceChange {
		c := change.GetVirtualDeviceConfigSpec()
		drive, ok := c.Device.(*types.VirtualCdrom)
		if !ok {
			continue
		}
		iso, ok := drive.Backing.(*types.VirtualCdromIsoBackingInfo)
		if !ok {
			isos = append(isos, "")
			continue
		}
		isos = append(isos, iso.FileName)
		bare := *drive
		bare.Backing = &types.VirtualCdromRemotePassthroughBackingInfo{}
		c.Device, c.FileOperation = &bare, ""
	}
	return out, isos
}

func (r *Service) importVApp(c *api.Call) (any, *fault.Error) {
	req := c.Req.(*types.ImportVApp)
	if r.w.Pool(c.This) == nil {
		return nil, fault.NotFound(c.This)
	}
	asked, ok := req.Spec.(*types.VirtualMachineImportSpec)
	if !ok {
		return nil, fault.New(&types.NotSupported{}, "The operation is not supported on the object: a vApp is not imported here.")
	}
	folder, e := r.importFolder(req)
	if e != nil {
		return nil, e
	}
	if p := fixedProperty(&asked.ConfigSpec); p != nil {
		return nil, fault.New(&types.NotUserConfigurableProperty{VAppPropertyFault: types.VAppPropertyFault{Id: p.Id, Category: p.Category,
			Label: p.Label, Type: p.Type, Value: p.Value}}, "Property %s.%s is not user configurable.", p.ClassId, p.Id)
	}
	spec, isos := withoutMedia(&asked.ConfigSpec)
	create := &types.CreateVM_Task{This: folder, Config: *spec, Pool: c.This, Host: req.Host}
	if _, _, e := r.vetCreate(create); e != nil {
		return nil, e
	}
	l := newLease(c.This)
	l.State = types.HttpNfcLeaseStateInitializing
	l.end = make(chan bool, 1)
	r.w.Put(l)
	r.leases.Store(l.id, l)
	_, e = c.Task(task.Spec{Method: "ImportVAppLRO", Run: func(t *task.Task) (any, *fault.Error) { return r.runImport(t, l, create, isos) }})
	if e != nil {
		return nil, e
	}
	return &types.ImportVAppResponse{Returnval: l.Self}, nil
}

// importFolder is the folder of the new VM: without one the datacenter's own.
func (r *Service) importFolder(req *types.ImportVApp) (types.ManagedObjectReference, *fault.Error) {
	if req.Folder != nil {
		if req.This.Type == "VirtualApp" {
			return *req.Folder, fault.InvalidArgument("pool")
		}
		return *req.Folder, nil
	}
	for up := &req.This; up != nil; {
		if dc, ok := r.w.Reg.Get(*up).(*simulator.Datacenter); ok {
			return dc.VmFolder, nil
		}
		e, ok := r.w.Reg.Get(*up).(mo.Entity)
		if !ok {
			break
		}
		up = e.Entity().Parent
	}
	return req.This, fault.InvalidArgument("folder")
}

// runImport makes the VM and waits for the end of the lease.
func (r *Service) runImport(t *task.Task, l *lease, create *types.CreateVM_Task, isos []string) (any, *fault.Error) {
	t.Sleep(2 * time.Second)
	var made any
	var failed *fault.Error
	t.Do(func() {
		if made, failed = r.create(create); failed == nil {
			failed = r.open(l, made.(types.ManagedObjectReference), isos)
		}
		if failed != nil {
			l.State, l.Error = types.HttpNfcLeaseStateError, failed.Localized()
		}
		r.w.Touch(l.Self)
	})
	if failed != nil {
		return nil, failed
	}
	select {
	case complete := <-l.end:
		if complete {
			return made, nil
		}
	case <-t.Context().Done():
		return nil, fault.New(&types.RequestCanceled{})
	case <-r.w.Stop.Done():
		return nil, fault.New(&types.RequestCanceled{})
	}
	t.Do(func() {
		if vm, e := r.of(made.(types.ManagedObjectReference)); e == nil {
			_, _ = r.w.Inner(vm.Self, "Destroy_Task", &types.Destroy_Task{This: vm.Self})
		}
	})
	return nil, fault.New(&types.RequestCanceled{})
}

// open makes a lease ready: one URL for each disk and each ISO that is to come.
func (r *Service) open(l *lease, ref types.ManagedObjectReference, isos []string) *fault.Error {
	vm, e := r.of(ref)
	if e != nil {
		return e
	}
	if l.base, e = r.hosts.Base(vm.host()); e != nil {
		return e
	}
	l.print = r.print(vm)
	l.Info = &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: ref, LeaseTimeout: 300}
	add := func(kind string, n int, file string, disk bool) *fault.Error {
		local, _, ok := r.datastoreFile(file)
		if !ok {
			return fault.New(&types.InvalidDatastorePath{DatastorePath: file})
		}
		name := filepath.Base(local)
		l.files[name] = local
		l.Info.DeviceUrl = append(l.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{Key: fmt.Sprintf("/%s/%s:%d", ref.Value, kind, n),
			ImportKey: fmt.Sprintf("/%s/%s:%d", vm.Name, kind, n), Url: l.url(name), SslThumbprint: l.print, Disk: ptr(disk), TargetId: name})
		return nil
	}
	disks, drives := 0, 0
	list := object.VirtualDeviceList(vm.Config.Hardware.Device)
	for _, d := range list {
		switch x := d.(type) {
		case *types.VirtualDisk:
			b, ok := x.Backing.(types.BaseVirtualDeviceFileBackingInfo)
			if !ok {
				continue
			}
			l.Info.TotalDiskCapacityInKB += x.CapacityInKB
			if e := add(list.Type(d), disks, b.GetVirtualDeviceFileBackingInfo().FileName, true); e != nil {
				return e
			}
			disks++
		case *types.VirtualCdrom:
			if drives < len(isos) && isos[drives] != "" {
				if e := add(list.Type(d), drives, isos[drives], false); e != nil {
					return e
				}
				local, path, _ := r.datastoreFile(isos[drives])
				if err := os.WriteFile(local, nil, 0o600); err != nil {
					return fault.From(err)
				}
				ds, _ := r.w.Named("Datastore", path.Datastore)
				x.Backing = &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: isos[drives], Datastore: &ds}}
				if i := x.DeviceInfo; i != nil {
					x.DeviceInfo = &types.Description{Label: i.GetDescription().Label, Summary: "ISO " + isos[drives]}
				}
			}
			drives++
		}
	}
	r.touch(vm, true)
	l.State, l.InitializeProgress = types.HttpNfcLeaseStateReady, 100
	return nil
}

// newLease is a lease of an object.
func newLease(owner types.ManagedObjectReference) *lease {
	l := &lease{id: uuid.NewString(), owner: owner, files: map[string]string{}, uploads: map[string]upload{}}
	l.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: "session[" + l.id + "]" + uuid.NewString()}
	l.Mode = "pushOrGet"
	return l
}

func (l *lease) url(name string) string { return l.base + "/nfc/" + l.id + "/" + name }

// receive takes a file of an import. A disk keeps its stand-in, an ISO what was sent.
func (r *Service) receive(w http.ResponseWriter, q *http.Request, l *lease, name, file string) {
	sum := sha1.New()
	to := io.Writer(sum)
	if strings.HasSuffix(strings.ToLower(name), ".iso") {
		f, err := os.Create(file)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		to = io.MultiWriter(sum, f)
	}
	n, err := io.Copy(to, q.Body)
	if err != nil {
		http.Error(w, "the upload broke off", http.StatusInternalServerError)
		return
	}
	r.w.Lock()
	l.uploads[name] = upload{hex.EncodeToString(sum.Sum(nil)), n}
	r.w.Unlock()
	w.WriteHeader(http.StatusCreated)
}

// nfcFile is the file of a URL.
func (r *Service) nfcFile(q *http.Request) (*lease, string, string, bool) {
	id, name, _ := strings.Cut(strings.TrimPrefix(path.Clean(q.URL.Path), "/nfc/"), "/")
	got, ok := r.leases.Load(id)
	if !ok {
		return nil, "", "", false
	}
	l := got.(*lease)
	r.w.RLock()
	defer r.w.RUnlock()
	file, ok := l.files[name]
	return l, name, file, ok
}
