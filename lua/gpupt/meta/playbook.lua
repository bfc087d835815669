---@meta _
-- Generated from the declarations by `make docs`: for editors, never loaded.

---@class gpupt.options.p.answer
---@field file string a file of your own, next to the playbook

---@class gpupt.options.p.doctor.repair
---@field fix? table|function what is repaired: mmio, memory, hot-add, stale-backing, hide-hypervisor, vbs (needs --allow vbs-off); everything else is only shown
---@field driver? string|function version of the guest's driver, if known (for hide-hypervisor)
---@field sessions? string|function a VM in which a user is logged in: skip it, or shut it down (needs --allow sessions)
---@field power_on? boolean|function power a repaired VM on afterwards

---@class gpupt.options.p.driver.install
---@field package? string|function Linux: the package, such as nvidia-driver-550-server-open
---@field from? string|function on this computer: NVIDIA's .run (Linux) or .exe (Windows), or a folder with .inf, .deb or .rpm files, which is copied into the guest
---@field max_size? string|function the most that a folder on this computer may have
---@field folder? string|function a folder in the guest with .inf (Windows), .deb or .rpm files: a mounted medium or a share
---@field args? string|function arguments of that file; Windows: default -s -noreboot
---@field modules? string|function Linux: the kernel modules of a .run file
---@field mok? boolean|function Linux with Secure Boot: modules that are built in the guest are signed with a key that it trusts
---@field hide_hypervisor? string|boolean|function Windows: auto hides it from a GeForce that stops with Code 43, and restarts the VM; true or false
---@field vendor? string|function whose driver it is, where a VM has cards of several vendors; default: what the name of the package or file says, else all cards have to run
---@field version? string|function the version that must run afterwards, or the beginning of it
---@field within? string|function how long the installation may take

