package guest

// smi.go: nvidia-smi of both systems: the list (-L), the table, fields (--query-gpu) and the
// long form (-q). It sees the cards that the driver really runs.

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// smiField is a column of --query-gpu: its unit, and its value for a card.
type smiField struct {
	unit  string
	value func(m *Machine, d *Device, i, count int) string
}

func constant(s string) func(*Machine, *Device, int, int) string {
	return func(*Machine, *Device, int, int) string { return s }
}

var smiFields = map[string]smiField{
	"index":         {"", func(_ *Machine, _ *Device, i, _ int) string { return strconv.Itoa(i) }},
	"count":         {"", func(_ *Machine, _ *Device, _, n int) string { return strconv.Itoa(n) }},
	"name":          {"", func(_ *Machine, d *Device, _, _ int) string { return d.model() }},
	"uuid":          {"", func(_ *Machine, d *Device, _, _ int) string { return d.uuid() }},
	"pci.bus_id":    {"", func(_ *Machine, d *Device, _, _ int) string { return d.busID() }},
	"pci.domain":    {"", constant("0x0000")},
	"pci.bus":       {"", func(_ *Machine, d *Device, _, _ int) string { return "0x" + strings.ToUpper(d.Address[5:7]) }},
	"pci.device":    {"", func(_ *Machine, d *Device, _, _ int) string { return "0x" + strings.ToUpper(d.Address[8:10]) }},
	"pci.device_id": {"", func(_ *Machine, d *Device, _, _ int) string { return fmt.Sprintf("0x%04X%04X", d.Device, d.Vendor) }},
	"pci.sub_device_id": {"", func(_ *Machine, d *Device, _, _ int) string {
		return fmt.Sprintf("0x%04X%04X", d.SubDevice, d.SubVendor)
	}},
	"driver_version":          {"", func(m *Machine, _ *Device, _, _ int) string { return m.disk.Driver }},
	"memory.total":            {"MiB", func(_ *Machine, d *Device, _, _ int) string { return strconv.Itoa(d.memoryMiB()) }},
	"memory.used":             {"MiB", constant("4")},
	"memory.reserved":         {"MiB", constant("0")},
	"memory.free":             {"MiB", func(_ *Machine, d *Device, _, _ int) string { return strconv.Itoa(d.memoryMiB() - 4) }},
	"serial":                  {"", constant("[N/A]")},
	"vbios_version":           {"", constant("92.00.25.00.08")},
	"temperature.gpu":         {"", constant("34")},
	"temperature.memory":      {"", constant("N/A")},
	"compute_mode":            {"", constant("Default")},
	"persistence_mode":        {"", constant("Disabled")},
	"display_active":          {"", constant("Disabled")},
	"display_mode":            {"", constant("Disabled")},
	"pstate":                  {"", constant("P0")},
	"fan.speed":               {"%", constant("[N/A]")},
	"utilization.gpu":         {"%", constant("0")},
	"utilization.memory":      {"%", constant("0")},
	"power.draw":              {"W", constant("42.17")},
	"power.limit":             {"W", constant("300.00")},
	"ecc.mode.current":        {"", constant("Enabled")},
	"mig.mode.current":        {"", constant("Disabled")},
	"pcie.link.gen.current":   {"", constant("4")},
	"pcie.link.gen.max":       {"", constant("4")},
	"pcie.link.width.max":     {"", constant("16")},
	"pcie.link.width.current": {"", constant("16")},
	"compute_cap":             {"", func(_ *Machine, d *Device, _, _ int) string { return d.computeCapability() }},
	"timestamp": {"", func(*Machine, *Device, int, int) string {
		return time.Now().UTC().Format("2006/01/02 15:04:05.000")
	}},
}

func init() {
	for also, name := range map[string]string{"gpu_name": "name", "gpu_uuid": "uuid", "gpu_bus_id": "pci.bus_id", "gpu_serial": "serial"} {
		smiFields[also] = smiFields[name]
	}
}

