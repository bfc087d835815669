package guest

// keyboard.go: the keys that reach the VM. A key that is not waited for is lost: firmware and loaders read the keyboard only
// while they show a prompt.

import (
	"context"
	"strings"
	"time"
)

// Key is one event: a usage of the HID page Keyboard/Keypad (7).
type Key struct {
	Usage uint16
	Shift bool
}

const keyEnter = 0x28

// The usages that type something on a US keyboard, in their order from 4 (HID Usage Tables, page 7).
const (
	keyPlain   = "abcdefghijklmnopqrstuvwxyz1234567890\n\x1b\b\t -=[]\\#;'`,./"
	keyShifted = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\n\x1b\b\t _+{}|~:\"~<>?"
)

// Text is what the key types, "" nothing.
func (k Key) Text() string {
	table := keyPlain
	if k.Shift {
		table = keyShifted
	}
	if i := int(k.Usage) - 4; i >= 0 && i < len(table) {
		return table[i : i+1]
	}
	return ""
}

// Type gives keys to the prompt that reads them now.
func (m *Machine) Type(keys []Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		select {
		case m.keys <- k:
		default: // no prompt reads (a nil channel), or the keyboard's buffer is full
		}
	}
}

// listen reads the keyboard for this long, 0 for ever, until f is content with a key. False when the time is over.
func (m *Machine) listen(ctx context.Context, d time.Duration, f func(Key) bool) bool {
	content, stop := context.WithCancel(ctx)
	keys, done := make(chan Key, 256), make(chan struct{})
	m.hear(keys)
	m.wg.Add(1)
	m.background(func() { // not in Type: its caller has the world's lock, and f may report a state
		defer close(done)
		for {
			select {
			case k := <-keys:
				if f(k) {
					stop()
				}
			case <-content.Done():
				return
			}
		}
	})
	defer func() {
		m.hear(nil)
		stop()
		<-done
	}()
	if d == 0 {
		<-content.Done()
	} else if m.Clock.Sleep(content, d) {
		return false
	}
	return ctx.Err() == nil
}

func (m *Machine) hear(keys chan Key) {
	m.mu.Lock()
	m.keys = keys
	m.mu.Unlock()
}

// anyKey is cdboot.efi's prompt: a second for each dot, then the firmware goes on without this medium.
func (m *Machine) anyKey(ctx context.Context, boot *CD) bool {
	text, _ := read(boot.Medium, "efi/boot/bootx64.efi")
	_, prompt, ok := strings.Cut(text, "Press any key")
	if !ok {
		return true
	}
	dots := strings.Count(prompt, ".")
	if !m.to(ctx, "firmware", "Press any key to boot from CD or DVD") {
		return false
	}
	if m.listen(ctx, time.Duration(dots)*time.Second, func(Key) bool { return true }) {
		return true
	}
	m.stuck(ctx, "the boot manager of the firmware: the medium waits for a key (\"Press any key to boot from CD or DVD\"), and none was pressed")
	return false
}

// grub is the menu of a Linux medium: the first entry starts when the countdown ends, or with Enter. Any other key ends
// the countdown, and e and c leave the menu.
func (m *Machine) grub(ctx context.Context, seconds time.Duration) bool {
	menu := true
	f := func(k Key) bool {
		switch {
		case menu && (k.Text() == "e" || k.Text() == "c"):
			menu = false
			m.stuck(ctx, "GRUB is in its editor or command line: a key left the menu")
		case menu && k.Usage == keyEnter:
			return true
		case menu:
			m.stuck(ctx, "GRUB shows its menu: a key ended the countdown")
		}
		return false
	}
	if m.listen(ctx, seconds, f) || ctx.Err() != nil {
		return m.unstick(ctx)
	}
	m.mu.Lock()
	waits := m.state == "stuck"
	m.mu.Unlock()
	return !waits || m.listen(ctx, 0, f) && m.unstick(ctx)
}

// unstick ends what a key has ended; false when the machine stopped meanwhile.
func (m *Machine) unstick(ctx context.Context) bool {
	m.mu.Lock()
	m.why = ""
	m.mu.Unlock()
	return m.to(ctx, "installing", "the installer starts")
}

// yesOrNo is subiquity's question in its first version and since: it is asked again until the line is "yes".
func (m *Machine) yesOrNo(ctx context.Context) bool {
	line := ""
	return m.listen(ctx, 0, func(k Key) bool {
		switch s := k.Text(); s {
		case "\n":
			said := line
			line = ""
			return said == "yes"
		case "\b":
			line = line[:max(len(line)-1, 0)]
		default:
			line += s
		}
		return false
	}) && m.unstick(ctx)
}
