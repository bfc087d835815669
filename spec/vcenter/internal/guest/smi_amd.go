package guest

// smi_amd.go: amd-smi list, which shows the cards that amdgpu has started.

// amdVersion is that of amdgpu-dkms 6.2.2.
const amdVersion = "6.8.5"

func runAmdSmi(r *linuxRun, args []string) int {
	if len(args) != 2 || args[1] != "list" {
		r.m.unsupported("amd-smi %v", args[1:])
		return r.err(2, "usage: amd-smi [-h]  ...\namd-smi: error: unrecognized arguments\n")
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if !r.m.modules["amdgpu"] {
		r.out("ERROR:root:Unable to detect any GPU devices, check amdgpu version and module status (sudo modprobe amdgpu)\n")
		return 255
	}
	n := 0
	for _, d := range r.m.hw.Devices {
		if d.Vendor == 0x1002 && d.GPU() && d.Missing() == 0 {
			r.out("GPU: %d\n    BDF: %s\n    UUID: %02xff%04x-0000-1000-80%02x-e0e0e0e0e0e0\n\n", n, d.Address, n, d.Device, n)
			n++
		}
	}
	return 0
}
