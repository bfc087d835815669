package iso

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var stamp = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)

func TestWhatIsWrittenIsRead(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	files := map[string][]byte{"autounattend.xml": []byte("<unattend/>"), "sources/install.wim": big,
		"$WinPEDriver$/a b/long file name.inf": []byte("x"), "user-data": []byte("#cloud-config\n")}
	img, err := Write("CIDATA", files, stamp)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Open(bytes.NewReader(img))
	if err != nil {
		t.Fatal(err)
	}
	if i.Label != "CIDATA" || i.Kind != "rockridge" {
		t.Errorf("label %q kind %q", i.Label, i.Kind)
	}
	for n, want := range files {
		e := i.Find(strings.ToUpper(n))
		if e == nil {
			t.Fatalf("%s is missing", n)
		}
		got, err := i.Read(e, 1<<20)
		if err != nil || !bytes.Equal(got, want) || e.Path != n {
			t.Errorf("%s: %v, %d bytes, path %s", n, err, len(got), e.Path)
		}
	}
}

// Another tool must find the same tree in our images, and we in its images.
func TestAgainstXorriso(t *testing.T) {
	tool, err := exec.LookPath("xorriso")
	if err != nil {
		t.Skip("xorriso is not installed")
	}
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "in", "sub"), 0o755)
	os.WriteFile(filepath.Join(dir, "in", "user-data"), []byte("#cloud-config\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "in", "sub", strings.Repeat("very-long-", 20)+"name"), []byte("deep"), 0o644)
	for _, args := range [][]string{{"-R", "-J"}, {"-R"}, {"-J", "-joliet-long"}, {}} {
		out := filepath.Join(dir, "out.iso")
		cmd := exec.Command(tool, append(append([]string{"-as", "mkisofs", "-quiet", "-V", "CIDATA", "-o", out}, args...),
			filepath.Join(dir, "in"))...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		f, _ := os.Open(out)
		i, err := Open(f)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		name := "user-data"
		if i.Kind == "iso9660" {
			name = "user_data"
		}
		e := i.Find(name)
		if i.Label != "CIDATA" || e == nil {
			t.Errorf("%v: label %q, kind %s, %v", args, i.Label, i.Kind, i.entries)
		} else if b, err := i.Read(e, 100); err != nil || string(b) != "#cloud-config\n" {
			t.Errorf("%v: %q %v", args, b, err)
		}
		f.Close()
	}
	img, _ := Write("OEMDRV", map[string][]byte{"autounattend.xml": []byte("<unattend/>"), "a/b/c.txt": []byte("abc")}, stamp)
	ours := filepath.Join(dir, "ours.iso")
	os.WriteFile(ours, img, 0o644)
	text, err := exec.Command(tool, "-indev", "stdio:"+ours, "-find", "/").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "/a/b/c.txt") || !strings.Contains(string(text), "OEMDRV") {
		t.Errorf("xorriso on our image: %v\n%s", err, text)
	}
}

func TestDamagedImages(t *testing.T) {
	img, _ := Write("X", map[string][]byte{"a/b": []byte("abc")}, stamp)
	if _, err := Open(bytes.NewReader(img[:sector*17])); err == nil {
		t.Error("a truncated image was opened")
	}
	for at := 16 * sector; at < len(img); at += 7 { // never a panic
		b := append([]byte(nil), img...)
		b[at] ^= 0xff
		if i, err := Open(bytes.NewReader(b)); err == nil {
			for _, e := range i.Entries() {
				if !e.Dir {
					i.Read(e, 1<<20)
				}
			}
		}
	}
}

// A medium has other names for Windows than for Linux.
func TestTheNamesThatWindowsReads(t *testing.T) {
	tool, err := exec.LookPath("xorriso")
	if err != nil {
		t.Skip("xorriso is not installed")
	}
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "in"), 0o755)
	os.WriteFile(filepath.Join(dir, "in", "autounattend.xml"), []byte("<unattend/>"), 0o644)
	for _, x := range []struct {
		args       string
		kind, name string
		label      string
	}{
		{"-R -J", "joliet", "autounattend.xml", "A LABEL OF TWENTY"[:16]},
		{"-R", "iso9660", "autounat.xml", "A LABEL OF TWENTY"},
		{"-R -iso-level 3", "iso9660", "autounattend.xml", "A LABEL OF TWENTY"},
		{"-J", "joliet", "autounattend.xml", "A LABEL OF TWENTY"[:16]},
	} {
		out := filepath.Join(dir, "out.iso")
		args := append(strings.Fields("-as mkisofs -quiet"), "-V", "A LABEL OF TWENTY", "-o", out)
		if text, err := exec.Command(tool, append(append(args, strings.Fields(x.args)...), filepath.Join(dir, "in"))...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", x.args, text)
		}
		b, _ := os.ReadFile(out)
		i, err := Open(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		w := i.Windows()
		e := w.Find("autounattend.xml")
		if w.Kind != x.kind || w.Label != x.label || (e != nil) != (x.name == "autounattend.xml") || w.Find(x.name) == nil {
			t.Errorf("%s: kind %s, label %q, %v", x.args, w.Kind, w.Label, e)
		}
		if strings.HasPrefix(x.args, "-R") && i.Exact("autounattend.xml") == nil || i.Exact("AUTOUNATTEND.XML") != nil {
			t.Errorf("%s: the names for Linux", x.args)
		}
	}
}
