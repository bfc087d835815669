#!/bin/sh
# VMware's govc drives a rollout against the test vCenter, as an independent client:
#
#     rollout_govc.sh VCENTER GOVC        (the two programs: build/vcenter and build/govc)
#
# govc cannot mark a card for passthrough, so the fleet starts with a card that is enabled
# and waits for its reboot. One line per step; a step that differs from vSphere ends
# the script with status 1.
set -eu
vcenter=$1 govc=$2
dir=$(mktemp -d)
trap 'exec 3>&-; wait; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
fail() { echo "rollout_govc: $*" >&2; exit 1; }

cat > "$dir/fleet.json" <<'FLEET'
{"clusters": [{"name": "gpu-a", "hosts": [{"name": "esx-a-1", "cards": [
    {"address": "0000:3b:00.0", "vendor": "10de", "device": "20b5", "subdevice": "1533", "name": "GA100 [A100 PCIe 80GB]",
     "bars": ["16M:32", "128G:64p", "32M:64p"], "enabled": true, "active": false, "role": "gpu"}]}]}]}
FLEET
mkfifo "$dir/stdin"
"$vcenter" -fleet "$dir/fleet.json" -speed 200 -ready "$dir/ready.json" -quiet -until-stdin-closes < "$dir/stdin" &
exec 3> "$dir/stdin"
n=0
while [ ! -s "$dir/ready.json" ]; do
    n=$((n + 1)); [ $n -lt 200 ] || fail "the server does not start"
    sleep 0.05
done
value() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$dir/ready.json"; }
GOVC_URL=$(value url) GOVC_USERNAME=$(value username) GOVC_PASSWORD=$(value password) GOVC_TLS_CA_CERTS=$(value ca_file)
GOVC_VIM_VERSION=$(value version) GOVMOMI_HOME=$dir/govmomi
export GOVC_URL GOVC_USERNAME GOVC_PASSWORD GOVC_TLS_CA_CERTS GOVC_VIM_VERSION GOVMOMI_HOME
host=/DC0/host/gpu-a/esx-a-1
is() { # is PATH PROPERTY VALUE: the property has that value, within 20 s
    n=0
    until [ "$("$govc" object.collect -s "$1" "$2")" = "$3" ]; do
        n=$((n + 1)); [ $n -lt 200 ] || fail "$1: $2 is not $3 but $("$govc" object.collect -s "$1" "$2")"
        sleep 0.1
    done
}
"$govc" about | grep -q "API type: *VirtualCenter" || fail "not a vCenter"
"$govc" host.esxcli -host esx-a-1 network firewall get > "$dir/out" 2>&1 || fail "esxcli: $(cat "$dir/out")"
"$govc" vm.info -vm.ip 192.0.2.1 2>&1 | grep -q "no such VM" || fail "a search by address fails after esxcli"
echo "esxcli answered"
is $host summary.rebootRequired true
if "$govc" host.shutdown -r -f=false esx-a-1 > "$dir/out" 2>&1; then fail "a reboot outside maintenance mode was accepted"; fi
echo "reboot outside maintenance mode refused"
"$govc" host.maintenance.enter -timeout 0 esx-a-1 > "$dir/out" 2>&1
is $host runtime.inMaintenanceMode true
before=$("$govc" object.collect -s $host runtime.bootTime)
"$govc" host.shutdown -r -f=false esx-a-1 > "$dir/out" 2>&1
is $host runtime.connectionState notResponding
is $host runtime.connectionState connected
is $host summary.rebootRequired false
[ "$("$govc" object.collect -s $host runtime.bootTime)" != "$before" ] || fail "bootTime did not change"
"$govc" host.maintenance.exit esx-a-1 > "$dir/out" 2>&1
echo "rebooted, the card is active"
"$govc" vm.create -on=false -c 4 -m 8192 -g ubuntu64Guest -firmware efi -pool gpu-a/Resources -ds ds-1 -host esx-a-1 \
    -net "VM Network" -disk 20GB gpu-vm > "$dir/out" 2>&1
"$govc" device.pci.ls -vm gpu-vm | grep -q 0000:3b:00.0 || fail "the card is not offered"
"$govc" device.pci.add -vm gpu-vm 0000:3b:00.0 > "$dir/out" 2>&1
if "$govc" vm.power -on gpu-vm > "$dir/out" 2>&1; then fail "powered on without a reservation"; fi
echo "power-on without a reservation refused: $(tail -1 "$dir/out")"
"$govc" vm.change -vm gpu-vm -memory-pin=true -mem.reservation 8192 \
    -e pciPassthru.use64bitMMIO=TRUE -e pciPassthru.64bitMMIOSizeGB=256
"$govc" vm.power -on gpu-vm > "$dir/out" 2>&1
is /DC0/vm/gpu-vm runtime.powerState poweredOn
is /DC0/vm/gpu-vm config.firmware efi
echo "powered on with its GPU"
"$govc" vm.power -off gpu-vm > "$dir/out" 2>&1
"$govc" vm.destroy gpu-vm
"$govc" session.logout
echo done
