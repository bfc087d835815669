// Package fleet is the description of a fleet: one JSON file, every field of which has a
// default. Without a file the demo fleet is used: two clusters of one host with two
// A100 80GB cards each, a datastore with operating-system ISOs and answer media.
package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
)

// Fleet is the whole file.
type Fleet struct {
	Datacenter       string             `json:"datacenter"`
	DatacenterFolder string             `json:"datacenter_folder"` // the path of the folders above it
	Others           []Datacenter       `json:"datacenters"`       // further ones
	Folders          []string           `json:"folders"`           // inventory paths: /DC0/vm/prod
	Switches         []Switch           `json:"switches"`
	Pods             []DatastoreCluster `json:"datastore_clusters"`
	Clusters         []Cluster          `json:"clusters"`
	Datastores       []Datastore        `json:"datastores"`
	Networks         []string           `json:"networks"`
	Users            []User             `json:"users"`
	VMs              []VM               `json:"vms"`
	// Spares are hosts that run but are in no inventory: AddHost_Task finds them by name.
	Spares []Host `json:"spares"`
	// Delays are the virtual seconds that the tasks of a method work, by its name:
	// {"PowerOnVM_Task": 30}; they replace the built-in ones.
	Delays map[string]float64 `json:"delays"`
	// Steady tasks end exactly their delay after the call, and hosts boot in exactly their time, without chance: for
	// measurements.
	Steady   bool   `json:"steady"`
	Endpoint string `json:"endpoint"` // vcenter (default), or esxi: the endpoint is the first host itself
	// BusyVM is what becomes of a reconfigure of a VM on which another task works: queue (default at
	// vcenter) or refuse (default at esxi: TaskInProgress).
	BusyVM string `json:"busy_vm"`
	// TimeZone is the time zone of the appliance that vCenter runs in; default: Etc/UTC.
	TimeZone string `json:"time_zone"`
	// Horizon is a Connection Server beside it; default: none.
	Horizon *Horizon `json:"horizon"`
	// TransferBy is how the URLs of guests' files and of exports name the VM's host behind a vCenter: address (default;
	// the names of a fleet resolve nowhere) or name, as a vCenter does.
	TransferBy string `json:"transfer_by"`
}

// Horizon describes a Connection Server.
type Horizon struct {
	Release  string           `json:"release"` // 2111, 2312 or 2606 (default)
	Domain   string           `json:"domain"`
	User     string           `json:"user"`
	Password string           `json:"password"`
	Pools    []map[string]any `json:"pools"` // name, and what differs from a new manual pool of vCenter VMs
}

// Queues reports whether a reconfigure of a busy VM waits its turn.
func (f *Fleet) Queues() bool {
	return f.BusyVM == "queue" || f.BusyVM == "" && f.Endpoint != "esxi"
}

// Cluster is a ClusterComputeResource; without a name its hosts are standalone hosts.
type Cluster struct {
	Name string `json:"name"`
	DRS  string `json:"drs"` // fullyAutomated, partiallyAutomated, manual, off
	HA   bool   `json:"ha"`
	// HostFailures is the failover level that HA's admission control guards; 0 switches it off.
	HostFailures int `json:"host_failures"`
	// HAPercent is the percentage of memory and CPU that it guards instead.
	HAPercent int    `json:"ha_percent"`
	DPM       string `json:"dpm"`  // off (default), manual, automated
	VSAN      bool   `json:"vsan"` // the hosts hold vSAN data
	// EvacuateSeconds is what evacuateAllData takes; ensureObjectAccessibility a tenth of it.
	EvacuateSeconds float64  `json:"evacuate_seconds"`
	Hosts           []Host   `json:"hosts"`
	Count           int      `json:"count"`          // creates this many copies of hosts[1], named by {n}
	MaxAway         int      `json:"max_away"`       // invariant: more hosts away at once is a violation; default 1
	Resource        []string `json:"resource_pools"` // child pools of Resources
	VApps           []string `json:"vapps"`
	Datacenter      string   `json:"datacenter"` // default: the first
	Folder          string   `json:"folder"`     // below the datacenter's host folder
	Datastores      []string `json:"datastores"` // names; empty = all
}

