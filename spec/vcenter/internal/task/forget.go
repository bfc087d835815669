package task

// forget.go: what happens to tasks when the service that keeps them restarts: they are
// lost, the running ones too.

import "github.com/vmware/govmomi/vim25/types"

// Forget takes out all tasks. World lock held.
func (m *Manager) Forget() {
	for _, t := range m.all {
		t.cancel()
		m.lists(t, func([]types.ManagedObjectReference) []types.ManagedObjectReference { return nil })
		m.W.Remove(t.Self)
	}
	m.all, m.done, m.ends = nil, nil, nil
}