---@class gpupt.options.p.find
---@field path string|table inventory paths, such as /DC1/vm/**
---@field name? string|table patterns of the name, as --limit takes them: 'cad-*,!cad-07'
---@field has? string|table what it must have: p.gpus { ... } (such a card), 'passthrough' (VMs: any passthrough card; hosts: a card that is enabled); VMs also 'fixed', 'dynamic', 'snapshot'; hosts also 'gpu', 'pending' (a card that is enabled and not active); or a list, of which it must have all
---@field power? "on"|"off"|"suspended" VMs: the power state
---@field guest? string VMs: windows, linux, or a pattern of the guest id
---@field firmware? "efi"|"bios" VMs: the firmware
---@field template? boolean VMs: true for templates; they are left out otherwise
---@field version? string hosts: a pattern of the ESXi version, such as 8.*
---@field filter? function filter(target) -> whether it is meant; see the guide for the target's fields

---@class gpupt.options.p.gpu.attach
---@field devices table|function p.gpus: which cards
---@field count? integer|function how many cards each VM gets; with `whole`, how many sets
---@field each? table in place of count, the cards of each model: { ['10de:1eb8'] = 1, ['10de:20b5'] = 2 }; devices has to match all of them
---@field whole? string|function count whole sets: group: cards that depend on each other (dependentDevice); board: all GPUs of a board
---@field accept? table what is refused otherwise, and you accept: nvswitch-passthrough (whole boards with NVSwitches, which NVIDIA does not support), snapshots (a VM that has some keeps them)
---@field snapshots? string|function a VM that has snapshots: refuse it, or delete them before the card goes in (needs --allow delete-snapshots); only those that the plan lists
---@field vbs? string|function a VM with virtualization-based security: refuse it, or switch it off, and nested virtualization and the virtual IOMMU with it (needs --allow vbs-off); in the guest it has to be switched off as well
---@field backing? string|function fixed: these cards; dynamic: any card of this model, chosen at power-on (Dynamic DirectPath I/O)
---@field mmio? string|integer|function min, safe, seed, off or a size in GiB; measure: as safe, and BARs that the table does not have are read from the vmware.log of a first power-on
---@field hide_hypervisor? string|boolean|function auto (by card and driver, also that of a later driver.install), true or false
---@field driver? string|function version of the driver that the guest will have, if known
---@field horizon? boolean|function the VM is a Horizon desktop (vDGA): custom settings of its own video card, without 3D
---@field displays? integer|function with horizon: displays of the VM's own video card
---@field video_memory? string|function with horizon: its memory, such as 64 MiB; default: unchanged, or 16 MiB for each of displays
---@field bars? table|function measured BARs of a card that is not in the built-in table
---@field power_on? boolean|function power the VM on afterwards

---@class gpupt.options.p.gpu.detach
---@field devices? table p.gpus: which cards; default: all that the VM has
---@field settings? string|function remove: also what gpu.attach set for the cards, if the VM has no other card
---@field power_on? boolean|function power the VM on afterwards if it was running

---@class gpupt.options.p.gpus
---@field match? string|table vendor:device[:subvendor:subdevice] in hexadecimal, * allowed; or a list of them
---@field class? string|table a PCI class such as 0302, or a list
---@field address? string|table a PCI address, or a list
---@field label? string|table the hardware label of the card, or a list; p.host.enable sets the label of cards that match the other fields and have none
---@field bars? string|table measured BARs of cards that the table does not have: 16M/32,128G,32M

---@class gpupt.options.p.guest.verify
---@field gpus? integer|function how many cards the guest must see; default: all attached cards
---@field driver? boolean|function true: the cards must have a driver; false: the driver is installed later
---@field run? string|function a command of your own that uses the cards, for /bin/bash -c or cmd /c; it must end with 0
---@field output? string|function text that its output must contain
---@field run_within? string|function how long it may take
---@field repair? table|function what is repaired as by doctor.repair when the guest does not see its cards: mmio, hide-hypervisor ...
---@field within? string|function how long to wait for guest operations

---@class gpupt.options.p.horizon.agent
---@field from string|function the installer, a local file: Omnissa-Horizon-Agent-x86_64-2603-8.18.0-24273927036.exe
---@field version? string|function its version, such as 8.18.0; default: by the file's name
---@field features? table|function names for ADDLOCAL; default: those of a desktop with its own card
---@field properties? table|function more MSI properties: { NAME = value }
---@field server? string of an unmanaged VM: the Connection Server with which the agent registers
---@field register? table of an unmanaged VM: p.login("DOMAIN\\user", secret) for that; its administrators can see it
---@field within? string|function how long the installer may take

---@class gpupt.options.p.horizon.pool
---@field id string|function the pool's ID, as Horizon Console shows it
---@field server string a Connection Server of the pod: its name, or https://NAME:PORT
---@field login table p.login("DOMAIN\\user", secret): an account that may manage pools
---@field renderer3d? "AUTOMATIC"|"DISABLED"|"HARDWARE"|"MANAGE_BY_VSPHERE_CLIENT"|"SOFTWARE" who manages 3D; desktops with their own card need MANAGE_BY_VSPHERE_CLIENT
---@field protocol? "BLAST"|"PCOIP"|"RDP" the default display protocol; default: unchanged, or BLAST where that is RDP, which has no 3D
---@field power_policy? "TAKE_NO_POWER_ACTION"|"ALWAYS_POWERED_ON"|"POWER_OFF" what Horizon does with a VM after logoff; default: unchanged, but SUSPEND is refused
---@field ca_file? string PEM file of the CAs to trust; default: those of the system
---@field thumbprint? string SHA-256 or SHA-1 thumbprint of the one certificate to trust

---@class gpupt.options.p.host.disable
---@field devices? table p.gpus: which cards; default: the devices of p.hosts
---@field apply? string|function auto: without a reboot if the host supports it; reboot: always reboot; stage: disable only, no reboot
---@field whole? string|function board: also the other cards and the NVSwitches of the cards' boards
---@field foreign_maintenance? boolean|function also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)

---@class gpupt.options.p.host.enable
---@field devices? table|function p.gpus: which cards; default: the devices of p.hosts
---@field whole? string|function board: enable all GPUs of the cards' boards, and the NVSwitches of an HGX board
---@field apply? string|function auto: without a reboot if the host supports it; reboot: always reboot; stage: enable only, no reboot
---@field foreign_maintenance? boolean|function also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)

---@class gpupt.options.p.host.firmware
---@field above_4g? boolean|function above 4G decoding on
---@field iommu? boolean|function the IOMMU (VT-d, AMD-Vi) on
---@field sr_iov? boolean|function SR-IOV on
---@field set? table|function attributes of the server's BIOS with their values
---@field bmc? string|function https://BMC; without it the settings are unverified, and not changed
---@field login? table|function p.login: the account at the BMC
---@field ca_file? string|function PEM file of the CAs that the BMC's certificate is checked with
---@field thumbprint? string|function SHA-256 or SHA-1 thumbprint of the BMC's certificate
---@field foreign_maintenance? boolean|function also use hosts in maintenance mode that another user set; they stay in it (--allow foreign-maintenance)

---@class gpupt.options.p.hosts
---@field on? string the p.vcenter of these hosts, by its name; required if there are several
---@field where string|table inventory paths of hosts or clusters, such as /DC/host/cluster/*, or p.find
---@field devices? table|function p.gpus: the default cards of the steps
---@field roll? table limits of the rolling reboot: how many hosts at once, and how long to wait
---@field canary? integer do so many targets first, then end the run for a look; --resume goes on [0; some steps: 1]

---@class gpupt.options.p.hosts_roll
---@field unavailable? string|table how many hosts may be out of service at once: N/cluster or P%/cluster (rounded down, at least 1), or N and the word of per, such as 1/rack; or a list of limits
---@field per? string|function groups of hosts other than clusters: the name of a custom attribute of the hosts, or else of a tag category (tag:rack: only of a category), folder (the inventory folder), or a function of the host { name, cluster } that returns the group's name
---@field guests? "keep"|"shutdown-idle" running VMs that have a card and cannot be migrated: keep refuses the host, shutdown-idle shuts idle ones down
---@field drain? "drs"|"vmotion" running VMs that fully automated DRS does not move: drs refuses the host, vmotion moves them (--allow drain-vmotion)
---@field back_within? string how long a reboot may take
---@field resend_after? string after this time a host that is still connected with its old boot time gets the reboot request once more, and never a third time; default: 15m, or half of back_within if that is less
---@field drain_within? string how long migrating the VMs to other hosts may take
---@field shutdown_within? string how long a guest may take to shut down; if one does not, the host is left as it was
---@field power_on_within? string how long the power-on of a VM that the run shut down may take
---@field exit_within? string how long leaving maintenance mode may take
---@field ha_within? string in a cluster with HA: how long the HA agent of the host may take to be connected after that; then the host has failed, and no other host is started
---@field claim_within? string how long to wait for other hosts of the cluster that are out of service; then the host is deferred
---@field settle_within? string how long a host of another run, which came later, may take to leave maintenance mode to this one
---@field answer_within? string how long the server may take to answer EnterMaintenanceMode; then its task is looked for
---@field cancel_after? string how long after drain_within, which the server observes, EnterMaintenanceMode is cancelled
---@field cancel_within? string how long EnterMaintenanceMode may take to end after it was cancelled
---@field watch_for? string how long a run that was resumed watches a host before it sends the second reboot request
---@field busy_within? string how long another task on the host may take, if a change of unknown outcome met it
---@field window? string|table when hosts may be rebooted: 22:00-05:00, Mon-Fri 22:00-05:00, or Sat,Sun 00:00-24:00 Europe/Berlin (or UTC, +02:00, vcenter: the zone of its appliance; default: the time of this computer); or a list. A reboot that could last (back_within) beyond its end does not start
---@field window_within? string how long a run waits until the window opens; then the host is deferred
---@field max_failures? integer|string start no further targets after so many failed hosts of this roll: a count, or a percentage such as 10%

---@class gpupt.options.p.os.install
---@field iso string|function the installation medium: [datastore] path.iso
---@field answer string|table|function the answer medium: [datastore] path.iso, or p.answer to create and upload it
---@field tools? string|function the medium with VMware Tools, or "none"; default: the host's own for Windows, none for Linux
---@field keys? string|table|function what is typed at the VM's console. "auto": for Windows, Enter in the first 30 seconds (a stock medium waits for a key); for Ubuntu, yes where the medium asks "Continue with autoinstall?". "none": nothing. Or a list of texts, typed after the power-on: { "<wait 5s><down><enter>" }
---@field boot_within? string|function how long until the installer writes to the disk (known of thin disks)
---@field within? string|function how long the installation may take, from the power-on until VMware Tools run
---@field ready_within? string|function how long Tools may take until guest operations are ready

---@class gpupt.options.p.os.present
---@field within? string|function how long to wait for VMware Tools, including an installation by PXE or by hand
---@field power_on? boolean|function power on a VM that is off, so that it boots by PXE

---@class gpupt.options.p.playbook
---@field name string name of the playbook; run ids begin with it
---@field vars? table marks variables as secrets, if p.vars is not used
---@field max_failures? integer|string start no further targets after so many failed ones, in all scopes without a max_failures of their own [2]: a count, or a percentage such as 10%

---@class gpupt.options.p.tools.ensure
---@field horizon? boolean|string|function the Horizon Agent will be installed: true, or its version, such as 2306 or 8.10
---@field nsx? boolean|function NSX guest introspection is used
---@field remove? table|function additional features to exclude
---@field keep? table|function features to install even if the rules exclude them
---@field desktop? boolean|function Linux: also the package for desktops
---@field reboot? string|function Windows: whether the guest is rebooted when the installer requests it
---@field within? string|function how long the installer may take

---@class gpupt.options.p.vars_NAME
---@field default? any the default value; for a secret: p.secret.env, .file, .command or .callback
---@field type? "string"|"number"|"integer"|"boolean" what --var and --var-file give is converted to it; default: the type of the default
---@field choices? table a list of the possible values
---@field secret? boolean true: never stored, refused in --var; default: decided by the variable's name
---@field doc? string description

---@class gpupt.options.p.vcenter
---@field name string the name that scopes use in on = "..."
---@field url string the server: https://vcenter.example/sdk, without a password
---@field login table p.login: the account
---@field ca_file? string trust the CAs in this PEM file
---@field thumbprint? string trust only this certificate (SHA-256 or SHA-1)
---@field known_hosts? string file of 'host:port thumbprint' lines, also for ESXi
---@field timeout? number time limit for each call, in seconds

---@class gpupt.options.p.vm.clone
---@field from string|function the template or VM: its path below the datacenter's VM folder, such as gold/w11, or an inventory path
---@field snapshot? string|function clone this snapshot of the source, not what it is now
---@field linked? boolean|function a linked clone: its disks are children of the snapshot's; of the current one unless snapshot is given
---@field customization? string|function the name of a customization specification in vCenter; the clone is powered on, and its end awaited
---@field tpm? string|function the clone's vTPM, if the source has one: a new one, or a copy with the same secrets
---@field cpus? integer|function virtual CPUs; default: the source's
---@field memory? string|integer|function memory size, for example 16 GiB; default: the source's
---@field power_on? boolean|function power the clone on; default: if it is customized, or if a later step before gpu.attach runs in its guest
---@field customize_within? string|function how long the customization may take

---@class gpupt.options.p.vm.create
---@field guest string|function guest OS identifier (guestId), for example windows2022srvNext_64Guest
---@field cpus integer|function virtual CPUs
---@field memory string|integer|function memory size, for example 64 GiB
---@field disk string|integer|function size of the blank disk, for example 100 GiB
---@field firmware? string|function boot firmware
---@field secure_boot? boolean|function EFI Secure Boot
---@field controller? string|function disk controller; auto: lsisas for Windows, whose installer has a driver for it, else pvscsi
---@field version? string|function hardware version, for example vmx-20; default: the cluster's
---@field annotation? string|function the VM's notes

---@class gpupt.options.p.vm.delete
---@field run string|function the run that created the VMs, as its journal says

---@class gpupt.options.p.vm.move
---@field to string|table|function the hosts it may move to: a name, an inventory path or pattern of hosts or clusters, or a list of them; a VM that is on one of them stays
---@field datastore? string|function the name of the datastore to move its files to; default: they stay

---@class gpupt.options.p.vms
---@field on? string the p.vcenter of these VMs, by its name; required if there are several
---@field where? string|table inventory paths of existing VMs, or p.find
---@field count? integer number of VMs to create
---@field name? string their name; {n} or {n:03} stands for the number
---@field place? table|function where to create the VMs: cluster or host, datastore, network, folder
---@field spread? "even"|"pack" even: spread over all hosts; pack: fill host by host
---@field keep_free? integer number of cards to keep free in each cluster (--allow over-commit)
---@field login? table|function p.login: the account inside the guest
---@field canary? integer do so many targets first, then end the run for a look; --resume goes on [0; some steps: 1]
---@field shutdown_within? string how long a guest may take to shut down
---@field tools_within? string how long VMware Tools may take to run in a VM that was started a moment ago
---@field power_on_within? string how long a power-on may take (with locked memory the host gives all of it first)
---@field busy_within? string how long another task on the VM may take, if a change of unknown outcome met it
---@field parallel? table how many VMs are worked on at once: { host = 8, datastore = 64, vcenter = 128 }
---@field max_failures? integer|string start no further targets after so many failed VMs of this scope: a count, or a percentage such as 10%

---@class gpupt.options.p.vms_parallel
---@field host? integer VMs at once on one host
---@field datastore? integer VMs at once on one datastore
---@field vcenter? integer VMs at once in the vCenter

---@class gpupt.options.p.vms_place
---@field cluster? string name or inventory path of the cluster
---@field host? string name or inventory path of one host
---@field datastore? string name of the datastore
---@field network? string name of the network
---@field folder? string the VM folder, relative to the datacenter's VM folder
---@field datacenter? string the datacenter, where there are several
