package guest

// win_drivers.go: pnputil /add-driver. A driver package is an .inf with DriverVer and the
// hardware ids that it is for; /install gives it to the devices that match.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	driverVer  = regexp.MustCompile(`(?mi)^DriverVer\s*=\s*[\d/]+\s*,\s*([\d.]+)`)
	hardwareID = regexp.MustCompile(`(?i)PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})`)
)

// nvidiaVersion is 551.61 for 31.0.15.5161.
func nvidiaVersion(v string) string {
	digits := strings.ReplaceAll(v, ".", "")
	if len(digits) < 5 {
		return ""
	}
	digits = digits[len(digits)-5:]
	return digits[:3] + "." + digits[3:]
}

// addDrivers is pnputil /add-driver PATTERN [/subdirs] [/install] (rule windows.pnputil).
func (w *winRun) addDrivers(words []string) int {
	if len(words) == 0 {
		return w.fail(87, "Missing or invalid parameter.\n")
	}
	subdirs, install := false, false
	for _, o := range words[1:] {
		switch strings.ToLower(o) {
		case "/subdirs":
			subdirs = true
		case "/install":
			install = true
		default:
			return w.fail(87, "Invalid option: %s\n", o)
		}
	}
	w.m.mu.Lock()
	admin := w.m.user(w.user).Admin
	w.m.mu.Unlock()
	if !admin {
		return w.fail(5, "Access is denied.\n")
	}
	full := w.abs(words[0])
	at := strings.LastIndexByte(full, '\\')
	dir, pattern := w.host(full[:at]), full[at+1:]
	var files []string
	if dir != "" {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() {
				if path != dir && !subdirs {
					return filepath.SkipDir
				}
				return nil
			}
			if ok, _ := filepath.Match(strings.ToLower(pattern), strings.ToLower(d.Name())); ok {
				files = append(files, path)
			}
			return nil
		})
	}
	w.out("Microsoft PnP Utility\n\n")
	if len(files) == 0 {
		return w.fail(2, "Failed to add driver package: The system cannot find the file specified.\n")
	}
	matched, version := false, ""
	for i, path := range files {
		data, _ := os.ReadFile(path)
		text := decodeText(data)
		ver := driverVer.FindStringSubmatch(text)
		if ver == nil {
			return w.fail(1610, "Failed to add driver package: The third-party INF does not contain digital signature information.\n")
		}
		w.out("Adding driver package:  %s\nDriver package added successfully.\nPublished Name:         oem%d.inf\n", filepath.Base(path), i+2)
		w.m.mu.Lock()
		for _, id := range hardwareID.FindAllStringSubmatch(text, -1) {
			if slices.ContainsFunc(w.m.hw.Devices, func(d *Device) bool {
				return strings.EqualFold(id[1]+id[2], fmt.Sprintf("%04x%04x", d.Vendor, d.Device))
			}) && strings.EqualFold(id[1], "10de") {
				matched, version = true, nvidiaVersion(ver[1])
			}
		}
		w.m.mu.Unlock()
	}
	if !install {
		return 0
	}
	if !w.m.Clock.Sleep(w.ctx, w.m.seconds("driver.install")) {
		return 1
	}
	if !matched {
		return 259
	}
	w.m.mu.Lock()
	w.m.disk.Driver = version
	w.m.winProgram(system32+`\nvidia-smi.exe`, "nvidia-smi")
	w.m.mu.Unlock()
	w.m.note("driver-installed", "NVIDIA %s by pnputil", version)
	w.m.changed()
	return 0
}
