package vm_test

import (
	"bytes"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/iso"
	"gpupt.test/vcenter/internal/vctest"
)

// The medium of Tools 12.5 and 13 has setup.exe alone; before, setup64.exe was the one for 64-bit Windows.
func TestTheInstallerOnTheToolsMedium(t *testing.T) {
	vctest.Breaks(t, "tools.medium")
	for _, x := range []struct{ version, installer, other string }{
		{"12.3.5", "setup64.exe", "setup.exe"},
		{"12.4.5", "setup64.exe", "setup.exe"},
		{"12.5.3", "setup.exe", ""},
		{"13.0.1", "setup.exe", ""},
	} {
		data, err := guest.ToolsMedium(x.version)
		if err != nil {
			t.Fatal(err)
		}
		image, err := iso.Open(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		read := func(name string) string {
			e := image.Find(name)
			if e == nil {
				return ""
			}
			text, err := image.Read(e, 1<<16)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if got := read(x.installer); got != "VMware Tools "+x.version+"\n" {
			t.Errorf("%s: %s says %q", x.version, x.installer, got)
		}
		if x.other == "" {
			if image.Find("setup64.exe") != nil {
				t.Errorf("%s has setup64.exe", x.version)
			}
		} else if got := read(x.other); !strings.Contains(got, "32 bit") {
			t.Errorf("%s: %s says %q", x.version, x.other, got)
		}
	}
	if _, err := guest.ToolsMedium("13"); err == nil {
		t.Error("a version of one number was taken")
	}
}
