package vm

// shares.go: shares of memory and processors. A level gives their number by the VM's size.

import (
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

var _ = rule("vm.shares", "documented", "real", "vSphere Resource Management guide: shares 2000, 1000, 500 a processor, 20, 10, 5 a megabyte; API reference: SharesInfo",
	"The levels high, normal and low set the shares by the size and follow it; custom takes a number from 1 to 1000000.")

func vetShares(a *types.ResourceAllocationInfo, path string) *fault.Error {
	if a == nil || a.Shares == nil || a.Shares.Level != types.SharesLevelCustom {
		return nil
	}
	if a.Shares.Shares < 1 || a.Shares.Shares > 1_000_000 {
		return fault.InvalidArgument(path)
	}
	return nil
}

// settled returns the shares of a level for size units.
func settled(s *types.SharesInfo, size, normal int32) *types.SharesInfo {
	n := types.SharesInfo{Level: types.SharesLevelNormal}
	if s != nil && s.Level != "" {
		n = *s
	}
	switch n.Level {
	case types.SharesLevelHigh:
		n.Shares = 2 * normal * size
	case types.SharesLevelLow:
		n.Shares = normal * size / 2
	case types.SharesLevelNormal:
		n.Shares = normal * size
	}
	return &n
}

// settleShares follows the size of the VM; the world lock is held.
func (vm *VM) settleShares() {
	c := vm.Config
	for _, a := range []struct {
		info         **types.ResourceAllocationInfo
		size, normal int32
	}{{&c.MemoryAllocation, c.Hardware.MemoryMB, 10}, {&c.CpuAllocation, c.Hardware.NumCPU, 1000}} {
		n := types.ResourceAllocationInfo{}
		if *a.info != nil {
			n = **a.info
		}
		n.Shares = settled(n.Shares, a.size, a.normal)
		*a.info = &n
	}
}
