package fleet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each of these files has mistakes; the answer names line and path of every one.
func TestMistakesAreNamedByLineAndPath(t *testing.T) {
	const host = `{"name": "h", "cards": [{"address": "3b:00.0", "vendor": "10de", "device": "20b5"}]}`
	for _, x := range []struct{ what, file, want string }{
		{"a misspelt field", "{\n\"clusterz\": []}", "line 2: clusterz: there is no such field; did you mean clusters?"},
		{"a misspelt field far down", "{\"clusters\": [\n{\"name\": \"a\", \"hosts\": [\n{\"name\": \"h\",\n\"memory\": 3}]}]}",
			"line 4: clusters[0].hosts[0].memory: there is no such field; did you mean memory_gb?"},
		{"a field without a similar name", `{"x": 1}`, "line 1: x: there is no such field"},
		{"a number as text", "{\"vms\": [{\"name\": \"a\",\n\"memory_mb\": \"4096\"}]}", "line 2: vms[0].memory_mb: must be a number, not a string"},
		{"a fraction", `{"vms": [{"name": "a", "cpus": 1.5}]}`, "line 1: vms[0].cpus: must be a whole number, not 1.5"},
		{"a number too large", `{"vms": [{"name": "a", "cpus": 4294967296}]}`, "line 1: vms[0].cpus: must be a whole number, not 4294967296"},
		{"an object for a list", `{"clusters": {"name": "a"}}`, "line 1: clusters: must be a list, not an object"},
		{"text for a boolean", `{"clusters": [{"ha": "yes"}]}`, "line 1: clusters[0].ha: must be true or false, not a string"},
		{"a duplicate field", "{\"datacenter\": \"a\",\n\"datacenter\": \"b\"}", "line 2: datacenter: is given a second time"},
		{"an open bracket", "{\"vms\": [\n", "line 2: unexpected end of the file"},
		{"an extra comma", "{\n\"vms\": [],\n}", "line 3: invalid character '}' or line 2: invalid character ','"}, // by the release of Go
		{"something after the end", "{}\n{}", "line 2: something follows the end"},
		{"an unknown endpoint", `{"endpoint": "moon"}`, `line 1: endpoint: "moon" is unknown: vcenter, esxi`},
		{"an unknown way with a busy VM", `{"busy_vm": "wait"}`, `line 1: busy_vm: "wait" is unknown: queue, refuse`},
		{"an ESXi without a host", `{"endpoint": "esxi"}`, "line 1: endpoint: an esxi endpoint needs a host"},
		{"an unknown level of DRS", "{\"clusters\": [{\"name\": \"a\",\n\"drs\": \"full\"}]}", `line 2: clusters[0].drs: "full" is unknown: fullyAutomated, partiallyAutomated, manual, off`},
		{"two clusters of one name", "{\"clusters\": [{\"name\": \"a\"},\n{\"name\": \"a\"}]}", `line 2: clusters[1].name: there is another cluster "a": clusters[0].name, line 1`},
		{"two hosts of one name", "{\"clusters\": [{\"name\": \"a\", \"hosts\": [" + host + "]},\n{\"name\": \"b\", \"hosts\": [" + host + "]}]}",
			`line 2: clusters[1].hosts[0].name: there is another host "h": clusters[0].hosts[0].name, line 1`},
		{"a host that the count creates", "{\"clusters\": [{\"name\": \"a\", \"count\": 2, \"hosts\": [{\"name\": \"h-{n}\"}]},\n{\"name\": \"b\", \"hosts\": [{\"name\": \"h-2\"}]}]}",
			`line 2: clusters[1].hosts[0].name: there is another host "h-2"`},
		{"a spare of the same name", "{\"clusters\": [{\"name\": \"a\", \"hosts\": [" + host + "]}],\n\"spares\": [{\"name\": \"h\"}]}", `line 2: spares[0].name: there is another host "h"`},
		{"a count of two patterns", `{"clusters": [{"name": "a", "count": 2, "hosts": [{"name": "x"}, {"name": "y"}]}]}`, "line 1: clusters[0].count: a count needs exactly one host"},
		{"two cards in one slot", "{\"clusters\": [{\"hosts\": [{\"name\": \"h\", \"cards\": [{\"address\": \"3b:00.0\", \"vendor\": \"1\", \"device\": \"1\"},\n{\"address\": \"0000:3B:00.0\", \"vendor\": \"1\", \"device\": \"1\"}]}]}]}",
			"line 2: clusters[0].hosts[0].cards[1].address: two devices at 0000:3B:00.0 in h: the other is clusters[0].hosts[0].cards[0].address, line 1"},
		{"an invalid PCI address", `{"clusters": [{"hosts": [{"cards": [{"address": "xx", "vendor": "10de", "device": "20b5"}]}]}]}`, "line 1: clusters[0].hosts[0].cards[0].address: \"xx\" is not a PCI address"},
		{"a card without a vendor", `{"clusters": [{"hosts": [{"cards": [{"address": "3b:00.0"}]}]}]}`, "line 1: clusters[0].hosts[0].cards[0].address: address, vendor and device are needed"},
		{"an id that is not hexadecimal", `{"clusters": [{"hosts": [{"cards": [{"address": "3b:00.0", "vendor": "10de", "device": "zz"}]}]}]}`, `line 1: clusters[0].hosts[0].cards[0].device: "zz" is not a 16-bit hexadecimal number`},
		{"a BAR of three gigabytes", `{"clusters": [{"hosts": [{"cards": [{"address": "3b:00.0", "vendor": "10de", "device": "20b5", "bars": ["3G:64"]}]}]}]}`, `line 1: clusters[0].hosts[0].cards[0].bars: "3G:64" is not a BAR`},
		{"an unknown boot fault", `{"clusters": [{"hosts": [{"boot_fault": "slow"}]}]}`, `line 1: clusters[0].hosts[0].boot_fault: "slow" is not a boot fault`},
		{"an unknown lockdown", `{"clusters": [{"hosts": [{"lockdown": "on"}]}]}`, `line 1: clusters[0].hosts[0].lockdown: "on" is unknown`},
		{"negative memory", `{"clusters": [{"hosts": [{"memory_gb": -1}]}]}`, "line 1: clusters[0].hosts[0].memory_gb: must not be negative"},
		{"a datastore that is not there", `{"clusters": [{"name": "a", "datastores": ["nvme"]}]}`, `line 1: clusters[0].datastores[0]: there is no datastore "nvme"`},
		{"two datastores of one name", `{"datastores": [{"name": "d"}, {"name": "d"}]}`, `line 1: datastores[1].name: there is another datastore "d"`},
		{"a datastore with a slash", `{"datastores": [{"name": "../d"}]}`, `line 1: datastores[0].name: "../d" is not a valid datastore name`},
		{"an unknown system", "{\"datastores\": [{\"name\": \"d\", \"files\": {\n\"iso/x.iso\": {\"os\": \"plan9\"}}}]}", `line 2: datastores[0].files["iso/x.iso"].os: "plan9" is unknown: windows, ubuntu, rocky, tools`},
		{"a file of two sources", `{"datastores": [{"name": "d", "files": {"x": {"os": "ubuntu", "text": "x"}}}]}`, `line 1: datastores[0].files["x"]: a file has one of`},
		{"an unknown medium", `{"datastores": [{"name": "d", "files": {"x": {"source": "builtin:toys"}}}]}`, `line 1: datastores[0].files["x"].source: "toys" is unknown`},
		{"two users of one name", `{"users": [{"name": "u"}, {"name": "u"}]}`, `line 1: users[1].name: there is another user "u"`},
		{"an unknown role", `{"users": [{"name": "u", "role": "King"}]}`, `line 1: users[0].role: "King" is unknown: Admin, ReadOnly, NoAccess`},
		{"a grant on an invalid path", `{"users": [{"name": "u", "grants": [{"path": "DC0", "role": "Admin"}]}]}`, `line 1: users[0].grants[0].path: "DC0" is not an inventory path`},
		{"a VM on an unknown host", `{"clusters": [{"name": "a", "hosts": [` + host + `]}], "vms": [{"name": "v", "host": "g"}]}`, `line 1: vms[0].host: there is no host "g"`},
		{"a VM in an unknown cluster", `{"vms": [{"name": "v", "cluster": "g"}]}`, `line 1: vms[0].cluster: there is no cluster "g"`},
		{"a second datacenter of one name", "{\"datacenter\": \"a\",\n\"datacenters\": [{\"name\": \"a\"}]}", `line 2: datacenters[0].name: there is another datacenter "a": datacenter, line 1`},
		{"a cluster in no datacenter", `{"clusters": [{"name": "c", "datacenter": "x"}]}`, `line 1: clusters[0].datacenter: there is no datacenter "x"`},
		{"a datastore in two datacenters", `{"datacenters": [{"name": "w"}], "clusters": [{"name": "c"}, {"name": "d", "datacenter": "w"}]}`, `line 1: clusters[1].datastores: datastore "ds-1" is in DC0: a datastore belongs to one datacenter`},
		{"a folder without a path", `{"folders": ["prod"]}`, `line 1: folders[0]: "prod" is not the path of a folder, such as /DC0/vm/prod`},
		{"two port groups of one name", `{"switches": [{"name": "s", "portgroups": ["p", "p"]}]}`, `line 1: switches[0].portgroups[1]: there is another port group "p"`},
		{"a vApp on standalone hosts", `{"clusters": [{"vapps": ["a"], "hosts": [` + host + `]}]}`, "line 1: clusters[0].vapps: standalone hosts have no vApps"},
		{"a VM in an unknown pool", `{"clusters": [{"name": "c", "hosts": [` + host + `]}], "vms": [{"name": "v", "cluster": "c", "pool": "gold"}]}`, `line 1: vms[0].pool: cluster "c" has no resource pool or vApp "gold"`},
		{"a VM in an unknown network", `{"vms": [{"name": "v", "network": "pg"}]}`, `line 1: vms[0].network: there is no network or port group "pg"`},
		{"a datastore in two datastore clusters", `{"datastores": [{"name": "d"}], "datastore_clusters": [{"name": "p", "datastores": ["d"]}, {"name": "q", "datastores": ["d"]}]}`, `line 1: datastore_clusters[1].datastores[0]: there is another datastore cluster with the datastore "d"`},
		{"an ESXi with a switch", `{"endpoint": "esxi", "clusters": [{"hosts": [` + host + `]}], "switches": [{"name": "s"}]}`, "line 1: endpoint: an esxi endpoint has one datacenter"},
		{"a VM without a name", "{\"vms\": [\n{}]}", "line 2: vms[0]: a VM needs a name"},
		{"two VMs of one name", "{\"vms\": [{\"name\": \"v-2\"},\n{\"name\": \"v-{n}\", \"count\": 3}]}", `line 2: vms[1].name: there is another VM "v-2": vms[0].name, line 1`},
		{"two VMs of one name in a folder", "{\"vms\": [{\"name\": \"v\", \"folder\": \"f\"}, {\"name\": \"v\"},\n{\"name\": \"v\", \"folder\": \"/f/\"}]}", `line 2: vms[2].name: there is another VM "f/v": vms[0].name, line 1`},
		{"a card that the host does not have", `{"clusters": [{"name": "a", "hosts": [` + host + `]}], "vms": [{"name": "v", "host": "h", "devices": ["3c:00.0"]}]}`, "line 1: vms[0].devices[0]: h has no card at 3c:00.0"},
		{"one card twice", `{"clusters": [{"name": "a", "hosts": [` + host + `]}], "vms": [{"name": "v", "host": "h", "devices": ["3b:00.0", "0000:3b:00.0"]}]}`, "line 1: vms[0].devices[1]: there is another device of this VM at"},
		{"an unknown installed system", `{"vms": [{"name": "v", "installed": "beos"}]}`, `line 1: vms[0].installed: "beos" is unknown: windows, windows-11, ubuntu, rocky, sles, alpine`},
		{"an unknown firmware", `{"vms": [{"name": "v", "firmware": "uefi"}]}`, `line 1: vms[0].firmware: "uefi" is unknown: bios, efi`},
		{"an invalid hardware version", `{"vms": [{"name": "v", "version": "20"}]}`, `line 1: vms[0].version: "20" is not a hardware version: use for example vmx-20`},
		{"a delay of a method without a task", `{"delays": {"PowerOn": 3}}`, `line 1: delays["PowerOn"]: only methods that end in _Task take time`},
		{"three mistakes in one file", "{\"datacentre\": \"x\",\n\"endpoint\": 3,\n\"networks\": [1]}",
			"line 1: datacentre: there is no such field; did you mean datacenter?\nline 2: endpoint: must be a string, not a number\nline 3: networks[0]: must be a string, not a number"},
	} {
		_, err := Parse([]byte(x.file))
		if err == nil {
			t.Errorf("%s is taken", x.what)
			continue
		}
		said := false
		for _, want := range strings.Split(x.want, " or line ") {
			said = said || strings.HasPrefix(err.Error(), want) || strings.HasPrefix(err.Error(), "line "+want)
		}
		if !said {
			t.Errorf("%s:\n got %s\nwant %s", x.what, err, x.want)
		}
	}
}

