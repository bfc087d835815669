package host_test

import (
	"sync"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// Forty clients roll forty hosts at once, each in its own session, and the server stays
// consistent: every card active, no invariant broken, nothing left over.
func TestFortyHostsAtOnce(t *testing.T) {
	const n = 40
	f := fleet.Demo()
	f.Clusters = []fleet.Cluster{{Name: "big", Count: n, MaxAway: n, Hosts: []fleet.Host{{Name: "esx-{n:02}", Devices: []fleet.Device{},
		Cards: []fleet.Device{fleet.A100(card), fleet.A100("0000:86:00.0")}}}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 500})
	var wg sync.WaitGroup
	for i := 1; i <= n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := s.Login(t)
			r := &rig{Client: c, s: s, t: t, host: c.Find("DC0/host/big/" + fleet.Numbered("esx-{n:02}", i))}
			r.system = "HostPciPassthruSystem:" + r.Get(r.host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
			r.Must("UpdatePassthruConfig", r.system, config(card, "true", "false")+config("0000:86:00.0", "true", "false"))
			r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
			before := r.Get(r.host, "runtime.bootTime")["runtime.bootTime"]
			r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
			vctest.Eventually(t, "back", func() bool {
				m := r.Get(r.host, "runtime.connectionState", "runtime.bootTime")
				return m["runtime.connectionState"] == "connected" && m["runtime.bootTime"] != before
			})
			r.MustTask("ExitMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
			for _, id := range []string{card, "0000:86:00.0"} {
				if e, a := r.state(id); e != "true" || a != "true" {
					t.Errorf("%s of host %d: enabled %s, active %s", id, i, e, a)
				}
			}
			r.Must("Logout", "SessionManager:SessionManager", "")
		}()
	}
	wg.Wait()
	if v := s.W.Truth.Violations(); len(v) > 0 {
		t.Fatal(v)
	}
	left := s.Control(t, "GET", "/sessions", nil)
	for _, what := range []string{"sessions", "filters", "views", "waiting"} {
		if left[what] != 0.0 {
			t.Errorf("%v %s left", left[what], what)
		}
	}
}
