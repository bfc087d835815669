package guest

// unsupported.go: what a script used that this guest does not simulate. A missing program ends
// with 127 as in any system, but a real system might have it. So each such name goes to the
// timeline once per power-on (guest-unsupported), and the truth page lists them: a script is
// fully tested here only when that list is empty.

import (
	"fmt"
	"slices"
)

// unsupported records something once. The Machine's lock must not be held.
func (m *Machine) unsupported(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	m.mu.Lock()
	known := slices.Contains(m.missed, what)
	if !known && len(m.missed) < 100 {
		m.missed = append(m.missed, what)
	}
	m.mu.Unlock()
	if !known {
		m.note("guest-unsupported", "%s", what)
	}
}

// Unsupported lists what scripts used since the power-on that is not simulated.
func (m *Machine) Unsupported() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.missed...)
}

// noEffect is a program that succeeds and does nothing, which is reported.
func noEffect(r *linuxRun, args []string) int {
	r.m.unsupported("%s has no effect", args[0])
	return 0
}
