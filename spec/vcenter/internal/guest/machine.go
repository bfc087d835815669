// Package guest is the inside of a virtual machine: firmware, installer, operating system,
// Tools, files and programs. Nothing here depends on SOAP. What a guest shows (lspci, PnP, dmesg,
// nvidia-smi) is computed from the devices that were present when the VM was powered on,
// and from what was installed on its disk since; no answer is hard-coded.
//
//	blank disk -> boots an OS ISO -> reads the answer medium's bytes -> installs -> reboots
//	           -> Tools start -> guest operations are ready
//
// A Machine has its own lock. It calls Changed and Power without holding it, so that these
// may take the world's lock; the order is always world before Machine.
package guest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"gpupt.test/vcenter/internal/iso"
)

// Clock is virtual time; Sleep is false when ctx ended first.
type Clock interface {
	Sleep(ctx context.Context, d time.Duration) bool
}

// Hardware is what the firmware finds at power-on.
type Hardware struct {
	Name       string
	EFI        bool
	CPUs       int
	MemoryMB   int64
	Devices    []*Device
	CDs        []*CD
	NICs       []NIC
	Disk       bool   // a virtual disk is there
	DiskDriver string // controller: lsisas, pvscsi, nvme, ahci, lsilogic, buslogic
	DiskGB     int
	Hidden     bool // hypervisor.cpuid.v0 = FALSE
	CDFirst    bool // boot order set explicitly: the CD before the disk
	SecureBoot bool
}

// NIC is a virtual network card.
type NIC struct {
	MAC, Kind, Network string
	Connected          bool
}

// CD is a drive with a medium.
type CD struct {
	Key    int32
	Where  string // the backing's file name
	Medium *iso.Image
	letter string
	dir    string // unpacked files
}

// User is an account of the installed system.
type User struct {
	Name   string
	Secret string // as the system stores it: plain:..., or a crypt hash
	Admin  bool   // root, Administrator
	Sudo   bool   // without a password
	Sudoer bool   // with the password
}

// Disk is what survives power-off; a clone gets a copy.
type Disk struct {
	OS        string // "", windows, ubuntu (any Linux)
	Distro    string // of Linux: "" Ubuntu, or a name of distros
	Version   string
	EFI       bool
	Hostname  string
	Users     []User
	Tools     *Tools
	Packages  map[string]string // Linux packages, Windows programs: name -> version
	Driver    string            // version of the NVIDIA driver, "" none
	OpenKmod  bool              // its open kernel modules
	Signed    bool              // signed by the distribution: Secure Boot takes them
	NoKmod    bool              // the driver's programs are there, its kernel modules are not
	Unbuilt   map[string]bool   // what DKMS failed to build of other drivers ("amdgpu/6.8.5-2041575.24.04")
	Pending   *Customization    // waits for Tools
	Static    string            // address of the first card, \"\" DHCP
	SID       string            // of Windows
	RunOnce   []string          // Windows: commands of the next logon
	Reboot    bool              // a restart is pending
	Initramfs map[string]bool   // modules kept out since the last update-initramfs
	Registry  map[string]string // Windows values that programs set
	FabricOn  bool              // Fabric Manager starts with the system
}

// Info is a snapshot of the guest for other packages.
type Info struct {
	State    string // off, firmware, installing, stuck, booting, running, stopping
	Stage    string
	Why      string // why it is stuck
	OS       string
	Distro   string
	Version  string
	Hostname string
	IP       string
	Tools    Tools
	HasTools bool
	ToolsRun string // guestToolsNotRunning, guestToolsExecutingScripts, guestToolsRunning
	Ready    bool   // guest operations
	Devices  []DeviceReport
	Custom   CustomizationState
	Static   bool  // its address was set, not given by DHCP
	Live     bool  // Tools are those of an installer
	Written  int64 // bytes of the first disk that were written
	Volumes  []Volume
}

// Volume is a file system that Tools report.
type Volume struct {
	Path, FileSystem string
	Capacity, Free   int64
}

// DeviceReport says how the guest sees a passed-through device.
type DeviceReport struct {
	Address string `json:"address"`
	Host    string `json:"host"`
	ID      string `json:"id"`
	Driver  string `json:"driver"`
	Code    int    `json:"code"` // Windows problem code
	Placed  bool   `json:"placed"`
}

