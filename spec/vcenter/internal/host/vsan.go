package host

// vsan.go: hosts of a vSAN cluster hold data. Entering maintenance mode sets what happens
// to it: nothing (noAction), what is needed to keep every object accessible
// (ensureObjectAccessibility, the default), or all of it moved (evacuateAllData).

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/world"
)

const vsanDoc = "vSAN administration, Place a member of a vSAN cluster in maintenance mode"

var (
	_ = rules.Add(rules.Rule{ID: "host.vsan-mode", Sure: "documented", As: "real", Source: vsanDoc + "; API reference: HostMaintenanceSpec.vsanMode, VsanHostDecommissionModeObjectAction",
		Text: "On a vSAN host EnterMaintenanceMode_Task moves data by maintenanceSpec.vsanMode.objectAction: noAction none, ensureObjectAccessibility (also when unset) some, evacuateAllData all, which takes longest. Any other value is InvalidArgument, on any host."})
	_ = rules.Add(rules.Rule{ID: "host.vsan-nodes", Sure: "documented", As: "real", Source: vsanDoc + ": a three-host cluster cannot evacuate all data; four or more hosts are needed. The fault's type is from memory",
		Text: "evacuateAllData needs three other hosts that hold data (connected, not in maintenance mode): else VsanFault, and the host stays as it was."})
	_ = rules.Add(rules.Rule{ID: "host.vsan-resync", Sure: "memory", As: "inferred", Source: "RVC vsan.resync_dashboard reads HostVsanInternalSystem.QuerySyncingVsanObjects: {\"dom_objects\": {...}}",
		Text: "After a vSAN host left maintenance mode its stale data is resynchronized for a while: QuerySyncingVsanObjects names the objects."})
)

type vsanSystem struct{ mo.HostVsanSystem }
type vsanInternal struct{ mo.HostVsanInternalSystem }

// vsanObjects creates the managed objects of a host.
func (r *Hosts) vsanObjects(h *Host, n int) {
	on := h.Cluster != nil && h.Cluster.VSAN
	sys := &vsanSystem{}
	sys.Self = types.ManagedObjectReference{Type: "HostVsanSystem", Value: fmt.Sprintf("vsanSystem-%d", n)}
	self := h.Ref()
	sys.Config = types.VsanHostConfigInfo{Enabled: &on, HostSystem: &self,
		StorageInfo: &types.VsanHostConfigInfoStorageInfo{AutoClaimStorage: new(bool)}}
	ref := r.w.Put(sys)
	inner := &vsanInternal{}
	inner.Self = types.ManagedObjectReference{Type: "HostVsanInternalSystem", Value: fmt.Sprintf("ha-vsan-internal-system-%d", n)}
	in := r.w.Put(inner)
	h.HS.ConfigManager.VsanSystem, h.HS.ConfigManager.VsanInternalSystem = &ref, &in
	h.HS.Config.VsanHostConfig = &sys.Config
}

// vsan reports whether a host is a member of a vSAN cluster.
func (r *Hosts) vsan(h *Host) bool {
	_, cfg := r.config(h)
	return cfg != nil && cfg.VsanConfigInfo != nil && cfg.VsanConfigInfo.Enabled != nil && *cfg.VsanConfigInfo.Enabled
}

// action is the objectAction of a maintenance specification, checked.
func action(spec *types.HostMaintenanceSpec) (string, *fault.Error) {
	if spec == nil || spec.VsanMode == nil {
		return string(types.VsanHostDecommissionModeObjectActionEnsureObjectAccessibility), nil
	}
	switch a := spec.VsanMode.ObjectAction; types.VsanHostDecommissionModeObjectAction(a) {
	case types.VsanHostDecommissionModeObjectActionNoAction, types.VsanHostDecommissionModeObjectActionEnsureObjectAccessibility,
		types.VsanHostDecommissionModeObjectActionEvacuateAllData:
		return a, nil
	}
	return "", fault.InvalidArgument("maintenanceSpec.vsanMode.objectAction")
}

// decommission moves the data of a host.
func (r *Hosts) decommission(t *task.Task, h *Host, action string) *fault.Error {
	var work time.Duration
	var e *fault.Error
	t.Do(func() {
		if !r.vsan(h) || action == string(types.VsanHostDecommissionModeObjectActionNoAction) {
			return
		}
		work = world.Seconds(h.Cluster.EvacuateSeconds)
		if action != string(types.VsanHostDecommissionModeObjectActionEvacuateAllData) {
			work /= 10
			return
		}
		nodes := 0
		for _, o := range r.order {
			if o != h && o.Cluster == h.Cluster && o.Connected() && !o.HS.Runtime.InMaintenanceMode {
				nodes++
			}
		}
		if nodes < 3 {
			e = fault.New(&types.VsanFault{}, "Failed to enter maintenance mode in the current vSAN data migration mode due to insufficient nodes or disk space in the cluster. "+
				"Retry operation in another mode or after adding more resources to the cluster.")
		}
	})
	if e != nil || work == 0 {
		return e
	}
	if !t.SleepProgress(work, 10, 80) {
		return task.Cancelled()
	}
	t.Do(func() { r.w.Truth.Host("vsan-"+action, h.Name(), "data moved") })
	return nil
}

// resync begins when a host that held stale data is back among the others. Lock held.
func (r *Hosts) resync(h *Host) {
	if !r.vsan(h) || h.vsanAction == string(types.VsanHostDecommissionModeObjectActionEvacuateAllData) {
		return
	}
	h.syncing++
	mine := h.syncing
	r.w.Truth.Host("vsan-resync", h.Name(), "stale data is resynchronized")
	go func() {
		if r.w.Clock.Sleep(r.w.Stop, world.Seconds(h.Cluster.EvacuateSeconds/5)) {
			r.locked(nil, func() {
				if h.syncing == mine {
					h.syncing = 0
					r.w.Truth.Host("vsan-synced", h.Name(), "resynchronization has finished")
				}
			})
		}
	}()
}

func (r *Hosts) registerVSAN() {
	r.s.Handle("QuerySyncingVsanObjects", func(c *api.Call) (any, *fault.Error) {
		for _, h := range r.order {
			if h.HS.ConfigManager.VsanInternalSystem == nil || *h.HS.ConfigManager.VsanInternalSystem != c.This {
				continue
			}
			if e := h.Reachable(); e != nil {
				return nil, e
			}
			objects := map[string]any{}
			for _, o := range r.order {
				if o.Cluster == h.Cluster && o.syncing > 0 {
					objects[o.SystemID] = map[string]any{"owner": o.SystemID, "content": map[string]any{"type": "Configuration", "bytesToSync": 1 << 30}}
				}
			}
			text, err := json.Marshal(map[string]any{"dom_objects": objects, "lsom_objects": map[string]any{}, "disk_objects": map[string]any{}})
			if err != nil {
				return nil, fault.From(err)
			}
			return &types.QuerySyncingVsanObjectsResponse{Returnval: string(text)}, nil
		}
		return nil, fault.NotFound(c.This)
	}, api.ReadOnly())
}
