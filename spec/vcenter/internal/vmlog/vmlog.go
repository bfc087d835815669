// Package vmlog writes vmware.log as ESXi 8 does: a time stamp, the level, the thread, an
// operation id or "-", and the message. The lines about passthrough are those that
// public logs and articles show.
package vmlog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gpupt.test/vcenter/internal/bars"
)

// Log is the log of one power-on.
type Log struct {
	b    strings.Builder
	Now  func() time.Time
	OpID string
}

// New starts a log.
func New(now func() time.Time) *Log { return &Log{Now: now} }

func (l *Log) line(level, thread, format string, args ...any) {
	op := l.OpID
	if op == "" {
		op = "-"
	}
	fmt.Fprintf(&l.b, "%s %s %s %s %s\n", l.Now().UTC().Format("2006-01-02T15:04:05.000Z"), level, thread, op, fmt.Sprintf(format, args...))
}

// Info, Warn and Error write lines of the vmx thread.
func (l *Log) Info(format string, args ...any)  { l.line("In(05)", "vmx", format, args...) }
func (l *Log) Warn(format string, args ...any)  { l.line("Wa(03)", "vmx", format, args...) }
func (l *Log) Error(format string, args ...any) { l.line("Er(02)", "vmx", format, args...) }

// VCPU writes a line of the first virtual processor.
func (l *Log) VCPU(format string, args ...any) { l.line("In(05)", "vcpu-0", format, args...) }

// Begin is the head of every log.
func (l *Log) Begin(path, name, product, build string) {
	l.Info("Log for VMware ESX pid=%d version=%s build=build-%s option=Release", 2100000+len(name)*37, product, build)
	l.Info("The host is x86_64.")
	l.Info("Host codepage=UTF-8 encoding=UTF-8")
	l.Info("Msg_Reset:")
	l.Info("[msg.dictionary.load.openFailed] Cannot open file \"/usr/lib/vmware/settings\": No such file or directory.")
	l.Info("DICT --- USER PREFERENCES")
	l.Info("DICT --- CONFIGURATION %s", path)
}

// Dict writes a configuration line, as the head of a real log has them.
func (l *Log) Dict(key, value string) { l.Info("DICT %23s = \"%s\"", key, value) }

// Device writes the BAR lines of a passthrough device.
func (l *Log) Device(address string, at []uint64, list []bars.Bar) {
	l.Info("PCIPassthru: Device %s successfully registered", address)
	for i, b := range list {
		real := uint64(0)
		if i < len(at) {
			real = at[i]
		}
		l.Info("PCIPassthru: Device %s barIndex %d type %d realaddr 0x%x size %d flags %d", address, b.Index, b.Kind(), real, b.Size, b.Flags())
	}
}

// String is the text so far.
func (l *Log) String() string { return l.b.String() }

// KeepOld is how many old logs stay unless the VM says otherwise (log.keepOld).
const KeepOld = 10

// Rotate moves vmware.log to the next vmware-N.log, removes those that are too old, and
// writes the new one. The numbers only grow: the highest is the youngest.
func Rotate(dir, text string, keep int) error {
	name := filepath.Join(dir, "vmware.log")
	old, err := filepath.Glob(filepath.Join(dir, "vmware-*.log"))
	if err != nil {
		return err
	}
	var numbers []int
	for _, f := range old {
		if n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "vmware-"), ".log")); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	numbered := func(n int) string { return filepath.Join(dir, fmt.Sprintf("vmware-%d.log", n)) }
	if _, err := os.Stat(name); err == nil {
		next := 1
		if len(numbers) > 0 {
			next = numbers[len(numbers)-1] + 1
		}
		if err := os.Rename(name, numbered(next)); err != nil {
			return err
		}
		numbers = append(numbers, next)
	}
	for i := 0; i < len(numbers)-keep; i++ {
		if err := os.Remove(numbered(numbers[i])); err != nil {
			return err
		}
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// Append adds lines to the running log.
func Append(dir, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, "vmware.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}
