#!/usr/bin/env bash
# govc in bench/cycle.lua: usage: govc.sh GOVC CAP VMS FOLDER; the connection is in GOVC_*. Prints wall and CPU seconds.
set -euo pipefail
export govc=$1 GOVC_PERSIST_SESSION=false
one() {
    "$govc" vm.power -off "$1" && "$govc" vm.change -vm "$1" -annotation cycle && "$govc" vm.power -on "$1"
}
export -f one
TIMEFORMAT='%R %U %S'
{ time seq -f '/DC0/vm/vm-%03g' "$3" | xargs -P "$2" -I{} bash -c 'one {}' >"$4/out" 2>&1; } 2>"$4/time" || {
    cat "$4/out"
    exit 1
}
awk 'END { print $1, $2 + $3 }' "$4/time"
