"""Makes random vm-support folders: hostile_tree.py FOLDER SEED OUTSIDE. Prints how many regular files gpupt should count.

Names are those that the doctor looks for; what stands under them is anything that a file system has: files with fitting
or random content, pipes, sockets, devices, links (inside, outside, loops, dangling), unreadable and huge sparse files.
"""
import os
import random
import socket
import stat
import sys

root, seed, outside = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rng = random.Random(seed)

CARD = ('firmware = "efi"\nmemsize = "1024"\npciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:066:00.0"\n'
        'pciPassthru0.deviceId = "0x1b38"\npciPassthru0.vendorId = "0x10de"\n')
ESXCLI = "0000:42:00.0\n   Address: 0000:42:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1b38\n   Device Class: 0x0302\n\n"
LOG = ("2026-01-02T00:00:00.000Z In(05) vmx - Log for VMware ESX version=VMware ESXi 8.0.2 build=build-1 option=Release\n"
       "2026-01-02T00:00:01.000Z In(05) vmx - PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size "
       "34359738368 flags 12\n")
FILES = ["vm.vmx", "x.vmx", "vmware.log", "vmware-1.log", "vmware-22.log", "vmware-3.log.gz", "vmkernel.log", "vmkernel.1",
         "lspci.txt", "lspci.txt.FRAG-00000", "lspci.txt.FRAG-00007", "localcli_hardware-pci-list.txt",
         "localcli_system-uuid-get.txt", "esxcfg-info_-a.txt", "a\nb", "\x1b[2J", "\xff\xfe", "..x", " ", "-rf", "*"]
FOLDERS = ["commands", "vmfs", "volumes", "ds1", "vm", "var", "run", "log", "x", "...", "\n"]
CONTENT = [CARD, ESXCLI, LOG, "", "\0" * 100, "ResourceGroup: x\n", "5f1c2b3a-00000001-0002-aabbccddeeff\n",
           "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", "\xff\xfea\0b\0", "x" * 70000]
count = 0


def raw(text):
    return text.encode("latin-1")


def fill(path):
    kind = rng.random()
    global count
    try:
        if kind < 0.55:
            with open(path, "wb") as f:
                f.write(raw(rng.choice(CONTENT)) * rng.choice([1, 1, 1, 3]))
                if rng.random() < 0.05:
                    f.truncate(rng.choice([1 << 27, 1 << 31, 1 << 42]))
            if rng.random() < 0.1:
                os.chmod(path, 0)
            return 1
        if kind < 0.65:
            os.mkfifo(path)
        elif kind < 0.7:
            here = os.getcwd()
            os.chdir(os.path.dirname(path))
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.bind(os.path.basename(path))
            finally:
                os.chdir(here)
        elif kind < 0.73 and os.geteuid() == 0:
            os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, rng.choice([3, 5, 9])))
        else:
            os.symlink(rng.choice([b"/", b".", b"..", b"../..", raw(outside), raw(outside) + b"/secret.vmx",
                                   raw(outside) + b"/secret.log", b"nowhere", os.path.basename(path), b"vm.vmx",
                                   b"/proc/self/fd/0", b"/dev/zero", b"/dev/tty"]), path)
    except OSError:
        pass
    return 0


def grow(folder, depth):
    """Fills the folder; how many of its files are within reach."""
    files = 0
    for _ in range(rng.randint(0, 7)):
        path = os.path.join(folder, raw(rng.choice(FILES)))
        if not os.path.lexists(path):
            files += fill(path)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3]) if depth < 16 else 0):
        path = os.path.join(folder, raw(rng.choice(FOLDERS)))
        if not os.path.lexists(path):
            os.mkdir(path)
            files += grow(path, depth + 1)
    return files if depth <= 12 else 0


os.makedirs(os.path.join(raw(root), b"commands"), exist_ok=True)
with open(os.path.join(raw(root), b"commands", b"first.txt"), "wb") as f:
    f.write(b"x")
total = 1 + grow(raw(root), 1)
total += grow(os.path.join(raw(root), b"commands"), 2)
vm = os.path.join(raw(root), b"y")
os.makedirs(vm, exist_ok=True)
total += grow(vm, 2)
print(total)
