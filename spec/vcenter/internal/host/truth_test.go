package host_test

// truth_test.go holds the truth page to its description: docs/test-vcenter.md names every
// key, and nothing that is not there.

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

// described reads the table of the page: part -> keys.
func described(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/test-vcenter.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "| part of the page | keys |\n|---|---|\n")
	if !ok {
		t.Fatal("docs/test-vcenter.md has no table of the truth page")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	out, word := map[string][]string{}, regexp.MustCompile("`([^`]+)`")
	for _, row := range strings.Split(table, "\n") {
		cell := strings.Split(row, "|")
		part := word.FindStringSubmatch(cell[1])[1]
		for _, m := range word.FindAllStringSubmatch(cell[2], -1) {
			out[part] = append(out[part], m[1])
		}
		slices.Sort(out[part])
	}
	return out
}

func TestTheTruthPageIsAsDescribed(t *testing.T) {
	f := pair("manual")
	f.Clusters[0].Hosts[0].BMC = &fleet.BMC{Password: "x"}
	r := newRig(t, f)
	r.OpID = "roll-1"
	gpu := r.passthroughVM("gpu")
	r.MustTask("PowerOnVM_Task", gpu, "")
	r.MustTask("RebootHost_Task", r.host, "<force>true</force>") // two violations, one by a request
	page := r.s.Control(t, "GET", "/truth", nil)
	union := func(list []any) []string { // keys that are left out when empty appear in some element
		seen := map[string]bool{}
		for _, x := range list {
			for k := range x.(map[string]any) {
				seen[k] = true
			}
		}
		keys := []string{}
		for k := range seen {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return keys
	}
	hosts, broken := page["hosts"].([]any), page["violations"].([]any)
	got := map[string][]string{
		"(page)":          union([]any{page}),
		"hosts[]":         union(hosts),
		"hosts[].cards[]": union(hosts[0].(map[string]any)["cards"].([]any)),
		"bmcs[]":          union(page["bmcs"].([]any)),
		"timeline[]":      union(page["timeline"].([]any)),
		"violations[]":    union(broken),
		"violations[].by": union([]any{broken[0].(map[string]any)["by"]}),
	}
	want := described(t)
	for part, keys := range got {
		if !slices.Equal(keys, want[part]) {
			t.Errorf("%s has the keys %v, described are %v", part, keys, want[part])
		}
	}
	if len(want) != len(got) {
		t.Errorf("parts described: %d, found: %d", len(want), len(got))
	}
}

func TestUptime(t *testing.T) {
	vctest.Breaks(t, "host.uptime")
	f := fleet.Demo()
	f.Clusters[0].Hosts[0].BootSeconds, f.Clusters[0].Hosts[0].UptimeSeconds, f.Clusters[0].Hosts[0].ClockSkew = 40, 5000, 7200
	r := newRig(t, f)
	uptime := func() int {
		n, err := strconv.Atoi(r.Must("RetrieveHardwareUptime", r.host, "").Text("returnval"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := uptime(); n < 5000 || n > 5030 {
		t.Fatal(n)
	}
	if got := r.Get(r.host, "summary.quickStats.uptime")["summary.quickStats.uptime"]; got != "5000" {
		t.Fatal(got)
	}
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.MustTask("RebootHost_Task", r.host, "<force>false</force>")
	vctest.Eventually(t, "away", func() bool { return r.is("runtime.connectionState", "notResponding") })
	r.Refused(r.Call("RetrieveHardwareUptime", r.host, ""), "HostNotReachable")
	vctest.Eventually(t, "back", func() bool { return r.is("runtime.connectionState", "connected") })
	time.Sleep(1100 * time.Millisecond)
	if n := uptime(); n < 1 || n > 30 {
		t.Fatal(n)
	}
}