// The nearest valid file to all of them.
func TestAFileThatUsesEverything(t *testing.T) {
	text := `{ "datacenter": "DC1", "endpoint": "vcenter", "networks": ["VM Network", "VDI"],
  "clusters": [
    { "name": "a", "drs": "manual", "ha": true, "max_away": 2, "resource_pools": ["p"], "datastores": ["d"],
      "hosts": [ { "name": "h", "memory_gb": 256, "boot_fault": "without:0000:3b:00.0", "lockdown": "lockdownNormal", "connection": "connected",
        "cards": [ { "address": "3b:00.0", "vendor": "10de", "device": "20b5", "bars": ["16M:32", "-", "128G:64p"] },
                   { "address": "0001:3b:00.0", "vendor": "10DE", "device": "20b5" } ] } ] },
    { "name": "b", "count": 12, "hosts": [ { "name": "g-{n:02}", "boot_fault": "late:1.5" } ] } ],
  "datastores": [ { "name": "d", "capacity_gb": 10, "free_gb": 5, "files": { "x.iso": { "os": "ubuntu-stock" }, "y": { "text": "y" },
      "z": { "source": "builtin:tools" } } } ],
  "users": [ { "name": "u", "grants": [ { "path": "/DC1/host/a", "role": "ReadOnly", "propagate": false } ] } ],
  "vms": [ { "name": "v-{n}", "count": 3, "cluster": "b", "firmware": "efi", "installed": "windows-11", "version": "vmx-20", "more": { "driver": "550" } },
           { "name": "w", "host": "h", "devices": ["0000:3B:00.0", "0001:3b:00.0"], "datastore": "d", "power": "poweredOff", "extra_config": { "a": "b" } },
           { "name": "x", "host": "g-12", "template": true }, { "name": "x", "folder": "vdi/pool" } ],
  "delays": { "PowerOnVM_Task": 30 } }`
	file := filepath.Join(t.TempDir(), "fleet.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Clusters[1].Hosts) != 12 || f.Clusters[1].Hosts[11].Name != "g-12" || f.Clusters[0].Hosts[0].Cards[0].Address != "0000:3b:00.0" {
		t.Fatal(f.Clusters)
	}
	if err := os.WriteFile(file, []byte("\n\n{\"vms\": 3}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || err.Error() != file+":3: vms: must be a list, not a number" {
		t.Fatal(err)
	}
}