func (d *Device) computeCapability() string {
	f := chip.FindString(d.Name)
	switch {
	case f == "GA100":
		return "8.0"
	case f == "":
		return "[N/A]"
	}
	return map[string]string{"GK": "3.7", "GM": "5.2", "GP": "6.1", "GV": "7.0", "TU": "7.5", "GA": "8.6", "AD": "8.9", "GH": "9.0", "GB": "10.0"}[f[:2]]
}

// smiOptions is nvidia-smi's command line.
type smiOptions struct {
	query, format, one, sections string
	list, long                   bool
	bad                          string // not understood
	change                       string // a setting that is changed
}

func parseSMI(args []string) (o smiOptions) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			o.bad = a
			return ""
		}
		name, v, given := strings.Cut(a, "=")
		switch {
		case given && name == "--query-gpu":
			o.query = v
		case given && name == "--format":
			o.format = v
		case given && name == "--id":
			o.one = v
		case given && name == "--display":
			o.sections = v
		case a == "-i":
			o.one = value()
		case a == "-L" || a == "--list-gpus":
			o.list = true
		case a == "-q" || a == "--query":
			o.long = true
		case a == "-d":
			o.sections = value()
		case a == "-pm" || a == "--persistence-mode", a == "-c", a == "-pl", a == "-e", a == "-mig":
			o.change = a + " " + value()
		default:
			if o.bad == "" {
				o.bad = a
			}
		}
	}
	return o
}

// smi runs it; the lock is held. unsupported is what was requested and is not simulated.
func (m *Machine) smi(w io.Writer, args []string, admin bool) (code int, unsupported string) {
	o := parseSMI(args)
	if o.bad != "" {
		fmt.Fprintf(w, "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n")
		return 1, "nvidia-smi " + o.bad
	}
	var cards []*Device
	for _, d := range m.hw.Devices {
		if m.working(d) {
			cards = append(cards, d)
		}
	}
	if len(cards) == 0 {
		fmt.Fprintln(w, "No devices were found")
		return 6, ""
	}
	first := 0
	if o.one != "" {
		at := -1
		for i, d := range cards {
			if o.one == strconv.Itoa(i) || strings.EqualFold(o.one, d.busID()) || strings.EqualFold(o.one, d.Address) || o.one == d.uuid() {
				at = i
			}
		}
		if at < 0 {
			fmt.Fprintln(w, "No devices were found")
			return 6, ""
		}
		cards, first = cards[at:at+1], at
	}
	switch {
	case o.change != "":
		if !admin {
			fmt.Fprintf(w, "Unable to set the mode: Insufficient Permissions\nTerminating early due to previous errors.\n")
			return 4, ""
		}
		return 0, "nvidia-smi " + o.change + " has no effect"
	case o.list:
		for i, d := range cards {
			fmt.Fprintf(w, "GPU %d: %s (UUID: %s)\n", first+i, d.model(), d.uuid())
		}
	case o.query != "":
		return m.smiQuery(w, o, cards, first), ""
	case o.long:
		m.smiLong(w, cards)
		if o.sections != "" {
			return 0, "nvidia-smi -d has no effect"
		}
	default:
		m.smiTable(w, cards, first)
	}
	return 0, ""
}

