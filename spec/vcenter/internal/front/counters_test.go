package front_test

import (
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestAvailableMetricsAreKnownOnes(t *testing.T) {
	vctest.Breaks(t, "wire.known-counters")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	counters := vctest.Answer{Body: "<x xmlns:xsi='x'>" + c.Get("PerformanceManager:PerfMgr", "perfCounter")["perfCounter"] + "</x>"}
	known := map[string]bool{}
	for _, key := range counters.Texts("key") {
		known[key] = true
	}
	for _, path := range []string{"DC0", "DC0/host/gpu-a", "DC0/host/gpu-a/esx-a-1", "DC0/datastore/ds-1"} {
		ids := c.Must("QueryAvailablePerfMetric", "PerformanceManager:PerfMgr", vctest.Ref("entity", c.Find(path))).Texts("counterId")
		if len(ids) == 0 {
			t.Error(path, " has no metrics")
		}
		for _, id := range ids {
			if !known[id] {
				t.Errorf("%s: counter %s is not in perfCounter", path, id)
			}
		}
	}
}

// serverClock is a property, not only what CurrentTime answers.
func TestServerClock(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	if clock := c.Get(si, "serverClock")["serverClock"]; clock == "" {
		t.Error("no serverClock")
	}
}
