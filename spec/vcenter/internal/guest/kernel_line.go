package guest

import "errors"

// KernelLine adds a line to the messages of a running Linux kernel, as a module would: for
// sentences that no device of this server brings about by itself.
func (m *Machine) KernelLine(line string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.OS != "ubuntu" || m.state != "running" {
		return errors.New("no Linux kernel runs in this machine")
	}
	m.klog("%s", line)
	return nil
}
