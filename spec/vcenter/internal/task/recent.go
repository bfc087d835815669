package task

// recent.go: TaskManager.recentTask and the recentTask of each entity, which is a part of
// it. Queued and running tasks are always in it; ended ones stay for ten minutes of the
// client's clock (not divided by the speed: it is how long a client may look back), and
// only while it is one of the last 200 that ended.

import (
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "task.recent", Sure: "documented", As: "real",
	Source: "API reference: TaskManager.recentTask, ManagedEntity.recentTask",
	Text: "recentTask holds every task that is queued or runs, and those that ended within the last 10 minutes and are among the last 200 that ended; " +
		"an entity's recentTask contains its tasks of that list; a client sees there only tasks of entities that it may see."})

const (
	recentEnded = 200
	recentFor   = 10 * time.Minute
)

// end is a task that has ended and is still recent.
type end struct {
	task *Task
	at   time.Time
}

// lists are the recentTask properties that list a task.
func (m *Manager) lists(t *Task, change func([]types.ManagedObjectReference) []types.ManagedObjectReference) {
	if tm, ok := m.W.Reg.Get(*m.W.Content.TaskManager).(*simulator.TaskManager); ok {
		tm.RecentTask = change(tm.RecentTask)
		m.W.Touch(tm.Self)
	}
	if e, ok := m.W.Reg.Get(t.spec.Entity).(mo.Entity); ok {
		e.Entity().RecentTask = change(e.Entity().RecentTask)
		m.W.Touch(t.spec.Entity)
	}
}

func (m *Manager) started(t *Task) {
	m.lists(t, func(list []types.ManagedObjectReference) []types.ManagedObjectReference { return append(list, t.Self) })
}

// ended notes the end of a task and removes the oldest. World lock held.
func (m *Manager) ended(t *Task) {
	m.ends = append(m.ends, end{t, time.Now()})
	m.sweep()
}

// sweep takes out what is no longer recent and comes back when the next one is due.
// World lock held.
func (m *Manager) sweep() {
	due := time.Now().Add(-m.RecentFor)
	for len(m.ends) > 0 && (len(m.ends) > recentEnded || !m.ends[0].at.After(due)) {
		gone := m.ends[0].task
		m.ends = m.ends[1:]
		m.lists(gone, func(list []types.ManagedObjectReference) []types.ManagedObjectReference {
			if i := slices.Index(list, gone.Self); i >= 0 {
				return slices.Delete(list, i, i+1)
			}
			return list
		})
	}
	if len(m.ends) == 0 || m.W.Stop.Err() != nil {
		return
	}
	wait := time.Until(m.ends[0].at.Add(m.RecentFor))
	if m.sweeper == nil {
		m.sweeper = time.AfterFunc(wait, func() {
			m.W.Lock()
			defer m.W.Unlock()
			m.sweep()
		})
		return
	}
	m.sweeper.Reset(wait)
}
