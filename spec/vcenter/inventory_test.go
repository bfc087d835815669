package main

// The inventories of the fleet file and of the flags that vcsim has too. The witness is
// govmomi's simulator itself, created with the same numbers and read by the same client.

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// paths lists every entity below the root folder: its type and inventory path.
func paths(t *testing.T, ctx context.Context, c *govmomi.Client) []string {
	t.Helper()
	root := c.ServiceContent.RootFolder
	v, err := view.NewManager(c.Client).CreateContainerView(ctx, root, []string{"ManagedEntity"}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Destroy(ctx) }()
	var list []types.ObjectContent
	if err := v.Retrieve(ctx, []string{"ManagedEntity"}, []string{"name", "parent"}, &list); err != nil {
		t.Fatal(err)
	}
	names, parents := map[types.ManagedObjectReference]string{}, map[types.ManagedObjectReference]types.ManagedObjectReference{}
	for _, o := range list {
		for _, p := range o.PropSet {
			switch x := p.Val.(type) {
			case string:
				names[o.Obj] = x
			case types.ManagedObjectReference:
				parents[o.Obj] = x
			}
		}
	}
	var path func(ref types.ManagedObjectReference) string
	path = func(ref types.ManagedObjectReference) string {
		if ref == root {
			return ""
		}
		return path(parents[ref]) + "/" + names[ref]
	}
	var out []string
	for _, o := range list {
		out = append(out, o.Obj.Type+" "+path(o.Obj))
	}
	slices.Sort(out)
	return out
}

// power lists the power states of all VMs.
func power(t *testing.T, ctx context.Context, c *govmomi.Client) []string {
	t.Helper()
	v, err := view.NewManager(c.Client).CreateContainerView(ctx, c.ServiceContent.RootFolder, []string{"VirtualMachine"}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Destroy(ctx) }()
	var vms []mo.VirtualMachine
	if err := v.Retrieve(ctx, []string{"VirtualMachine"}, []string{"runtime.powerState"}, &vms); err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, vm := range vms {
		out = append(out, string(vm.Runtime.PowerState))
	}
	return out
}