// Machine is one guest.
type Machine struct {
	Dir     string
	Clock   Clock
	Parent  context.Context // ends with the server
	Changed func()
	Power   func(what string)         // "off" or "reboot", requested by the guest
	Note    func(kind, format string) // timeline

	mu         sync.Mutex
	disk       Disk
	hw         *Hardware
	state      string
	stage, why string
	toolsRun   string
	ready      bool
	netTold    bool // Tools have reported the addresses
	booted     time.Time
	cancel     context.CancelFunc
	ctx        context.Context
	wg         sync.WaitGroup
	procs      map[int64]*Process
	nextPid    int64
	kernel     []string // dmesg
	modules    map[string]bool
	problem    map[string]int // host address -> problem code set by /gpsim/set
	session    string         // a user at the console
	msi        bool           // an installation is running
	deaf       bool           // ignores a shutdown request
	custom     CustomizationState
	attributes map[string]WindowsAttributes // by file of this computer
	apt        bool                         // dpkg's lock is held
	live       bool                         // the installer itself runs Tools
	written    int64                        // bytes of the first disk
	installer  InstallerTrouble             // of Windows Installer
	language   string                       // of Windows: "" English, de
	amdDkms    bool                         // the loaded amdgpu is that of amdgpu-dkms
	fabric     bool                         // Fabric Manager runs
	fabricSaid string                       // why it does not
	freeMB     int                          // of the system disk, 0 half of it, -1 none
	takesMB    int                          // what an upload may write before the disk is full, 0 all
	dkmsFails  string                       // what DKMS fails to build with
	restarts   bool                         // the guest restarts under the next upload
	psMode     string                       // PowerShell: "" as it comes, constrained, absent
	missed     []string                     // see unsupported.go
	lockout    int                          // wrong passwords that lock an account: 0 as the system has it, -1 never
	maxLogons  int                          // programs at once, 0 without limit
	listLag    time.Duration                // of virtual time until a new program is listed
	bad        map[string]*badLogins
	owners     map[string]string // files with another owner than their path implies
	service    int               // counts the starts of Tools: a newer one replaces an older
	keys       chan Key          // of who reads the keyboard, or nil
	times      sync.Map          // durations by name, see seconds()
}

// New creates a Machine with a blank disk.
func New(dir string, clock Clock) *Machine {
	return &Machine{Dir: dir, Clock: clock, Parent: context.Background(), state: "off", toolsRun: notRunning, procs: map[int64]*Process{},
		problem: map[string]int{}, nextPid: 1000}
}

const (
	notRunning = "guestToolsNotRunning"
	scripts    = "guestToolsExecutingScripts"
	running    = "guestToolsRunning"
)

// SetSeconds changes how long a stage lasts.
func (m *Machine) SetSeconds(name string, s float64) { m.times.Store(name, s) }

// seconds of virtual time for a stage.
func (m *Machine) seconds(name string) time.Duration {
	set, ok := m.times.Load(name)
	s, _ := set.(float64)
	if !ok {
		s = map[string]float64{"post": 4, "windows.copy": 90, "windows.specialize": 40, "windows.oobe": 30,
			"ubuntu.grub": 5, "ubuntu.boot": 20, "ubuntu.copy": 80, "ubuntu.late": 20, "windows.boot": 15, "ubuntu.boot-disk": 10,
			"tools.start": 5, "tools.ready": 1, "tools.net": 6, "customize.linux": 15, "customize.windows": 120, "tools.install": 20, "stop": 6, "driver.install": 40, "apt": 10}[name]
	}
	return time.Duration(s * float64(time.Second))
}

