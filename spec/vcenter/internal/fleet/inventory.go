package fleet

// inventory.go: what an inventory has besides clusters, hosts and VMs: more datacenters,
// folders, vApps, distributed switches, datastore clusters. Names of clusters, hosts, VMs'
// datastores and port groups are unique in the fleet, so that a file can refer to them.

import (
	"fmt"
	"slices"
	"strings"
)

// Datacenter is one beside the first; Folder is the path of the folders above it ("site-b/lab").
type Datacenter struct {
	Name   string `json:"name"`
	Folder string `json:"folder"`
}

// Switch is a distributed switch that all hosts of its datacenter have joined.
type Switch struct {
	Name       string   `json:"name"`
	Datacenter string   `json:"datacenter"` // default: the first
	Folder     string   `json:"folder"`     // below the datacenter's network folder
	Portgroups []string `json:"portgroups"`
}

// DatastoreCluster is a StoragePod.
type DatastoreCluster struct {
	Name       string   `json:"name"`
	Datacenter string   `json:"datacenter"` // default: the first
	Datastores []string `json:"datastores"`
}

// Centers are all datacenters; the first is the fleet's own.
func (f *Fleet) Centers() []Datacenter {
	return append([]Datacenter{{f.Datacenter, f.DatacenterFolder}}, f.Others...)
}

// CenterOf is the name of a datacenter; an empty one means the first.
func (f *Fleet) CenterOf(name string) string {
	if name == "" {
		return f.Datacenter
	}
	return name
}

// Sees reports whether the hosts of a cluster have a datastore.
func (c *Cluster) Sees(datastore string) bool {
	return len(c.Datastores) == 0 || slices.Contains(c.Datastores, datastore)
}

// inventory checks what this file declares.
func (c *checker) inventory(f *Fleet, stores map[string]string) {
	centers := map[string]string{}
	first := f.Datacenter
	if first == "" {
		first = "DC0"
	}
	centers[first] = "datacenter"
	for i, d := range f.Others {
		path := fmt.Sprintf("datacenters[%d]", i)
		if d.Name == "" || strings.ContainsAny(d.Name, `/\%`) {
			c.say(path+".name", "%q is not a valid datacenter name", d.Name)
		}
		c.once(centers, path+".name", "datacenter", d.Name)
	}
	if f.Endpoint == "esxi" && (len(f.Others) > 0 || len(f.Switches) > 0 || len(f.Pods) > 0) {
		c.say("endpoint", "an esxi endpoint has one datacenter, and no distributed switches or datastore clusters")
	}
	known := func(path, name string) {
		if name != "" && centers[name] == "" {
			c.say(path, "there is no datacenter %q", name)
		}
	}
	for i, path := range f.Folders {
		parts := strings.Split(strings.Trim(path, "/"), "/")
		if !strings.HasPrefix(path, "/") || slices.Contains(parts, "") {
			c.say(fmt.Sprintf("folders[%d]", i), "%q is not the path of a folder, such as /DC0/vm/prod", path)
		}
	}
	owner := map[string]string{} // of a datastore: its datacenter
	for i := range f.Clusters {
		cl, path := &f.Clusters[i], fmt.Sprintf("clusters[%d]", i)
		known(path+".datacenter", cl.Datacenter)
		apps := map[string]string{}
		for j, name := range cl.VApps {
			c.once(apps, fmt.Sprintf("%s.vapps[%d]", path, j), "vApp", name)
		}
		if cl.Name == "" && len(cl.VApps) > 0 {
			c.say(path+".vapps", "standalone hosts have no vApps: give the cluster a name")
		}
		at := cl.Datacenter
		if at == "" {
			at = first
		}
		for _, name := range sorted(stores) {
			if !cl.Sees(name) {
				continue
			}
			if other := owner[name]; other != "" && other != at {
				c.say(path+".datastores", "datastore %q is in %s: a datastore belongs to one datacenter, so name the datastores of each cluster", name, other)
				break
			}
			owner[name] = at
		}
	}
	names := map[string]string{}
	for i, s := range f.Switches {
		path := fmt.Sprintf("switches[%d]", i)
		known(path+".datacenter", s.Datacenter)
		if s.Name == "" {
			c.say(path, "a switch needs a name")
		}
		c.once(names, path+".name", "switch in the datacenter", f.CenterOf(s.Datacenter)+"/"+s.Name)
		for j, name := range s.Portgroups {
			c.once(names, fmt.Sprintf("%s.portgroups[%d]", path, j), "port group", name)
		}
	}
	pods := map[string]string{}
	taken := map[string]string{}
	for i, p := range f.Pods {
		path := fmt.Sprintf("datastore_clusters[%d]", i)
		known(path+".datacenter", p.Datacenter)
		if p.Name == "" {
			c.say(path, "a datastore cluster needs a name")
		}
		c.once(pods, path+".name", "datastore cluster", p.Name)
		for j, name := range p.Datastores {
			at := fmt.Sprintf("%s.datastores[%d]", path, j)
			if stores[name] == "" {
				c.say(at, "there is no datastore %q", name)
			}
			c.once(taken, at, "datastore cluster with the datastore", name)
		}
	}
}

// place checks where a VM is put.
func (c *checker) place(path string, v *VM, f *Fleet) {
	if v.Pool != "" && v.Cluster == "" {
		c.say(path+".pool", "a pool or vApp is one of a cluster: name the cluster")
	}
	for i := range f.Clusters {
		if cl := &f.Clusters[i]; v.Pool != "" && cl.Name == v.Cluster && !slices.Contains(cl.Resource, v.Pool) && !slices.Contains(cl.VApps, v.Pool) {
			c.say(path+".pool", "cluster %q has no resource pool or vApp %q", v.Cluster, v.Pool)
		}
	}
	if v.Network == "" || v.Network == "VM Network" || slices.Contains(f.Networks, v.Network) {
		return
	}
	for _, s := range f.Switches {
		if slices.Contains(s.Portgroups, v.Network) {
			return
		}
	}
	c.say(path+".network", "there is no network or port group %q", v.Network)
}
