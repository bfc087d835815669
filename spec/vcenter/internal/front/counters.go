package front

// counters.go: what PerformanceManager says of an entity's statistics.

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "wire.known-counters", Sure: "documented", As: "real", Source: "API reference: PerfMetricId.counterId: the id of the counter in PerformanceManager.perfCounter; govc metric.ls of 2021 ends in a panic on an id that is not there",
	Text: "QueryAvailablePerfMetric names counters of perfCounter only."})

func (f *Front) registerCounters() {
	f.S.Handle("QueryAvailablePerfMetric", func(c *api.Call) (any, *fault.Error) {
		res, e := f.stock(c)
		pm, ok := f.W.Reg.Get(c.This).(*simulator.PerformanceManager)
		out, is := res.(*types.QueryAvailablePerfMetricResponse)
		if e != nil || !ok || !is {
			return res, e
		}
		known := map[int32]bool{}
		for i := range pm.PerfCounter {
			known[pm.PerfCounter[i].Key] = true
		}
		return &types.QueryAvailablePerfMetricResponse{Returnval: slices.DeleteFunc(slices.Clone(out.Returnval), func(m types.PerfMetricId) bool { return !known[m.CounterId] })}, nil
	})
}
