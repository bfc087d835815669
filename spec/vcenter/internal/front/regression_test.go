package front_test

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// What govc's test suite found on the simulator and not here.
func TestWhatTheSimulatorHasIsHere(t *testing.T) {
	vctest.Breaks(t, "wire.catalogs")
	f := fleet.Demo()
	f.Clusters[0].VSAN, f.Clusters[0].HA = true, true
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	cluster, host := c.Find("DC0/host/gpu-a"), c.Find("DC0/host/gpu-a/esx-a-1")

	// ClusterComputeResource.configuration is the older form of configurationEx: both say the same.
	got := c.Get(cluster, "configuration", "configurationEx", "configuration.drsConfig.enabled")
	if !strings.Contains(got["configuration"], "<dasConfig><enabled>true</enabled>") || got["configuration.drsConfig.enabled"] != "true" {
		t.Error(got["configuration"])
	}
	for _, name := range []string{"enabled", "defaultVmBehavior"} {
		part := regexp.MustCompile(`<drsConfig>.*?<` + name + `>([^<]*)<`)
		old, now := part.FindStringSubmatch(got["configuration"]), part.FindStringSubmatch(got["configurationEx"])
		if old == nil || now == nil || old[1] != now[1] {
			t.Error(name, old, now)
		}
	}
	uuid := regexp.MustCompile(`<vsanConfigInfo><enabled>true</enabled><defaultConfig><uuid>[0-9a-f-]{36}</uuid>`)
	if !uuid.MatchString(got["configurationEx"]) {
		t.Error(got["configurationEx"])
	}
	system := c.Get(host, "configManager.storageSystem", "configManager.advancedOption")
	volumes := c.Get("HostStorageSystem:"+system["configManager.storageSystem"], "fileSystemVolumeInfo")["fileSystemVolumeInfo"]
	if volumes != c.Get(host, "config.fileSystemVolume")["config.fileSystemVolume"] || !strings.Contains(volumes, "<name>ds-1</name>") {
		t.Error(volumes)
	}
	option := c.Get("OptionManager:"+system["configManager.advancedOption"], "supportedOption")["supportedOption"]
	if !regexp.MustCompile(`<OptionDef xsi:type="OptionDef"><label>.*?</label><summary>.*?</summary><key>[A-Za-z0-9.]+</key><optionType xsi:type="\w+">`).MatchString(option) {
		t.Errorf("%.400s", option)
	}

	// Catalogs are listed, and are what their sums say.
	list := c.Get("LocalizationManager:"+s.W.Content.LocalizationManager.Value, "catalog")["catalog"]
	entries := regexp.MustCompile(`<catalogName>(\w+)</catalogName><locale>en</locale><catalogUri>([^<]+)</catalogUri>.*?<md5sum>(\w+)</md5sum>`).FindAllStringSubmatch(list, -1)
	if len(entries) < 2 {
		t.Fatal(list)
	}
	for _, e := range entries {
		res, err := http.Get(s.URL + e[2])
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		sum := md5.Sum(b)
		if res.StatusCode != 200 || hex.EncodeToString(sum[:]) != e[3] || !regexp.MustCompile(`(?m)^[\w.]+\.label = ".+"$`).Match(b) {
			t.Errorf("%s: %d %.200s", e[1], res.StatusCode, b)
		}
	}
	if res, err := http.Get(s.URL + "/locale/en/none.vmsg"); err != nil || res.StatusCode != 404 {
		t.Error(res, err)
	}
}