// Host is one ESXi host.
type Host struct {
	Name             string   `json:"name"`
	MemoryGB         int      `json:"memory_gb"`
	CPUs             int      `json:"cpus"`
	BootSeconds      float64  `json:"boot_seconds"`
	EnterSeconds     float64  `json:"enter_seconds"` // maintenance mode, once nothing runs
	ExitSeconds      float64  `json:"exit_seconds"`
	Model            string   `json:"model"`
	Vendor           string   `json:"vendor"`
	UUID             string   `json:"uuid"`
	Cards            []Device `json:"cards"`
	Devices          []Device `json:"devices"`
	Rebind           bool     `json:"rebind_without_reboot"` // capability.deviceRebindWithoutRebootSupported
	IOMMU            *bool    `json:"iommu"`                 // VT-d or AMD-Vi is on in its firmware; default true
	Above4G          *bool    `json:"above_4g"`              // its firmware decodes addresses above 4 GB; default true
	BMC              *BMC     `json:"bmc"`                   // its BMC serves Redfish; default: none that is known
	USBBoot          bool     `json:"usb_boot"`
	Maintenance      bool     `json:"maintenance"`
	Lockdown         string   `json:"lockdown"` // lockdownDisabled, lockdownNormal, lockdownStrict
	Connection       string   `json:"connection"`
	BootFault        string   `json:"boot_fault"` // "", late:SECONDS, never, without:ADDRESS
	UptimeSeconds    float64  `json:"uptime_seconds"`
	RootPassword     string   `json:"root_password"`       // what adding the host must name; empty = any
	Graphics         string   `json:"graphics"`            // shared (default), or sharedDirect: its cards serve virtual GPUs
	Standby          bool     `json:"standby"`             // switched off by DPM from the beginning
	StandbySupported *bool    `json:"standby_supported"`   // default true
	ClockSkew        float64  `json:"clock_skew_seconds"`  // its clock is so much ahead of vCenter's
	Datastores       []string `json:"datastores"`          // those of the cluster's that it sees; empty = all
	Networks         []string `json:"networks"`            // those that it has; empty = all
	Exceptions       []string `json:"lockdown_exceptions"` // users that lockdown mode lets in
}

// BMC is the Redfish service of a host.
type BMC struct {
	Manner     string         `json:"manner"` // dell (default), dell-old, hpe, ilo4, lenovo, supermicro, ami
	User       string         `json:"user"`   // default root
	Password   string         `json:"password"`
	BasicOnly  bool           `json:"basic_only"`  // it has no sessions
	JobSeconds float64        `json:"job_seconds"` // until a job of an iDRAC is scheduled
	Attributes map[string]any `json:"attributes"`  // of the BIOS, where they differ from the manner's own
}

// Device is a PCI function. BARs are written SIZE:KIND, KIND being 32, 64, 64p or io.
type Device struct {
	Address   string   `json:"address"`
	Vendor    string   `json:"vendor"`
	Device    string   `json:"device"`
	SubVendor string   `json:"subvendor"`
	SubDevice string   `json:"subdevice"`
	Name      string   `json:"name"`
	VendorTxt string   `json:"vendor_name"`
	Class     string   `json:"class"`
	Revision  string   `json:"revision"`
	BARs      []string `json:"bars"`
	Capable   *bool    `json:"capable"`
	Enabled   bool     `json:"enabled"`
	Active    *bool    `json:"active"` // default: as enabled
	Dependent string   `json:"dependent"`
	Label     string   `json:"label"`
	Slot      string   `json:"slot"`
	Parent    string   `json:"parent"`
	NUMA      *int     `json:"numa"` // the node of the host that it is on
	Role      string   `json:"role"` // vga, nic, hba, usb, bridge, gpu...
}

// Datastore is a VMFS volume that all hosts see.
type Datastore struct {
	Name       string          `json:"name"`
	CapacityGB int             `json:"capacity_gb"`
	FreeGB     int             `json:"free_gb"`
	Files      map[string]File `json:"files"`
}

// File is a file that is on a datastore from the start: an OS ISO (os), a file of
// this computer (source: a path), or plain text.
type File struct {
	OS      string `json:"os"`
	Source  string `json:"source"`
	Text    string `json:"text"`
	SizeMB  int    `json:"size_mb"`
	Version string `json:"version"`
	Prompt  int    `json:"prompt"` // of windows-prompt: seconds in which a key must be pressed, 0 five
}

