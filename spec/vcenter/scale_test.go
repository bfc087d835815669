package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/fleet"
)

// A thousand hosts with four GPUs each and eight thousand VMs: below 700 MiB. How long they take is printed. It is half
// a minute at least, so the test runs only when GPUPT_SCALE is set.
func TestScale(t *testing.T) {
	if os.Getenv("GPUPT_SCALE") == "" {
		t.Skip("set GPUPT_SCALE=1; make soak does")
	}
	f := fleet.Fleet{}
	for _, name := range []string{"c1", "c2", "c3", "c4"} {
		f.Clusters = append(f.Clusters, fleet.Cluster{Name: name, Count: 250, Hosts: []fleet.Host{{Name: name + "-{n:03}",
			Cards: []fleet.Device{fleet.A100("0000:3b:00.0"), fleet.A100("0000:3c:00.0"), fleet.A100("0000:86:00.0"), fleet.A100("0000:af:00.0")}}}})
		f.VMs = append(f.VMs, fleet.VM{Name: name + "-vm-{n:04}", Count: 2000, Cluster: name, MemoryMB: 16384, CPUs: 4, DiskGB: 40, Firmware: "efi"})
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fleet.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, stop := start(t, 20*time.Minute, "-fleet", file, "-speed", "50")
	took := time.Since(begin)
	status, _ := os.ReadFile("/proc/self/status")
	peak := ""
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM") {
			peak = strings.TrimSpace(strings.TrimPrefix(line, "VmHWM:"))
		}
	}
	t.Logf("1,000 hosts and 8,000 VMs up in %s, at most %s", took.Round(time.Millisecond), peak)
	if kb, err := strconv.Atoi(strings.TrimSuffix(peak, " kB")); err != nil || kb > 700<<10 {
		t.Errorf("more than 700 MiB: %s %v", peak, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
