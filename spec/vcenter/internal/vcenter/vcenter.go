// Package vcenter puts the packages together: the world of a fleet, sessions, tasks, the
// front, and the handlers. Tests of any package start a whole server from here.
package vcenter

import (
	"context"
	"runtime/debug"
	"time"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/beside"
	"gpupt.test/vcenter/internal/bmc"
	"gpupt.test/vcenter/internal/collector"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/front"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/rest"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/vm"
	"gpupt.test/vcenter/internal/world"
)

// Options of a server; zero values take the defaults of the command line.
type Options struct {
	Fleet        *fleet.Fleet
	Dir          string
	Speed        float64
	Version      string
	Stop         context.Context
	Idle         float64 // real seconds; 0 = never
	SessionLimit int
	Page         int
	MaxUpdates   int
	TaskCap      int
}

// VCenter is a running server without its listener.
type VCenter struct {
	W     *world.World
	API   *api.Server
	Front *front.Front
	BMCs  *bmc.Service

	guests *vm.Service
}

// New builds everything.
func New(o Options) (*VCenter, error) {
	if o.Version == "" {
		o.Version = "8.0.3.0"
	}
	// Building allocates much that stays and little that is freed: the garbage collector need
	// not look through it so often.
	defer debug.SetGCPercent(debug.SetGCPercent(160))
	hosts := host.NewHosts()
	w, err := world.New(world.Options{Fleet: o.Fleet, Dir: o.Dir, Speed: o.Speed, Version: o.Version, Stop: o.Stop}, hosts.Setup)
	if err != nil {
		return nil, err
	}
	idle := time.Duration(o.Idle * float64(time.Second)) // real time: a client keeps its own clock
	sessions := session.New(o.Fleet.Users, idle, o.SessionLimit)
	tasks := task.New(w)
	if o.TaskCap > 0 {
		tasks.Cap = o.TaskCap
	}
	s := api.NewServer(w, tasks, sessions)
	v := &VCenter{W: w, API: s, Front: front.New(s)}
	pc := collector.New(s, collector.Limits{Page: o.Page, Updates: o.MaxUpdates})
	for name, get := range pc.Stats() {
		v.Front.Stat(name, get)
	}
	// The packages. Each one's Register adds its methods, paths and truth sections; a
	// later package may refine what an earlier one set.
	hosts.Register(s)
	hosts.Face = v.Front
	v.Front.Gone, v.Front.Barred = hosts.Away, hosts.Locked
	if v.guests, err = vm.Register(s, hosts); err != nil {
		return nil, err
	}
	rest.Register(s, hosts)
	beside.Register(s)
	v.BMCs = bmc.Register(s, hosts)
	hosts.Begin()
	return v, nil
}

// Hosts and VMs count the inventory.
func (v *VCenter) Hosts() int { return len(v.W.Reg.All("HostSystem")) }
func (v *VCenter) VMs() int   { return len(v.W.Reg.All("VirtualMachine")) }

// Wait returns when all tasks and guests have ended after Stop.
func (v *VCenter) Wait() {
	v.API.Tasks.Wait()
	v.guests.Wait()
}
