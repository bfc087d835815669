package guest

// boot.go: from power-on to a running Tools service, and the shutdown.

import (
	"context"
	"fmt"
	"time"
)

// boot is the firmware's work: the disk if it holds a system, else an OS medium.
func (m *Machine) boot(ctx context.Context) {
	if !m.Clock.Sleep(ctx, m.seconds("post")) {
		return
	}
	m.mu.Lock()
	disk, hw := m.disk.OS, m.hw
	wasEFI, first := m.disk.EFI, hw.CDFirst
	m.mu.Unlock()
	if disk != "" && hw.Disk && !first {
		if wasEFI != hw.EFI {
			m.stuck(ctx, fmt.Sprintf("No operating system was found: the disk was installed for %s and the firmware is %s",
				firmware(wasEFI), firmware(hw.EFI)))
			return
		}
		m.run(ctx)
		return
	}
	m.install(ctx)
}

func firmware(efi bool) string {
	if efi {
		return "efi"
	}
	return "bios"
}

// run boots the installed system up to a running Tools service.
func (m *Machine) run(ctx context.Context) {
	m.mu.Lock()
	os, tools := m.disk.OS, m.disk.Tools != nil
	m.disk.Reboot = false
	once := m.disk.RunOnce
	m.disk.RunOnce = nil
	m.identity()
	m.bootKernel()
	m.mountCDs()
	m.mu.Unlock()
	wait := "ubuntu.boot-disk"
	if os == "windows" {
		wait = "windows.boot"
	}
	if !m.to(ctx, "booting", "the operating system starts") || !m.Clock.Sleep(ctx, m.seconds(wait)) {
		return
	}
	m.mu.Lock()
	m.booted = time.Now()
	m.mu.Unlock()
	if !m.to(ctx, "running", "up") {
		return
	}
	m.note("guest-up", "%s runs", os)
	if len(once) > 0 {
		m.setupCommands(ctx, once, "Administrator")
	}
	if tools {
		m.startTools(ctx)
		m.customize(ctx)
	}
}

// startTools brings the service up, first its scripts, then guest operations.
func (m *Machine) startTools(ctx context.Context) {
	m.mu.Lock()
	m.service++
	n := m.service
	m.mu.Unlock()
	m.serve(ctx, n)
}

func (m *Machine) serve(ctx context.Context, n int) {
	m.setTools(ctx, n, scripts, false)
	if !m.Clock.Sleep(ctx, m.seconds("tools.start")) {
		return
	}
	m.setTools(ctx, n, running, false)
	if !m.Clock.Sleep(ctx, m.seconds("tools.ready")) {
		return
	}
	m.setTools(ctx, n, running, true)
	if !m.Clock.Sleep(ctx, m.seconds("tools.net")) { // the network's state is sent in its own time
		return
	}
	m.mu.Lock()
	m.netTold = m.toolsRun == running && n == m.service
	m.mu.Unlock()
	m.changed()
}

// setTools shows a state of the n-th start, unless a later one is under way.
func (m *Machine) setTools(ctx context.Context, n int, run string, ready bool) {
	m.mu.Lock()
	if ctx.Err() != nil || m.state != "running" || n != m.service {
		m.mu.Unlock()
		return
	}
	m.toolsRun, m.ready, m.netTold = run, ready, false
	m.mu.Unlock()
	m.changed()
}

// restartTools is what an upgrade or a change of features does under the caller.
func (m *Machine) restartTools() {
	m.mu.Lock()
	ctx, procs := m.ctx, m.procs
	if m.state != "running" {
		m.mu.Unlock()
		return
	}
	for pid, p := range procs { // exit codes are lost with the service: of what has ended, and of what runs
		if p.orphan = true; p.ended() {
			delete(procs, pid)
		}
	}
	m.service++
	n := m.service
	m.wg.Add(1)
	m.mu.Unlock()
	m.setTools(ctx, n, notRunning, false)
	m.background(func() {
		if m.Clock.Sleep(ctx, m.seconds("tools.start")) {
			m.serve(ctx, n)
		}
	})
}

// stopTools ends the service; it starts again on request or with the system.
func (m *Machine) stopTools() {
	m.mu.Lock()
	m.service++
	n, ctx := m.service, m.ctx
	for _, p := range m.procs {
		p.orphan = true
	}
	m.mu.Unlock()
	m.setTools(ctx, n, notRunning, false)
}

// Shutdown asks the system to stop (what: off or reboot). It takes a while.
func (m *Machine) Shutdown(what string) {
	m.mu.Lock()
	if m.state != "running" || m.deaf {
		m.mu.Unlock()
		return
	}
	ctx := m.ctx
	m.state, m.stage = "stopping", "the operating system stops"
	m.toolsRun, m.ready = notRunning, false
	m.wg.Add(1)
	m.mu.Unlock()
	m.changed()
	m.background(func() {
		if m.Clock.Sleep(ctx, m.seconds("stop")) && m.Power != nil {
			m.Power(what)
		}
	})
}
