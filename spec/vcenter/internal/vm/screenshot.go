package vm

// screenshot.go: what is on a VM's console, as a PNG on its datastore: the firmware, the
// installer with its question, the login prompt. A client of an installation looks at it when
// Tools do not answer.

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/task"
)

var _ = rules.Add(rules.Rule{ID: "vm.screenshot", Sure: "documented", As: "laxer: a real screenshot shows the guest's screen", Source: "API reference: VirtualMachine.CreateScreenshot_Task (since 4.0; InvalidPowerState, result: the datastore path of the file), privilege VirtualMachine.Interact.CreateScreenshot",
	Text: "CreateScreenshot_Task writes a PNG beside the VM's files and returns its datastore path; a powered-off VM is InvalidPowerState. The text on it is this server's own."})

// console is the text on the screen.
func console(g guest.Info, name string) []string {
	switch {
	case g.Why != "":
		return append([]string{g.Stage, ""}, wrap(g.Why, 76)...)
	case g.State == "running" && g.OS == "windows":
		return []string{"Windows", "", g.Hostname, "Press Ctrl+Alt+Delete to unlock."}
	case g.State == "running":
		return []string{g.OS + " " + g.Version, "", g.Hostname + " login: _"}
	}
	return []string{name, "", g.State + ": " + g.Stage}
}

func wrap(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

// drawScreen renders 640x400 pixels of grey text on black.
func drawScreen(lines []string) ([]byte, error) {
	img := image.NewPaletted(image.Rect(0, 0, 640, 400), color.Palette{color.Black, color.Gray{0xc0}})
	draw.Draw(img, img.Bounds(), image.Black, image.Point{}, draw.Src)
	d := font.Drawer{Dst: img, Src: image.NewUniform(color.Gray{0xc0}), Face: basicfont.Face7x13}
	for i, line := range lines {
		d.Dot = fixed.P(16, 32+i*16)
		d.DrawString(line)
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

func (r *Service) registerScreenshot() {
	r.s.Handle("CreateScreenshot_Task", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
			return nil, fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState})
		}
		return c.Task(task.Spec{Work: 0, Do: func(*task.Task) (any, *fault.Error) { return r.screenshot(vm) }})
	}, api.Needs("VirtualMachine.Interact.CreateScreenshot"))
}

func (r *Service) screenshot(vm *VM) (any, *fault.Error) {
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return nil, fault.New(&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState})
	}
	data, err := drawScreen(console(vm.guest.Info(), vm.Name))
	if err != nil {
		return nil, fault.From(err)
	}
	vm.shots++
	name := fmt.Sprintf("%s-%d.png", vm.Name, vm.shots)
	if err := os.WriteFile(filepath.Join(vm.dir(), filepath.Base(name)), data, 0o644); err != nil {
		return nil, fault.From(err)
	}
	at := vm.Config.Files.VmPathName
	if i := strings.LastIndexByte(at, '/'); i >= 0 {
		at = at[:i+1]
	} else if i := strings.Index(at, "] "); i >= 0 {
		at = at[:i+2]
	}
	return at + filepath.Base(name), nil
}
