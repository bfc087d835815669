package host

// ha_agent.go: the state of a host's HA agent (the Fault Domain Manager). A host that is in
// maintenance mode or standby, or disconnected, is inactive: the property is unset. An active
// one elects a master, or joins it; so a host that left maintenance mode is protected a
// moment later only.

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.ha-agent", Sure: "documented", As: "real", Source: "API reference: HostRuntimeInfo.dasHostState (\"unset if vSphere HA is disabled, the host is in maintenance or standby mode, or the host is disconnected\"), ClusterDasFdmHostState, ClusterDasFdmAvailabilityState",
	Text: "In a cluster with HA, runtime.dasHostState of an active host is master or connectedToMaster, election for a while after it booted or left maintenance mode, hostDown while it does not respond; it is unset in maintenance mode and standby. One of the active hosts is the master."})

// electing is how long a host takes to join the others.
const electing = 20 * time.Second

// agent sets the state of the HA agent as the state of the host says.
func (r *Hosts) agent(h *Host) {
	if h.Cluster == nil || !h.Cluster.HA {
		return
	}
	h.joining++
	switch run := &h.HS.Runtime; {
	case run.InMaintenanceMode || h.standby() || run.ConnectionState == types.HostSystemConnectionStateDisconnected:
		r.agentState(h, "")
	case run.ConnectionState != types.HostSystemConnectionStateConnected:
		r.agentState(h, types.ClusterDasFdmAvailabilityStateHostDown)
	case h.haAgent != "":
		r.agentState(h, types.ClusterDasFdmAvailabilityState(h.haAgent))
	case !h.built:
		r.agentState(h, types.ClusterDasFdmAvailabilityStateConnectedToMaster)
	default:
		r.agentState(h, types.ClusterDasFdmAvailabilityStateElection)
		go r.elected(h, h.joining)
	}
	r.elect(h)
}

// elected ends the election of a host, unless something has happened to it since.
func (r *Hosts) elected(h *Host, n int) {
	if !r.w.Clock.Sleep(r.w.Stop, electing) {
		return
	}
	r.locked(nil, func() {
		if h.joining == n {
			r.agentState(h, types.ClusterDasFdmAvailabilityStateConnectedToMaster)
			r.elect(h)
		}
	})
}

func (r *Hosts) agentState(h *Host, state types.ClusterDasFdmAvailabilityState) {
	h.HS.Runtime.DasHostState = nil
	if state != "" {
		h.HS.Runtime.DasHostState = &types.ClusterDasFdmHostState{State: string(state)}
	}
	r.w.Touch(h.Ref())
}

func (h *Host) agentIs(state types.ClusterDasFdmAvailabilityState) bool {
	return h.HS.Runtime.DasHostState != nil && h.HS.Runtime.DasHostState.State == string(state)
}

// elect makes the first agent of the host's cluster that has joined the master, if there is none.
func (r *Hosts) elect(h *Host) {
	var first *Host
	for _, o := range r.order {
		if o.Cluster != h.Cluster {
			continue
		}
		if o.agentIs(types.ClusterDasFdmAvailabilityStateMaster) {
			return
		}
		if first == nil && o.agentIs(types.ClusterDasFdmAvailabilityStateConnectedToMaster) {
			first = o
		}
	}
	if first != nil {
		r.agentState(first, types.ClusterDasFdmAvailabilityStateMaster)
	}
}