func login(t *testing.T, ctx context.Context, r ready) *govmomi.Client {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(r.Username, r.Password)
	c, err := govmomi.NewClient(ctx, u, true)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var uplinks = regexp.MustCompile(`DVUplinks-\d+`)

func TestTheInventoryOfVcsimsFlags(t *testing.T) {
	ctx := context.Background()
	for _, args := range []string{"-dc 1", "-cluster 2 -host 1 -vm 1 -standalone-host 0", "-dc 2 -folder 1 -pool 2 -app 1 -pod 1 -pg 2 -vm 1", "-cluster 0 -standalone-host 2 -pg 0",
		"-esx -vm 3 -ds 2", "-autostart=false -vm 1"} {
		t.Run(args, func(t *testing.T) {
			r, stop := serve(t, strings.Fields(args)...)
			c := login(t, ctx, r)
			got, powered := paths(t, ctx, c), power(t, ctx, c)
			_ = c.Logout(ctx)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			m, f := simulator.VPX(), strings.Fields(args)
			if f[0] == "-esx" {
				m, f = simulator.ESX(), f[1:]
			}
			if m.Autostart = f[0] != "-autostart=false"; !m.Autostart {
				f = f[1:]
			}
			for i := 0; i < len(f); i += 2 {
				var n int
				if _, err := fmt.Sscan(f[i+1], &n); err != nil {
					t.Fatal(err)
				}
				*map[string]*int{"-dc": &m.Datacenter, "-cluster": &m.Cluster, "-host": &m.ClusterHost, "-standalone-host": &m.Host, "-vm": &m.Machine,
					"-pool": &m.Pool, "-app": &m.App, "-folder": &m.Folder, "-pod": &m.Pod, "-ds": &m.Datastore, "-pg": &m.Portgroup}[f[i]] = n
			}
			if err := m.Create(); err != nil {
				t.Fatal(err)
			}
			defer m.Remove()
			m.Service.TLS = new(tls.Config)
			s := m.Service.NewServer()
			defer s.Close()
			stock, err := govmomi.NewClient(ctx, s.URL, true)
			if err != nil {
				t.Fatal(err)
			}
			want := paths(t, ctx, stock)
			if p := power(t, ctx, stock); !slices.Equal(powered, p) {
				t.Errorf("power states: %v, of vcsim: %v", powered, p)
			}
			plain := func(list []string) []string {
				out := []string{}
				for _, p := range list {
					// each datacenter of vcsim has a LocalDS_0: here they are numbered on
					p = regexp.MustCompile(`LocalDS_\d+`).ReplaceAllString(uplinks.ReplaceAllString(p, "DVUplinks"), "LocalDS")
					p = strings.Replace(p, "DistributedVirtualSwitch ", "VmwareDistributedVirtualSwitch ", 1)
					p = strings.Replace(p, "VmwareVmware", "Vmware", 1)
					out = append(out, p)
				}
				slices.Sort(out)
				return out
			}
			a, b := plain(got), plain(want)
			for _, p := range b {
				if !slices.Contains(a, p) {
					t.Errorf("vcsim has %s", p)
				}
			}
			for _, p := range a {
				if !slices.Contains(b, p) {
					t.Errorf("only here: %s", p)
				}
			}
		})
	}
}

func TestTheInventoryOfAFile(t *testing.T) {
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "fleet.json")
	if err := os.WriteFile(file, []byte(`{
 "datacenter": "east", "datacenter_folder": "sites/one", "datacenters": [{"name": "west"}],
 "folders": ["/sites/one/east/vm/prod/gpu", "/west/host/rack-7", "/spare"],
 "datastores": [{"name": "ds-e"}, {"name": "ds-w1"}, {"name": "ds-w2"}],
 "switches": [{"name": "vds", "datacenter": "west", "portgroups": ["pg-gpu"]}],
 "datastore_clusters": [{"name": "pod-w", "datacenter": "west", "datastores": ["ds-w1", "ds-w2"]}],
 "clusters": [
  {"name": "c-e", "datastores": ["ds-e"], "resource_pools": ["gold"], "vapps": ["app"], "hosts": [{"name": "h-e"}]},
  {"name": "c-w", "datacenter": "west", "folder": "rack-7", "datastores": ["ds-w1", "ds-w2"], "hosts": [{"name": "h-w"}]},
  {"datacenter": "west", "datastores": ["ds-w1"], "hosts": [{"name": "alone"}]}],
 "vms": [
  {"name": "a", "cluster": "c-e", "pool": "gold", "folder": "prod/gpu"}, {"name": "b", "cluster": "c-e", "pool": "app"},
  {"name": "c", "cluster": "c-w", "network": "pg-gpu"}, {"name": "t", "cluster": "c-w", "template": true}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, stop := serve(t, "-fleet", file)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	c := login(t, ctx, r)
	defer func() { _ = c.Logout(ctx) }()
	got := paths(t, ctx, c)
	for _, want := range []string{"Datacenter /sites/one/east", "Datacenter /west", "Folder /sites/one/east/vm/prod/gpu", "Folder /west/host/rack-7", "Folder /spare",
		"VirtualMachine /sites/one/east/vm/prod/gpu/a", "VirtualApp /sites/one/east/host/c-e/Resources/app", "ResourcePool /sites/one/east/host/c-e/Resources/gold",
		"ClusterComputeResource /west/host/rack-7/c-w", "HostSystem /west/host/alone/alone", "StoragePod /west/datastore/pod-w", "Datastore /west/datastore/pod-w/ds-w1",
		"Datastore /west/datastore/pod-w/ds-w2", "Datastore /sites/one/east/datastore/ds-e", "DistributedVirtualPortgroup /west/network/pg-gpu"} {
		if !slices.Contains(got, want) {
			t.Errorf("missing: %s\n%s", want, strings.Join(got, "\n"))
		}
	}
	f := find.NewFinder(c.Client)
	vm, err := f.VirtualMachine(ctx, "/west/vm/c")
	if err != nil {
		t.Fatal(err)
	}
	var p mo.VirtualMachine
	if err := vm.Properties(ctx, vm.Reference(), []string{"network", "datastore", "runtime.host"}, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Network) != 1 || p.Network[0].Type != "DistributedVirtualPortgroup" {
		t.Errorf("the VM is in %v, not in its port group", p.Network)
	}
	b, err := f.VirtualMachine(ctx, "/sites/one/east/vm/b")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := b.ResourcePool(ctx)
	if err != nil || pool.Reference().Type != "VirtualApp" {
		t.Errorf("b is in %v, not in its vApp (%v)", pool, err)
	}
}

func TestMistakesInAnInventory(t *testing.T) {
	for args, want := range map[string]string{
		"-dc 0":                         "-dc, and -cluster with -host, or -standalone-host",
		"-folder 2":                     "-folder 2: at most one for each of the 1 datacenters",
		"-vm -1":                        "must not be negative",
		"-ds 0":                         "-ds must be at least 1",
		"-fleet x.json -dc 2":           "-fleet cannot be combined",
		"-cluster 0 -standalone-host 0": "an inventory needs a datacenter and a host",
	} {
		if err := run(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", args, err, want)
		}
	}
}