// User may log in. Role: Admin (default), ReadOnly, NoAccess, or a list of privileges.
type User struct {
	Name       string   `json:"name"`
	Password   string   `json:"password"`
	Role       string   `json:"role"`
	Privileges []string `json:"privileges"`
	Grants     []Grant  `json:"grants"` // permissions on inventory paths; without any the role applies everywhere
}

// Grant is a permission on an inventory path. Propagate is true unless said otherwise.
type Grant struct {
	Path       string   `json:"path"`
	Role       string   `json:"role"`
	Privileges []string `json:"privileges"`
	Propagate  *bool    `json:"propagate"`
}

// VM is a virtual machine that exists from the start.
type VM struct {
	Name        string            `json:"name"`
	Count       int               `json:"count"`
	Host        string            `json:"host"`
	Cluster     string            `json:"cluster"`
	Datastore   string            `json:"datastore"`
	Folder      string            `json:"folder"`
	Pool        string            `json:"pool"`    // a resource pool or vApp of the cluster
	Network     string            `json:"network"` // default: the first
	Guest       string            `json:"guest"`
	Firmware    string            `json:"firmware"`
	MemoryMB    int64             `json:"memory_mb"`
	CPUs        int32             `json:"cpus"`
	DiskGB      int               `json:"disk_gb"`
	CDROM       bool              `json:"cdrom"`   // it has an empty CD-ROM drive
	Version     string            `json:"version"` // vmx-20
	Power       string            `json:"power"`   // poweredOff (default), poweredOn
	ExtraConfig map[string]string `json:"extra_config"`
	Devices     []string          `json:"devices"` // addresses of cards on the host: fixed backing
	MemoryLock  bool              `json:"memory_lock"`
	Installed   string            `json:"installed"` // windows, ubuntu, rocky, sles or alpine: an OS with Tools is on the disk
	Username    string            `json:"username"`
	Password    string            `json:"password"`
	Template    bool              `json:"template"`
	More        map[string]any    `json:"more"` // for the packages vm and guest
}

// Load reads a file; an empty path gives the demo fleet. Defaults are filled in.
func Load(path string) (*Fleet, error) {
	f := Demo()
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if f, err = parse(path, data); err != nil {
			return nil, err
		}
	}
	return f, f.fill()
}

// Parse reads the JSON. Misspelt fields, wrong types and invalid values are errors that name
// their lines.
func Parse(data []byte) (*Fleet, error) { return parse("", data) }

func parse(name string, data []byte) (*Fleet, error) {
	p := &problems{}
	root := read(data, p)
	f := &Fleet{}
	if root != nil {
		p.shape(root, reflect.TypeOf(*f), "")
	}
	if err := p.err(name); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, err
	}
	(&checker{p, root}).fleet(f)
	return f, p.err(name)
}

// Fill sets the defaults of a fleet built in Go; Load does it itself.
func (f *Fleet) Fill() error { return f.fill() }

