package fleet

// counts.go: a fleet by numbers alone, with the names that govmomi's vcsim gives for the
// same flags (simulator.Model), so that suites written for vcsim find what they look for.

import "fmt"

// Counts are vcsim's flags; -host is per cluster, the others but -folder per datacenter or
// cluster, as there.
type Counts struct {
	Datacenters, Clusters, Hosts, Standalone, VMs, Pools, Apps, Folders, Pods, Datastores, Portgroups, GPUs int
	Autostart                                                                                               bool // VMs are powered on
	ESX                                                                                                     bool // the endpoint is one ESXi host (-esx): of the numbers only VMs and Datastores count
}

// VCSim are the defaults of vcsim.
var VCSim = Counts{Datacenters: 1, Clusters: 1, Hosts: 3, Standalone: 1, VMs: 2, Datastores: 1, Portgroups: 1, Autostart: true}

// Check refuses numbers that make no inventory.
func (n Counts) Check() error {
	for _, x := range []int{n.Datacenters, n.Clusters, n.Hosts, n.Standalone, n.VMs, n.Pools, n.Apps, n.Folders, n.Pods, n.Datastores, n.Portgroups, n.GPUs} {
		if x < 0 {
			return fmt.Errorf("the numbers of the inventory must not be negative")
		}
	}
	switch {
	case n.Datacenters == 0 || n.Clusters*n.Hosts+n.Standalone == 0:
		return fmt.Errorf("an inventory needs a datacenter and a host: -dc, and -cluster with -host, or -standalone-host")
	case n.Datastores == 0:
		return fmt.Errorf("-ds must be at least 1")
	case n.Folders > n.Datacenters:
		return fmt.Errorf("-folder %d: at most one for each of the %d datacenters", n.Folders, n.Datacenters)
	case n.GPUs > 16:
		return fmt.Errorf("-gpus %d: at most 16 in a host", n.GPUs)
	}
	return nil
}

func (n Counts) host(name string) Host {
	h := Host{Name: name}
	for i := 0; i < n.GPUs; i++ {
		h.Cards = append(h.Cards, A100(fmt.Sprintf("0000:%02x:00.0", 0x3b+i*4)))
	}
	return h
}

func (n Counts) power() string {
	if n.Autostart {
		return "poweredOn"
	}
	return "poweredOff"
}

// esx is the inventory of vcsim -esx.
func (n Counts) esx() *Fleet {
	f := &Fleet{Endpoint: "esxi", Datacenter: "ha-datacenter", Networks: []string{"VM Network"}}
	for i := 0; i < n.Datastores; i++ {
		f.Datastores = append(f.Datastores, Datastore{Name: fmt.Sprintf("LocalDS_%d", i)})
	}
	h := n.host("localhost.localdomain")
	f.Clusters = []Cluster{{Hosts: []Host{h}}}
	for i := 0; i < n.VMs; i++ {
		f.VMs = append(f.VMs, VM{Name: fmt.Sprintf("ha-host_VM%d", i), Host: h.Name, Datastore: "LocalDS_0", Network: "VM Network",
			DiskGB: 10, CDROM: true, MemoryMB: 1024, CPUs: 1, Power: n.power()})
	}
	return f
}

// Fleet builds it. Datastores are numbered on from one datacenter to the next, where vcsim
// gives each datacenter the same names.
func (n Counts) Fleet() *Fleet {
	if n.ESX {
		return n.esx()
	}
	f := &Fleet{Networks: []string{"VM Network"}, Datastores: []Datastore{}}
	for d := 0; d < n.Datacenters; d++ {
		dc, folder := fmt.Sprintf("DC%d", d), ""
		// with fewer folders than datacenters, the last datacenters are the ones in folders
		if k := d - (n.Datacenters - n.Folders); k >= 0 {
			folder = fmt.Sprintf("F%d", k)
		}
		if d == 0 {
			f.Datacenter, f.DatacenterFolder = dc, folder
		} else {
			f.Others = append(f.Others, Datacenter{dc, folder})
		}
		if folder != "" {
			f.Folders = append(f.Folders, "/"+folder+"/"+dc+"/datastore/"+folder, "/"+folder+"/"+dc+"/network/"+folder)
		}
		var stores []string
		for i := 0; i < n.Datastores; i++ {
			stores = append(stores, fmt.Sprintf("LocalDS_%d", d*n.Datastores+i))
			f.Datastores = append(f.Datastores, Datastore{Name: stores[i]})
		}
		for i := 0; i < n.Pods; i++ {
			f.Pods = append(f.Pods, DatastoreCluster{Name: fmt.Sprintf("%s_POD%d", dc, i), Datacenter: dc})
		}
		network := "VM Network"
		if n.Portgroups > 0 {
			s := Switch{Name: "DVS0", Datacenter: dc, Folder: folder}
			for i := 0; i < n.Portgroups; i++ {
				s.Portgroups = append(s.Portgroups, fmt.Sprintf("%s_DVPG%d", dc, i))
			}
			f.Switches, network = append(f.Switches, s), s.Portgroups[0]
		}
		vms := func(prefix, host, cluster, pool string) {
			for i := 0; i < n.VMs; i++ {
				f.VMs = append(f.VMs, VM{Name: fmt.Sprintf("%s_VM%d", prefix, i), Host: host, Cluster: cluster, Pool: pool, Folder: folder,
					Datastore: stores[0], Network: network, DiskGB: 10, CDROM: true, MemoryMB: 1024, CPUs: 1, Power: n.power()})
			}
		}
		for i := 0; i < n.Standalone; i++ {
			h := n.host(fmt.Sprintf("%s_H%d", dc, i))
			f.Clusters = append(f.Clusters, Cluster{Datacenter: dc, Folder: folder, Datastores: stores, Hosts: []Host{h}})
			vms(h.Name, h.Name, "", "")
		}
		for i := 0; i < n.Clusters; i++ {
			c := Cluster{Name: fmt.Sprintf("%s_C%d", dc, i), Datacenter: dc, Folder: folder, Datastores: stores, Hosts: []Host{}}
			for j := 0; j < n.Hosts; j++ {
				c.Hosts = append(c.Hosts, n.host(fmt.Sprintf("%s_H%d", c.Name, j)))
			}
			if n.Pools == 0 && n.Hosts > 0 {
				vms(c.Name+"_RP0", "", c.Name, "")
			}
			for j := 1; j <= n.Pools; j++ {
				c.Resource = append(c.Resource, fmt.Sprintf("%s_RP%d", c.Name, j))
				if n.Hosts > 0 {
					vms(c.Resource[j-1], "", c.Name, c.Resource[j-1])
				}
			}
			for j := 0; j < n.Apps; j++ {
				c.VApps = append(c.VApps, fmt.Sprintf("%s_APP%d", c.Name, j))
				if n.Hosts > 0 {
					vms(c.VApps[j], "", c.Name, c.VApps[j])
				}
			}
			f.Clusters = append(f.Clusters, c)
		}
	}
	return f
}
