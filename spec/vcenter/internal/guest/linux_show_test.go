package guest

import (
	"context"
	"strings"
	"testing"
)

// What an installed driver leaves in files and programs, and what goes with it.
func TestWhatTheDriverShows(t *testing.T) {
	m := running_(t, Disk{OS: "ubuntu", Driver: "550.107.02", Users: []User{{Name: "ops", Secret: "plain:pw"}}}, nil)
	const link, info = "readlink /sys/bus/pci/devices/0000:0b:00.0/driver", "cat /proc/driver/nvidia/gpus/0000:0b:00.0/information"
	for _, x := range []struct {
		line, user, want string
		code             int
	}{
		{link, "ops", "../../drivers/nvidia\n", 0},
		{"ls /sys/bus/pci/drivers/nvidia", "ops", "0000:0b:00.0\n", 0},
		{"ls /dev/nvidia*", "ops", "/dev/nvidia0\n/dev/nvidiactl\n", 0},
		{"cat /sys/module/nvidia/version; grep -c '^nvidia ' /proc/modules", "ops", "550.107.02\n1\n", 0},
		{info + " | head -1", "ops", "Model: \t\t NVIDIA Tesla T4\n", 0},
		{"modinfo -F version nvidia", "ops", "550.107.02\n", 0},
		{"nvidia-smi -L | cut -d: -f1,2 | cut -d'(' -f1", "ops", "GPU 0: NVIDIA Tesla T4 \n", 0},
		{"nvidia-smi --query-gpu=index,name,memory.total,utilization.gpu,compute_cap --format=csv", "ops",
			"index, name, memory.total [MiB], utilization.gpu [%], compute_cap\n0, NVIDIA Tesla T4, 16384 MiB, 0 %, 7.5\n", 0},
		{"nvidia-smi --query-gpu=memory.total,pcie.link.width.current --format=csv,noheader,nounits", "ops", "16384, 16\n", 0},
		{"nvidia-smi --query-gpu=nonsense --format=csv", "ops", "Field \"nonsense\" is not a valid field to query.\n\n", 2},
		{"nvidia-smi --query-gpu=name", "ops", "\"--format=\" is missing or is not csv: --format=csv[,noheader][,nounits] is required\n", 2},
		{"nvidia-smi -i 3 -L", "ops", "No devices were found\n", 6},
		{"nvidia-smi -pm 1", "ops", "Unable to set the mode: Insufficient Permissions\nTerminating early due to previous errors.\n", 4},
		{"nvidia-smi -q | grep -A1 'BAR1 Memory' | tail -1 | tr -s ' '", "ops", " Total : 256 MiB\n", 0},
		{"nvidia-smi | grep -c 'Tesla T4'", "ops", "1\n", 0},
		{"nvidia-smi topo -m", "ops", "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n", 1},
		{"lspci -mm -d 10de:", "ops", "0b:00.0 \"3D controller\" \"NVIDIA Corporation\" \"TU104GL [Tesla T4]\" -ra1 -p00 \"NVIDIA Corporation\" \"Device 12a2\"\n", 0},
		{"lspci -mmnn -d 10de: | cut -c1-60", "ops", "0b:00.0 \"3D controller [0302]\" \"NVIDIA Corporation [10de]\" \"\n", 0},
		{"lspci -vmmk -d 10de: | grep -E 'Slot|Driver'", "ops", "Slot:\t0b:00.0\nDriver:\tnvidia\n", 0},
		{"lspci -s 0b:00.0 -n | cut -d' ' -f3", "ops", "10de:1eb8\n", 0},
		{"rmmod nvidia", "ops", "rmmod: ERROR: could not remove module: Operation not permitted\n", 1},
		{"rmmod nvidia", "root", "", 0},
		{link, "ops", "", 1},
		{info, "ops", "cat: '/proc/driver/nvidia/gpus/0000:0b:00.0/information': No such file or directory\n", 1},
		{"modprobe nvidia && " + link, "root", "../../drivers/nvidia\n", 0},
	} {
		out, code := m.shell(context.Background(), x.line, x.user)
		if out != x.want || code != x.code {
			t.Errorf("%s\n got %q, %d\nwant %q, %d", x.line, out, code, x.want, x.code)
		}
	}
	if got := strings.Join(m.Unsupported(), "|"); got != "nvidia-smi topo" {
		t.Errorf("not supported: %s", got)
	}
	w := running_(t, Disk{OS: "windows", Driver: "551.61", Users: []User{{Name: "Administrator", Secret: "plain:x", Admin: true}}}, nil)
	out, _ := w.commandLine(context.Background(), `powershell -Command "nvidia-smi --query-gpu=driver_version,name --format=csv,noheader; (Get-CimInstance Win32_VideoController | Where-Object Name -like '*T4*').DriverVersion"`, "Administrator")
	if !strings.HasPrefix(out, "551.61, NVIDIA Tesla T4\r\n") {
		t.Errorf("Windows: %q", out)
	}
}
