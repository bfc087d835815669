package task

// line.go: the exclusive tasks of one entity in the order of their calls. A task that waits stays
// queued until all before it have ended and none runs; any other is refused at once by a running one.

import (
	"slices"

	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "task.busy-vm", Sure: "inferred", As: "inferred",
	Source: "at vCenter: vhpc-toolkit's Operations._get_cpumem_tasks starts two reconfigures of one VM and then waits for both; terraform-provider-vsphere#493: a reconfigure stands until the VM's relocation has ended. " +
		"At a host: govmomi#953 (ESXi 5.5: Another task is already in progress), vic#5647 (hostd: Failed to start Reconfiguring: vim.fault.TaskInProgress). CustomizeVM_Task declares CustomizationFault alone (pyVmomi's tables), no TaskInProgress",
	Text: "A reconfigure or a customization of a VM on which another task works stays queued at vCenter until its turn, and fails with TaskInProgress at an ESXi endpoint; busy_vm of the fleet (queue, refuse) says otherwise."})

type line struct {
	tasks []*Task
	moved chan struct{} // closed when a task leaves the line
}

// enter puts an exclusive task at the end of its entity's line; world lock held.
func (m *Manager) enter(t *Task) {
	if !t.spec.Exclusive {
		return
	}
	l := m.lines[t.spec.Entity]
	if l == nil {
		l = &line{moved: make(chan struct{})}
		m.lines[t.spec.Entity] = l
	}
	l.tasks = append(l.tasks, t)
}

// leave takes a task that ended out of its line; world lock held.
func (m *Manager) leave(t *Task) {
	l := m.lines[t.spec.Entity]
	if !t.spec.Exclusive || l == nil {
		return
	}
	l.tasks = slices.DeleteFunc(l.tasks, func(x *Task) bool { return x == t })
	close(l.moved)
	l.moved = make(chan struct{})
	if len(l.tasks) == 0 {
		delete(m.lines, t.spec.Entity)
	}
}

// turn waits until a task that waits has its entity for itself; false when it was cancelled.
func (m *Manager) turn(t *Task) bool {
	if !t.spec.Exclusive || !t.spec.Waits {
		return true
	}
	for {
		var moved chan struct{}
		t.Do(func() {
			l := m.lines[t.spec.Entity]
			if l.tasks[0] == t && m.running[t.spec.Entity] == nil {
				m.running[t.spec.Entity] = t
			} else {
				moved = l.moved
			}
		})
		if moved == nil {
			return true
		}
		select {
		case <-moved:
		case <-t.ctx.Done():
			return false
		}
	}
}