// Info takes a snapshot.
func (m *Machine) Info() Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := Info{State: m.state, Stage: m.stage, Why: m.why, OS: m.disk.OS, Version: m.disk.Version, Distro: m.disk.Distro,
		ToolsRun: m.toolsRun, Ready: m.ready, Custom: m.custom, Live: m.live, Written: m.written}
	if m.live {
		i.Tools, i.HasTools, i.Hostname, i.IP = openVMTools(), true, "ubuntu-server", m.ip()
	}
	if t := m.disk.Tools; t != nil {
		i.Tools, i.HasTools = t.copy(), true
	}
	if m.state == "running" && m.toolsRun == running {
		i.Hostname, i.Static = m.disk.Hostname, m.disk.Static != ""
		v := Volume{Path: "/", FileSystem: "ext4"}
		if m.disk.OS == "windows" {
			v = Volume{Path: `C:\`, FileSystem: "NTFS"}
		}
		v.Capacity = int64(max(m.hw.DiskGB, 1)) << 30
		v.Free = v.Capacity / 2
		if m.freeMB != 0 {
			v.Free = max(int64(m.freeMB)<<20, 4096) // a block: the encoder leaves 0 out
		}
		i.Volumes = []Volume{v}
		if m.netTold {
			i.IP = m.ip()
		}
	}
	if m.hw != nil && m.disk.OS != "" && (m.state == "running" || m.state == "stopping") {
		for _, d := range m.hw.Devices {
			if d.Passthrough {
				r := DeviceReport{Address: d.Address, Host: d.Host, ID: fmt.Sprintf("%04x:%04x", d.Vendor, d.Device),
					Placed: d.Missing() == 0}
				if m.disk.OS == "windows" {
					r.Code = m.problemCode(d)
					r.Driver = m.windowsService(d)
				} else {
					r.Driver = m.linuxDriver(d)
				}
				i.Devices = append(i.Devices, r)
			}
		}
	}
	return i
}

// ip is the address that DHCP gave, derived from the first connected card's MAC.
func (m *Machine) ip() string {
	if m.hw == nil {
		return ""
	}
	for _, n := range m.hw.NICs {
		if n.Connected && m.disk.Static != "" {
			return m.disk.Static
		}
		var b [6]int
		if _, err := fmt.Sscanf(n.MAC, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]); err == nil && n.Connected {
			return fmt.Sprintf("10.%d.%d.%d", b[3]&0x7f, b[4], b[5])
		}
	}
	return ""
}

// Installed puts a finished system on the disk: templates and VMs that exist already.
func (m *Machine) Installed(d Disk) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk, m.written = d, 8<<30
	return m.layout()
}

// CloneTo copies the disk.
func (m *Machine) CloneTo(n *Machine) error {
	m.mu.Lock()
	d := m.disk
	d.Users = slices.Clone(d.Users)
	d.Packages, d.Registry, d.Initramfs = maps.Clone(d.Packages), maps.Clone(d.Registry), maps.Clone(d.Initramfs)
	if d.Tools != nil {
		t := d.Tools.copy()
		d.Tools = &t
	}
	owners := maps.Clone(m.owners)
	from := filepath.Join(m.Dir, "root")
	m.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	d.Pending = nil
	n.disk, n.owners, n.written = d, owners, m.written
	if _, err := os.Stat(from); err == nil {
		return os.CopyFS(filepath.Join(n.Dir, "root"), os.DirFS(from))
	}
	return nil
}

// OS is the installed system's family: "", windows, ubuntu.
func (m *Machine) OS() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.disk.OS
}

// Blank wipes the disk (its file was replaced).
func (m *Machine) Blank() {
	m.mu.Lock()
	m.disk, m.written = Disk{}, 0
	m.mu.Unlock()
	os.RemoveAll(filepath.Join(m.Dir, "root"))
}

// Start powers the VM on with this hardware.
func (m *Machine) Start(hw *Hardware) {
	m.mu.Lock()
	m.hw = hw
	m.mu.Unlock()
	m.launch()
}

func (m *Machine) launch() {
	m.mu.Lock()
	ctx, cancel := context.WithCancel(m.Parent)
	m.ctx, m.cancel = ctx, cancel
	m.state, m.stage, m.why = "firmware", "power-on self test", ""
	m.toolsRun, m.ready, m.modules = notRunning, false, map[string]bool{}
	m.live = false
	m.procs, m.missed, m.apt, m.keys = map[int64]*Process{}, nil, false, nil
	m.wg.Add(1)
	m.mu.Unlock()
	m.changed()
	m.background(func() { m.boot(ctx) })
}

// background runs f in a goroutine of its own, which wg counts; a panic in a simulated
// program ends that program, not the server.
func (m *Machine) background(f func()) {
	go func() {
		defer m.wg.Done()
		defer func() {
			if p := recover(); p != nil {
				fmt.Fprintf(os.Stderr, "vcenter: guest in %s: %v\n%s", m.Dir, p, debug.Stack())
			}
		}()
		f()
	}()
}

// Wait returns when nothing runs in the guest any longer.
func (m *Machine) Wait() { m.wg.Wait() }

// Stop is a power failure: programs end, nothing is saved.
func (m *Machine) Stop() {
	m.halt()
	m.mu.Lock() // hw stays: ending goroutines may still read it
	m.state, m.stage, m.why = "off", "", ""
	m.mu.Unlock()
	m.changed()
}

func (m *Machine) halt() {
	m.mu.Lock()
	if m.cancel != nil {
		m.cancel()
	}
	m.toolsRun, m.ready, m.session, m.live = notRunning, false, "", false
	m.state = "stopping"
	m.mu.Unlock()
}

// Reset restarts without saving; the devices stay.
func (m *Machine) Reset() {
	m.halt()
	m.launch()
}

// CDChanged replaces the media of the running VM.
func (m *Machine) CDChanged(cds []*CD) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hw == nil || m.state == "off" {
		return
	}
	hw := *m.hw
	hw.CDs = cds
	m.hw = &hw
	if m.disk.OS != "" {
		m.mountCDs()
	}
}

// Replug replaces the PCI devices of the running VM.
func (m *Machine) Replug(list []*Device) {
	m.mu.Lock()
	if m.hw != nil && m.state != "off" {
		hw := *m.hw
		hw.Devices = list
		m.hw = &hw
		if m.disk.OS == "ubuntu" && m.state == "running" {
			m.sysfs()
			m.showDrivers()
		}
	}
	m.mu.Unlock()
	m.changed()
}

func (m *Machine) changed() {
	if m.Changed != nil {
		m.Changed()
	}
}

func (m *Machine) note(kind, format string, args ...any) {
	if m.Note != nil {
		m.Note(kind, fmt.Sprintf(format, args...))
	}
}

// to sets the state and reports it.
func (m *Machine) to(ctx context.Context, state, stage string) bool {
	m.mu.Lock()
	if ctx.Err() != nil {
		m.mu.Unlock()
		return false
	}
	m.state, m.stage = state, stage
	m.mu.Unlock()
	m.changed()
	return true
}

func (m *Machine) stuck(ctx context.Context, why string) {
	m.mu.Lock()
	if ctx.Err() != nil {
		m.mu.Unlock()
		return
	}
	m.state, m.why = "stuck", why
	m.mu.Unlock()
	m.note("guest-stuck", "%s", why)
	m.changed()
}

// Set changes the guest: problem codes, a session at the console, a deaf guest.
func (m *Machine) Set(f func(s *Settable)) {
	m.mu.Lock()
	s := Settable{Problem: m.problem, Session: m.session, Deaf: m.deaf, Driver: m.disk.Driver, Lockout: m.lockout, MaxLogons: m.maxLogons, ListLag: m.listLag,
		Installer: m.installer, Language: m.language, PowerShell: m.psMode, FreeMB: m.freeMB, TakesMB: m.takesMB, Restarts: m.restarts, DkmsFails: m.dkmsFails}
	f(&s)
	m.session, m.deaf, m.lockout, m.maxLogons, m.listLag = s.Session, s.Deaf, s.Lockout, s.MaxLogons, s.ListLag
	m.installer, m.language, m.freeMB, m.takesMB, m.restarts, m.dkmsFails = s.Installer, s.Language, s.FreeMB, s.TakesMB, s.Restarts, s.DkmsFails
	if s.PowerShell != m.psMode {
		m.psMode = s.PowerShell
		m.powerShell()
	}
	if s.Driver != m.disk.Driver {
		m.setDriver(s.Driver)
	}
	m.mu.Unlock()
	m.changed()
}

// Settable is what Set can change.
type Settable struct {
	Problem            map[string]int
	Session            string
	Deaf               bool
	Driver             string // another version, or "" for none: with its programs, and taking the cards
	Lockout, MaxLogons int
	ListLag            time.Duration
	Installer          InstallerTrouble
	Language           string // of Windows
	PowerShell         string // "", constrained, absent
	FreeMB             int    // of the system disk, 0 half of it, -1 none
	TakesMB            int    // what an upload may write before the disk is full (Tools reported it earlier), 0 all
	DkmsFails          string // a line of make.log: DKMS fails to build the modules
	Restarts           bool   // the guest restarts under the next upload
}

// Session names the user at the console.
func (m *Machine) Session() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}