func (f *Fleet) fill() error {
	if f.Datacenter == "" {
		f.Datacenter = "DC0"
	}
	switch f.Endpoint {
	case "", "vcenter":
	case "esxi":
		if len(f.Clusters) == 0 || len(f.Clusters[0].Hosts) == 0 {
			return fmt.Errorf("an esxi endpoint needs a host")
		}
		f.Clusters = f.Clusters[:1]
		f.Clusters[0].Hosts = f.Clusters[0].Hosts[:1]
		f.Clusters[0].Name = ""
	default:
		return fmt.Errorf("unknown endpoint %q: vcenter or esxi", f.Endpoint)
	}
	hosts := 0
	for i := range f.Clusters {
		hosts += len(f.Clusters[i].Hosts)
	}
	switch {
	case hosts == 0:
		return fmt.Errorf("a fleet needs a host: clusters[].hosts[]")
	case f.Networks != nil && len(f.Networks) == 0, f.Datastores != nil && len(f.Datastores) == 0:
		return fmt.Errorf("a fleet needs a network and a datastore: without the field there is one")
	case strings.ContainsAny(f.Datacenter, `/\%`):
		return fmt.Errorf("datacenter: %q is not a valid datacenter name", f.Datacenter)
	}
	if f.Networks == nil {
		f.Networks = []string{"VM Network"}
	}
	if f.Datastores == nil {
		f.Datastores = []Datastore{{Name: "ds-1"}}
	}
	for i := range f.Datastores {
		if d := &f.Datastores[i]; d.CapacityGB == 0 {
			d.CapacityGB = 4096
		}
		if d := &f.Datastores[i]; d.FreeGB == 0 {
			d.FreeGB = d.CapacityGB
		}
	}
	total := 0
	for i := range f.Clusters {
		c := &f.Clusters[i]
		if c.DRS == "" {
			c.DRS = "fullyAutomated"
		}
		if c.MaxAway == 0 {
			c.MaxAway = 1
		}
		if c.EvacuateSeconds == 0 {
			c.EvacuateSeconds = 600
		}
		if c.DPM == "" {
			c.DPM = "off"
		}
		if c.DPM != "off" && c.DPM != "manual" && c.DPM != "automated" {
			return fmt.Errorf("cluster %s: unknown dpm %q: off, manual or automated", c.Name, c.DPM)
		}
		if c.Count > 0 {
			if len(c.Hosts) != 1 {
				return fmt.Errorf("cluster %s: count needs exactly one host as the pattern", c.Name)
			}
			pattern := c.Hosts[0]
			c.Hosts = nil
			for n := 1; n <= c.Count; n++ {
				h := pattern
				h.Cards = append([]Device(nil), pattern.Cards...)
				h.Devices = append([]Device(nil), pattern.Devices...)
				h.Name = Numbered(pattern.Name, n)
				c.Hosts = append(c.Hosts, h)
			}
			c.Count = 0
		}
		for j := range c.Hosts {
			total++
			if err := c.Hosts[j].fill(total); err != nil {
				return fmt.Errorf("cluster %s: %w", c.Name, err)
			}
		}
	}
	for i := range f.Spares {
		total++
		if err := f.Spares[i].fill(total); err != nil {
			return fmt.Errorf("spares: %w", err)
		}
	}
	for i := range f.Users {
		if f.Users[i].Role == "" && f.Users[i].Privileges == nil && f.Users[i].Grants == nil {
			f.Users[i].Role = "Admin"
		}
	}
	return nil
}

// Numbered replaces {n} or {n:03} with n, or appends n.
func Numbered(pattern string, n int) string {
	open := strings.Index(pattern, "{n")
	if open < 0 {
		return pattern + "-" + strconv.Itoa(n)
	}
	shut := strings.Index(pattern[open:], "}")
	if shut < 0 {
		return pattern + "-" + strconv.Itoa(n)
	}
	width := 0
	if _, w, ok := strings.Cut(pattern[open:open+shut], ":"); ok {
		width, _ = strconv.Atoi(w)
	}
	return pattern[:open] + fmt.Sprintf("%0*d", width, n) + pattern[open+shut+1:]
}

func (h *Host) fill(n int) error {
	if h.Name == "" {
		h.Name = fmt.Sprintf("esx-%d", n)
	}
	if h.MemoryGB == 0 {
		h.MemoryGB = 512
	}
	if h.CPUs == 0 {
		h.CPUs = 64
	}
	if h.BootSeconds == 0 {
		h.BootSeconds = 240
	}
	if h.BMC != nil && h.BMC.Manner == "" {
		h.BMC.Manner = "dell"
	}
	if h.BMC != nil && h.BMC.User == "" {
		h.BMC.User = "root"
	}
	if h.EnterSeconds == 0 {
		h.EnterSeconds = 8
	}
	if h.ExitSeconds == 0 {
		h.ExitSeconds = 4
	}
	if h.Model == "" {
		h.Model = "ThinkSystem SR670 V2"
	}
	if h.Vendor == "" {
		h.Vendor = "Example Systems"
	}
	if h.Lockdown == "" {
		h.Lockdown = "lockdownDisabled"
	}
	if h.Connection == "" {
		h.Connection = "connected"
	}
	if h.UptimeSeconds == 0 {
		h.UptimeSeconds = 40 * 86400
	}
	if h.Devices == nil {
		h.Devices = BoardDevices()
	}
	seen := map[string]bool{}
	for _, list := range [][]Device{h.Devices, h.Cards} {
		for i := range list {
			d := &list[i]
			if err := d.fill(); err != nil {
				return fmt.Errorf("host %s: device %d: %w", h.Name, i+1, err)
			}
			if seen[d.Address] {
				return fmt.Errorf("host %s: two devices at %s", h.Name, d.Address)
			}
			seen[d.Address] = true
		}
	}
	return nil
}
