package task

// forget.go: what happens to tasks when the service that keeps them restarts: they are
// lost, the running ones too.

import "github.com/vmware/govmomi/vim25/types"

// Forget takes out all tasks; with untracked, those under way finish their work although no
// client can read them any more. World lock held.
func (m *Manager) Forget(untracked bool) {
	for _, t := range m.all {
		if !untracked {
			t.cancel()
		}
		m.lists(t, func([]types.ManagedObjectReference) []types.ManagedObjectReference { return nil })
		m.W.Remove(t.Self)
	}
	m.all, m.done, m.ends = nil, nil, nil
}
