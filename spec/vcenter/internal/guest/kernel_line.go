package guest

import "errors"

// KernelLine adds a line to the messages of a running Linux kernel, as a kernel module would:
// for messages that no device of this server causes by itself.
func (m *Machine) KernelLine(line string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disk.OS != "ubuntu" || m.state != "running" {
		return errors.New("no Linux kernel is running in this VM")
	}
	m.klog("%s", line)
	return nil
}