func (m *Machine) smiQuery(w io.Writer, o smiOptions, cards []*Device, first int) int {
	if !strings.HasPrefix(o.format, "csv") {
		fmt.Fprintln(w, `"--format=" is missing or is not csv: --format=csv[,noheader][,nounits] is required`)
		return 2
	}
	units := !strings.Contains(o.format, "nounits")
	names := strings.Split(o.query, ",")
	var head []string
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
		f, ok := smiFields[names[i]]
		if !ok {
			fmt.Fprintf(w, "Field \"%s\" is not a valid field to query.\n\n", names[i])
			return 2
		}
		h := names[i]
		if f.unit != "" {
			h += " [" + f.unit + "]"
		}
		head = append(head, h)
	}
	if !strings.Contains(o.format, "noheader") {
		fmt.Fprintln(w, strings.Join(head, ", "))
	}
	for i, d := range cards {
		var row []string
		for _, n := range names {
			f := smiFields[n]
			v := f.value(m, d, first+i, len(cards))
			if units && f.unit != "" && !strings.HasPrefix(v, "[") {
				v += " " + f.unit
			}
			row = append(row, v)
		}
		fmt.Fprintln(w, strings.Join(row, ", "))
	}
	return 0
}

func (m *Machine) smiTable(w io.Writer, cards []*Device, first int) {
	line := "+" + strings.Repeat("-", 89) + "+\n"
	fmt.Fprint(w, time.Now().UTC().Format("Mon Jan  2 15:04:05 2006"), "\n", line)
	fmt.Fprintf(w, "| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-8s |\n", m.disk.Driver, m.disk.Driver, "12.4")
	fmt.Fprint(w, "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n", line)
	for i, d := range cards {
		fmt.Fprintf(w, "| %3d  %-24s     Off |   %s Off |                    0 |\n", first+i, d.model(), d.busID())
		fmt.Fprintf(w, "| N/A   34C    P0              42W / 300W |      4MiB / %6dMiB |      0%%      Default |\n", d.memoryMiB())
	}
	fmt.Fprint(w, line, "| Processes:                                                                              |\n")
	fmt.Fprint(w, "|  No running processes found                                                             |\n", line)
}

// smiLong is -q, in the real one's order, without the fields that do not apply to a VM.
func (m *Machine) smiLong(w io.Writer, cards []*Device) {
	put := func(depth int, name, format string, a ...any) {
		fmt.Fprintf(w, "%-*s: %s\n", 42, strings.Repeat(" ", 4*depth)+name, fmt.Sprintf(format, a...))
	}
	fmt.Fprintf(w, "\n==============NVSMI LOG==============\n\n")
	put(0, "Timestamp", "%s", time.Now().UTC().Format("Mon Jan  2 15:04:05 2006"))
	put(0, "Driver Version", "%s", m.disk.Driver)
	put(0, "CUDA Version", "12.4")
	fmt.Fprintln(w)
	put(0, "Attached GPUs", "%d", len(cards))
	for _, d := range cards {
		fmt.Fprintf(w, "GPU %s\n", d.busID())
		put(1, "Product Name", "%s", d.model())
		put(1, "Persistence Mode", "Disabled")
		put(1, "GPU UUID", "%s", d.uuid())
		put(1, "GPU Virtualization Mode", "")
		put(2, "Virtualization Mode", "Pass-Through")
		fmt.Fprintln(w, "    PCI")
		put(2, "Bus", "0x%s", strings.ToUpper(d.Address[5:7]))
		put(2, "Device Id", "0x%04X%04X", d.Device, d.Vendor)
		put(2, "Bus Id", "%s", d.busID())
		put(2, "Sub System Id", "0x%04X%04X", d.SubDevice, d.SubVendor)
		fmt.Fprintln(w, "    FB Memory Usage")
		put(2, "Total", "%d MiB", d.memoryMiB())
		put(2, "Used", "4 MiB")
		put(2, "Free", "%d MiB", d.memoryMiB()-4)
		bar1 := uint64(0)
		for _, b := range d.Bars {
			if b.Index == 1 {
				bar1 = b.Size >> 20
			}
		}
		fmt.Fprintln(w, "    BAR1 Memory Usage")
		put(2, "Total", "%d MiB", bar1)
		put(2, "Used", "1 MiB")
		put(2, "Free", "%d MiB", max(bar1, 1)-1)
		put(1, "Compute Mode", "Default")
		fmt.Fprintln(w)
	}
}
