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

// The two lists of calls are what other people's programs ask of a vCenter: each call with what it
// must answer. `make test-full` runs them.
func calls(t *testing.T) (string, func()) {
	if os.Getenv("GPUPT_FULL") == "" {
		t.Skip("GPUPT_FULL is not set: make test-full sets it")
	}
	file := filepath.Join(t.TempDir(), "ready.json")
	_, stop := serve(t, "-speed", "50", "-ready", file, "-dc", "1", "-cluster", "1", "-host", "2", "-vm", "2", "-pool", "1", "-app", "1", "-gpus", "2")
	return file, func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestCallsOfPyVmomi(t *testing.T) {
	file, stop := calls(t)
	defer stop()
	out, err := exec.Command("../../build/venv/bin/python", "calls_pyvmomi.py", file).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), " 0 failed\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestCallsOfGovc(t *testing.T) {
	file, stop := calls(t)
	defer stop()
	govc := filepath.Join(t.TempDir(), "govc")
	build := exec.Command("go", "build", "-o", govc, "./govc")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("govc: %v\n%s", err, out)
	}
	out, err := exec.Command("sh", "calls_govc.sh", file, govc).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), " 0 failed\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// The third list needs a large package, which only the set-up for development installs.
func TestCallsOfAnsible(t *testing.T) {
	file, stop := calls(t)
	defer stop()
	venv, err := filepath.Abs("../../build/venv-ansible")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(venv, "bin", "ansible-playbook")); err != nil {
		t.Fatal("no build/venv-ansible: build-support/setup develop installs it")
	}
	out, err := exec.Command("python3", "calls_ansible.py", file, venv, t.TempDir()).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), " 0 failed\n") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Other clients transfer guest files by the URLs that the endpoint gives: at a vCenter over the VM's host, at a
// host over itself.
func TestTransfersOfOtherClients(t *testing.T) {
	govc := filepath.Join(t.TempDir(), "govc")
	build := exec.Command("go", "build", "-o", govc, "./govc")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	python := "../../build/venv/bin/python"
	for _, endpoint := range []string{"vcenter", "esxi"} {
		dir := t.TempDir()
		file, fleetFile := filepath.Join(dir, "ready.json"), filepath.Join(dir, "fleet.json")
		text := `{"endpoint": "` + endpoint + `", "clusters": [{"name": "c", "hosts": [{"name": "h-1"}]}], "datastores": [{"name": "ds-1"}], "vms": [
			{"name": "lin", "installed": "ubuntu", "username": "ops", "password": "Train-1-pass", "disk_gb": 2, "power": "poweredOn"}, {"name": "off", "disk_gb": 1}]}`
		if err := os.WriteFile(fleetFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ready, stop := serve(t, "-speed", "200", "-ready", file, "-fleet", fleetFile)
		if exec.Command(python, "-c", "import pyVmomi").Run() == nil {
			if out, err := exec.Command(python, "transfer_pyvmomi.py", file).CombinedOutput(); err != nil || string(out) != "done\n" {
				t.Errorf("pyVmomi at %s: %v\n%s", endpoint, err, out)
			}
		} else {
			t.Log("no pyVmomi in build/venv")
		}
		call := func(args ...string) string {
			c := exec.Command(govc, args...)
			c.Env = append(os.Environ(), "GOVC_URL="+ready.URL, "GOVC_USERNAME="+ready.Username, "GOVC_PASSWORD="+ready.Password,
				"GOVC_TLS_CA_CERTS="+ready.CAFile, "GOVC_GUEST_LOGIN=ops:Train-1-pass", "GOVC_PERSIST_SESSION=false")
			out, err := c.CombinedOutput()
			if err != nil {
				t.Errorf("govc %v at %s: %v\n%s", args, endpoint, err, out)
			}
			return string(out)
		}
		up := filepath.Join(dir, "up")
		if err := os.WriteFile(up, []byte("by govc\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		call("guest.upload", "-vm", "lin", "-f", up, "/tmp/g")
		if got := call("guest.download", "-vm", "lin", "/tmp/g", "-"); got != "by govc\n" {
			t.Errorf("govc at %s: %q", endpoint, got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
