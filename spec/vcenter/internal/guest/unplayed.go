package guest

// unplayed.go: what a script asked for that this guest does not play. A program that is not
// there ends with 127 as in any system, but whether a real system would have it only its
// user knows; so each such name goes to the timeline once per power-on (guest-unplayed), and
// the truth page lists them: a script is proven here when that list is empty.

import (
	"fmt"
	"slices"
)

// unplayed notes something once. The machine's lock must not be held.
func (m *Machine) unplayed(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	m.mu.Lock()
	known := slices.Contains(m.missed, what)
	if !known && len(m.missed) < 100 {
		m.missed = append(m.missed, what)
	}
	m.mu.Unlock()
	if !known {
		m.note("guest-unplayed", "%s", what)
	}
}

// Unplayed lists what scripts asked for in vain since the power-on.
func (m *Machine) Unplayed() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.missed...)
}

// noEffect is a program that ends well and does nothing, which is told.
func noEffect(r *linuxRun, args []string) int {
	r.m.unplayed("%s has no effect", args[0])
	return 0
}
