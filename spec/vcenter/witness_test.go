package main

// Independent clients drive a whole rollout: pyVmomi and govc share no code with the
// server's reader and writer, nor with the product.

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPyVmomiRollout(t *testing.T) { pyVmomi(t, "rollout_pyvmomi.py") }

func TestPyVmomiLogin(t *testing.T) { pyVmomi(t, "login_pyvmomi.py") }

// slowly: the tasks are looked at while they run
func TestPyVmomiEntering(t *testing.T) { pyVmomi(t, "entering_pyvmomi.py", "-speed", "4") }

func pyVmomi(t *testing.T, script string, flags ...string) {
	python, err := filepath.Abs("../../build/venv/bin/python") // where `make test` installs pyVmomi
	if err != nil {
		t.Fatal(err)
	}
	if exec.Command(python, "-c", "import pyVmomi").Run() != nil {
		t.Skip("no pyVmomi in build/venv; the set-up of `make test` installs it")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ready.json")
	_, stop := serve(t, append([]string{"-speed", "200", "-ready", file}, flags...)...)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	out, err := exec.Command(python, script, file).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestGovcRollout(t *testing.T) {
	dir := t.TempDir()
	for name, pkg := range map[string]string{"vcenter": ".", "govc": "./govc"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	out, err := exec.Command("sh", "rollout_govc.sh", filepath.Join(dir, "vcenter"), filepath.Join(dir, "govc")).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}
