#!/bin/sh
# What people do with govc, each command once: calls_govc.sh READY.json GOVC. One line for each that
# fails, then the count. The server is started with -dc 1 -cluster 1 -host 2 -vm 2 -pool 1 -app 1 -gpus 2.
ready=$1 govc=$2
value() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" "$ready"; }
GOVC_URL=$(value url) GOVC_USERNAME=$(value username) GOVC_PASSWORD=$(value password) GOVC_TLS_CA_CERTS=$(value ca_file)
GOVC_DATACENTER=DC0 GOVC_DATASTORE=LocalDS_0 GOVC_RESOURCE_POOL=/DC0/host/DC0_C0/Resources
GOVC_PERSIST_SESSION=false
export GOVC_URL GOVC_USERNAME GOVC_PASSWORD GOVC_TLS_CA_CERTS GOVC_DATACENTER GOVC_DATASTORE GOVC_RESOURCE_POOL GOVC_PERSIST_SESSION
dir=$(mktemp -d)
calls=0 failed=0
ok() { # the command succeeds
    calls=$((calls + 1))
    "$govc" "$@" >"$dir/out" 2>&1 || { failed=$((failed + 1)); echo "govc $*: $(tail -n 1 "$dir/out")"; }
}
says() { # TEXT: the command succeeds and prints it
    text=$1; shift
    ok "$@"
    grep -q -- "$text" "$dir/out" || { failed=$((failed + 1)); echo "govc $*: '$text' is not in: $(head -n 3 "$dir/out" | tr '\n' ' ')"; }
}
refused() { # TEXT: the command fails with it
    calls=$((calls + 1)) text=$1; shift
    if "$govc" "$@" >"$dir/out" 2>&1; then failed=$((failed + 1)); echo "govc $*: was not refused"
    elif ! grep -q -- "$text" "$dir/out"; then failed=$((failed + 1)); echo "govc $*: refused with: $(tail -n 1 "$dir/out")"; fi
}
vm=DC0_C0_RP1_VM0

says VMware about
says build about -l
says DC0_C0 ls /DC0/host
says "$vm" ls /DC0/vm
says "$vm" find / -type m
says "$vm" find /DC0/vm -type m -runtime.powerState poweredOn
says DC0_C0_H0 find / -type h
says Datacenter tree -L 1 -p /
says DC0 datacenter.info
export GOVC_HOST=/DC0/host/DC0_C0/DC0_C0_H0
says "Manufacturer" host.info
says connected host.info -json
says capacity cluster.usage -json DC0_C0
says DC0_C0 object.collect -s DC0_C0 name
says poweredOn object.collect -s "vm/$vm" runtime.powerState
says SSH host.service.ls
ok host.service start TSM-SSH
says Running host.service status TSM-SSH
ok host.service stop TSM-SSH
ok host.service enable ntpd
ok host.autostart.info
says "Config\|config\|." host.option.ls
says UserVars host.option.ls UserVars.
ok host.vswitch.info
ok host.portgroup.info
ok host.vnic.info
ok host.date.info
ok host.storage.info
unset GOVC_HOST # with a host, datastore commands talk to the host itself
says LocalDS_0 datastore.info
ok datastore.mkdir iso
ok datastore.upload "$ready" iso/a.json
says a.json datastore.ls iso
ok datastore.download iso/a.json "$dir/a.json"
ok datastore.cp iso/a.json iso/b.json
ok datastore.mv iso/b.json iso/c.json
ok datastore.rm iso
says "Name:" vm.info "$vm"
says ethernet-0 device.ls -vm "$vm"
says DVSwitch device.info -vm "$vm" "ethernet-0"
ok vm.power -off "$vm"
refused "current state" vm.power -off "$vm"
ok vm.change -vm "$vm" -m 2048 -c 2 -e guestinfo.a=b -annotation note
says guestinfo.a vm.info -e "$vm"
ok vm.disk.change -vm "$vm" -size 20G
ok vm.disk.create -vm "$vm" -name "$vm/extra" -size 1G
ok device.cdrom.add -vm "$vm"
ok vm.network.add -vm "$vm" -net "VM Network"
ok snapshot.create -vm "$vm" first
says first snapshot.tree -vm "$vm"
ok snapshot.revert -vm "$vm" first
ok snapshot.remove -vm "$vm" '*'
ok vm.clone -vm "$vm" -on=false copy
says copy find / -type m -name copy
ok vm.markastemplate copy
ok vm.markasvm copy
ok vm.unregister copy
ok vm.register copy/copy.vmx
ok export.ovf -vm copy "$dir/ovf"
ok vm.destroy copy
ok vm.create -on=false -m 1024 -disk 1G -g otherGuest64 -net "VM Network" fresh
refused "already exists" vm.create -on=false -net "VM Network" fresh
ok object.rename /DC0/vm/fresh newer
ok vm.power -on newer
ok vm.console newer
ok vm.power -reset newer
ok vm.power -suspend newer
ok vm.power -on newer
ok vm.power -off -force newer
ok vm.destroy newer
refused "no such VM" vm.info -r=false -vm.uuid 00000000-0000-0000-0000-000000000000
ok folder.create /DC0/vm/prod
ok object.mv "/DC0/vm/$vm" /DC0/vm/prod
says "$vm" ls /DC0/vm/prod
ok pool.create /DC0/host/DC0_C0/Resources/gold
says gold pool.info /DC0/host/DC0_C0/Resources/gold
ok pool.change -cpu.shares high /DC0/host/DC0_C0/Resources/gold
ok pool.destroy /DC0/host/DC0_C0/Resources/gold
ok cluster.create DC0_C9
ok cluster.change -drs-enabled DC0_C9
ok object.destroy /DC0/host/DC0_C9
refused "in use" object.destroy /DC0/host/DC0_C0
ok dvs.portgroup.info -pg DC0_DVPG0 DVS0
ok dvs.portgroup.add -dvs DVS0 -type earlyBinding -nports 16 more
ok fields.add owner
says owner fields.ls
ok fields.set owner ops "vm/prod/$vm"
ok permissions.ls /DC0
says Admin role.ls
ok role.create gpu-ops Host.Config.PciPassthru
says PciPassthru role.ls gpu-ops
ok permissions.set -principal someone@vsphere.local -role gpu-ops /DC0
ok permissions.remove -principal someone@vsphere.local /DC0
ok role.remove gpu-ops
says "." events -n 5
ok tasks -n 5
ok metric.ls "vm/prod/$vm"
ok metric.sample "vm/prod/$vm" cpu.usage.average
ok session.ls
ok license.ls
ok option.ls
ok extension.info
says "." alarms
rm -rf "$dir"
echo "$calls calls, $failed failed"
[ "$failed" = 0 ]
