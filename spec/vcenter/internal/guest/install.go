package guest

// install.go: what happens when the firmware finds no system on the disk. It takes the
// first medium that boots, and the installer on it looks for an answer medium. Whatever an
// answer lacks is a question on a screen that no one sees: the installation stops there, and
// the truth page says at which question.

import (
	"context"
	"fmt"
	"strings"

	"gpupt.test/vcenter/internal/iso"
)

func (m *Machine) install(ctx context.Context) {
	m.mu.Lock()
	hw := m.hw
	m.mu.Unlock()
	var boot *CD
	for _, c := range hw.CDs {
		if bootable(c.Medium) != "" {
			boot = c
			break
		}
	}
	if boot == nil {
		why := "No operating system was found: the disk is blank and no connected CD-ROM boots"
		if len(hw.CDs) == 0 {
			why = "No operating system was found: the disk is blank and no CD-ROM is connected"
		}
		m.stuck(ctx, why)
		return
	}
	if !hw.Disk {
		m.stuck(ctx, "the installer finds no disk")
		return
	}
	family := bootable(boot.Medium)
	m.note("guest-install", "%s boots from %s", family, boot.Where)
	switch family {
	case "windows":
		m.installWindows(ctx, boot)
	case "rocky":
		m.installKickstart(ctx)
	default:
		m.installUbuntu(ctx, boot)
	}
}

// finish boots the fresh system, without the media of the installation if they asked for it.
func (m *Machine) finish(ctx context.Context) bool {
	return m.to(ctx, "booting", "first boot from disk") && m.Clock.Sleep(ctx, m.seconds("post"))
}

// Full is what was written to a disk without free space.
const Full = -1

// fits writes a system of this size to the first disk; without room for it the installation stops in the middle.
func (m *Machine) fits(ctx context.Context, gb int, message string) bool {
	m.mu.Lock()
	room := m.hw.DiskGB // whole GiB
	m.mu.Unlock()
	if room == 0 || room >= gb {
		m.wrote(int64(gb) << 30)
		return true
	}
	m.wrote(Full)
	m.stuck(ctx, message)
	return false
}

// wrote counts what an installation has written to the disk.
func (m *Machine) wrote(bytes int64) {
	m.mu.Lock()
	m.written = bytes
	m.mu.Unlock()
}

// alive shows or hides the Tools of the installer.
func (m *Machine) alive(on bool) {
	m.mu.Lock()
	if m.live == on {
		m.mu.Unlock()
		return
	}
	m.live, m.ready, m.toolsRun = on, on, notRunning
	if on {
		m.toolsRun = running
	}
	m.mu.Unlock()
	m.changed()
}

// labelled finds the first medium with a label, in capitals or without any.
func labelled(cds []*CD, label string) *CD {
	for _, c := range cds {
		if c.Medium != nil && (c.Medium.Label == label || c.Medium.Label == strings.ToLower(label)) {
			return c
		}
	}
	return nil
}

func read(i *iso.Image, name string) (string, error) {
	e := i.Find(name)
	if e == nil {
		return "", fmt.Errorf("%s is not on the medium", name)
	}
	b, err := i.Read(e, 4<<20)
	return string(b), err
}
