package vm

// clone_tpm.go: the vTPM of a clone, and a clone of a snapshot, which has the configuration of
// that moment.

import (
	"crypto/rand"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

var (
	_ = rule("vm.clone-tpm", "documented", "real", "API reference: VirtualMachineCloneSpec.tpmProvisionPolicy, VirtualMachineCloneSpecTpmProvisionPolicy (copy: access to the original's TPM secrets; replace: a new one)",
		"A clone's vTPM is a copy with the secrets of the source's, unless tpmProvisionPolicy is replace; another value is InvalidArgument.")
	_ = rule("vm.clone-snapshot", "documented", "real", "API reference: VirtualMachineCloneSpec.snapshot: the same configuration as the virtual machine at the time the snapshot was taken",
		"A clone of a snapshot has the configuration and the disk of that snapshot, not of the VM now.")
)

func vetTPMPolicy(policy string) *fault.Error {
	switch types.VirtualMachineCloneSpecTpmProvisionPolicy(policy) {
	case "", types.VirtualMachineCloneSpecTpmProvisionPolicyCopy, types.VirtualMachineCloneSpecTpmProvisionPolicyReplace:
		return nil
	}
	return fault.InvalidArgument("spec.tpmProvisionPolicy")
}

func tpmOf(c *types.VirtualMachineConfigInfo) *types.VirtualTPM {
	for _, d := range c.Hardware.Device {
		if t, ok := d.(*types.VirtualTPM); ok {
			return t
		}
	}
	return nil
}

// manufacture gives a vTPM its endorsement key, by which a client tells one from another.
func manufacture(t *types.VirtualTPM) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	t.EndorsementKeyCertificateSigningRequest = [][]byte{key}
}

// takeTPM gives the clone the source's vTPM, or a new one.
func (n *VM) takeTPM(src *VM, policy string) {
	to, from := tpmOf(n.Config), tpmOf(src.Config)
	switch {
	case to == nil:
	case policy == string(types.VirtualMachineCloneSpecTpmProvisionPolicyReplace) || from == nil:
		manufacture(to)
	default:
		to.EndorsementKeyCertificateSigningRequest = from.EndorsementKeyCertificateSigningRequest
	}
}

// asOfSnapshot shows a VM as it was when a snapshot was taken, until the function is called.
func (r *Service) asOfSnapshot(vm *VM, ref types.ManagedObjectReference) (func(), *fault.Error) {
	snap, ok := r.w.Reg.Get(ref).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return nil, fault.NotFound(ref)
	}
	var then types.VirtualMachineConfigInfo
	if err := copyOut(&snap.Config, &then); err != nil {
		return nil, fault.From(err)
	}
	now := vm.Config
	then.Name, then.Files, then.Template, then.DatastoreUrl = now.Name, now.Files, now.Template, now.DatastoreUrl
	vm.Config = &then
	return func() { vm.Config = now }, nil
}
