---@meta gpupt
-- Generated from the declarations by `make docs`: for editors, never loaded.

---@class gpupt.options.bar.learn
---@field date? string the day to note (today's by default), as 2026-11-30
---@field dry_run? boolean report what would be learned, write nothing

---@class gpupt.options.bar.lookup
---@field table? table a table from bar.load, instead of the built-in one

---@class gpupt.options.bar.window
---@field rule? "min"|"safe"|"seed" min: the sum rounded up; safe: each card rounded up first, as behind a root port of its own; seed: strictly above count x largest BAR
---@field table? table a table from bar.load, instead of the built-in one

---@class gpupt.options.doctor.examine
---@field vmx? any a document of gpupt.vmx, a path ("-" is standard input), or {text=, name=}
---@field vmx_name? string what to call a document that has no path
---@field log? any a result of gpupt.vmlog.scan, a path, or a list of these (vmware.log, dmesg, Windows reports)
---@field pci? any the host's devices: a list of gpupt.pci, the path of a text (esxcli, lspci) or of a sysfs, or {text=, name=}
---@field evidence? any a path, a result of gpupt.evidence, {text=}, or a list of these: outputs of tools, of any form
---@field gpus? table the cards for gpupt.bar.window, when the .vmx does not tell them
---@field vm? table a reference to a VirtualMachine: its settings, its host's cards and its log are read
---@field system_id? string the host's id (esxcli system uuid get)
---@field changed? table keys that were changed in the .vmx after the logs were written

---@class gpupt.options.doctor.report
---@field redact? boolean replace names, addresses, ids of hosts and VMs, and serial numbers

---@class gpupt.options.evidence.read
---@field names? string|boolean a pci.ids file; true for the system's; false for no names
---@field keep? boolean keep the text, plain, as `bytes` of the result

---@class gpupt.options.fleet.cards
---@field path? string|table inventory paths of hosts, clusters or folders; default: the whole inventory

---@class gpupt.options.guest.answer.cloud_init
---@field hostname string letters, digits and -
---@field user string the account to create
---@field password? any a function, a p.secret, or text; hashed here
---@field password_hash? any as in /etc/shadow ($6$...), instead of password
---@field salt? string for the hash; random when absent
---@field ssh_keys? table public keys that may log in
---@field sudo? boolean the user may use sudo without a password (drivers need root)
---@field autoinstall? boolean answers for the Ubuntu installer; false: for a cloud image
---@field storage? "direct"|"lvm"|"zfs" layout of the disk
---@field packages? table more packages; open-vm-tools is always included
---@field late_commands? table commands at the end of the installation; /target is the new system
---@field runcmd? table commands at the first boot
---@field locale? string of the installed system
---@field keyboard? string layout
---@field timezone? string as Linux names it
---@field instance_id? string of meta-data; default: the host name. cloud-init runs once for each
---@field redacted? boolean shows ******** instead of every secret, and reads none

---@class gpupt.options.guest.answer.kickstart
---@field hostname string letters, digits and -
---@field user string the account to create
---@field password? any a function, a p.secret, or text; hashed here
---@field password_hash? any as in /etc/shadow ($6$...), instead of password
---@field salt? string for the hash; random when absent
---@field ssh_keys? table public keys that may log in
---@field sudo? boolean the user may use sudo without a password (drivers need root)
---@field disk? string the disk to wipe; an NVMe disk is nvme0n1
---@field storage? "plain"|"lvm" partitions, or a volume group
---@field environment? string the group to install, such as @^minimal-environment
---@field packages? table more packages; open-vm-tools is always included
---@field commands? table commands at the end of the installation, in the new system (%post)
---@field locale? string of the installed system
---@field keyboard? string layout
---@field timezone? string as Linux names it
---@field redacted? boolean shows ******** instead of every secret, and reads none

---@class gpupt.options.guest.answer.problems
---@field label? string the volume label of the medium, when it is known

---@class gpupt.options.guest.answer.windows
---@field computer_name string 1 to 15 letters, digits and -
---@field password any of the administrator: a function, a p.secret, or text
---@field user? string the account; another name creates a local administrator
---@field image? integer|string the edition in install.wim, by its index or its name (p.answer needs none if the medium has one edition)
---@field product_key? any a key, as a secret; chooses the edition when no image is named
---@field language? string of the installed system and of Setup (the medium must have it)
---@field keyboard? string input locale, such as 0409:00000409; default: that of the language
---@field timezone? string as Windows names it
---@field organization? string registered organization
---@field disk? integer the disk to wipe
---@field esp_mb? integer size of the EFI system partition
---@field drivers? table paths with drivers for Setup (pvscsi), such as E:\drivers
---@field rdp? boolean allow Remote Desktop, with network level authentication
---@field tools? table|boolean options of guest.tools.command; false: no Tools
---@field commands? table more command lines of cmd.exe for the first logon, one after the other, after Tools
---@field redacted? boolean shows ******** instead of every secret, and reads none

---@class gpupt.options.guest.horizon.command
---@field version string of the agent: 8.18.0, 2603, or the installer's name
---@field features? table names for ADDLOCAL; default: those of a vDGA desktop
---@field remove? table installed features to remove (REMOVE)
---@field server? string an unmanaged agent: the Connection Server to register with
---@field user? string an unmanaged agent: DOMAIN\user for the registration
---@field password? string an unmanaged agent: the variable of the environment that has the password
---@field properties? table more MSI properties: { NAME = value }
---@field log? string a file in the guest for the MSI log

---@class gpupt.options.guest.linux.tools
---@field family? "debian"|"rhel"|"suse"|"photon"|"alpine" if already known
---@field id? string ID of /etc/os-release
---@field id_like? string ID_LIKE of /etc/os-release
---@field os_release? string the text of /etc/os-release
---@field desktop? boolean adds open-vm-tools-desktop
---@field sudo? boolean the user is not root, but may use sudo without a password

---@class gpupt.options.guest.proof.commands
---@field vendors? table PCI vendor ids of the cards to look for; default: NVIDIA and AMD

---@class gpupt.options.guest.proof.read
---@field expected? integer number of cards that the guest has to see
---@field vendors? table PCI vendor ids; other cards are not counted
---@field cards? table the cards that the VM was given: a list of { vendor =, device = }
---@field driver? boolean the cards must be bound to the driver; false: it is installed later

---@class gpupt.options.guest.tools.command
---@field version string|number of the installer that will run: 12.4.0, or 12416
---@field horizon? boolean|string the Horizon Agent will be installed afterwards: true, or its version, such as 2306 or 8.10
---@field nsx? boolean NSX is used, so its network driver must stay
---@field features? table the feature names of this installer, if they were read from its Feature table
---@field remove? table more features to remove
---@field keep? table features to keep even if the rules would remove them
---@field reboot? boolean lets the installer reboot the guest (without REBOOT=R)
---@field log? string a file in the guest for the MSI log
---@field program? string the installer, with its path where that is known

---@class gpupt.options.horizon.open
---@field server string the Connection Server: a name, or https://NAME[:PORT]
---@field domain string the AD domain of the account
---@field username string the account, without the domain
---@field password string|function|table a string, a function, a p.secret, or { file= | command= | env= }
---@field ca_file? string PEM file of the CAs to trust
---@field thumbprint? string SHA-256 or SHA-1 thumbprint of the one certificate to trust
---@field timeout? number seconds for a request, including waiting while the server is busy
---@field logins? table gpupt.logins.new(): which passwords were refused
---@field trace? function gets an event { method, path, status, seconds, request } of each request

---@class gpupt.options.json.encode
---@field indent? integer spaces per level; 0 writes one line
---@field invalid? "refuse"|"replace" for text that is not UTF-8: refuse it, or replace each malformed sequence by U+FFFD

---@class gpupt.options.p.answer
---@field file string a file of your own, next to the playbook

---@class gpupt.options.p.doctor.repair
---@field fix? table|function what is repaired: mmio, memory, hot-add, stale-backing, hide-hypervisor; everything else is only shown
---@field driver? string|function version of the guest's driver, if known (for hide-hypervisor)
---@field sessions? string|function a VM in which a user is logged in: skip it, or shut it down (needs --allow sessions)
---@field power_on? boolean|function power a repaired VM on afterwards

---@class gpupt.options.p.driver.install
---@field package? string|function Linux: the package, such as nvidia-driver-550-server-open
---@field from? string|function a local file: NVIDIA's .run (Linux) or .exe (Windows)
---@field folder? string|function a folder in the guest with .inf (Windows), .deb or .rpm files: a mounted medium or a share
---@field args? string|function arguments of that file; Windows: default -s -noreboot
---@field modules? string|function Linux: the kernel modules of a .run file
---@field mok? boolean|function Linux with Secure Boot: modules that are built in the guest are signed with a key that it trusts
---@field hide_hypervisor? string|boolean|function Windows: auto hides it from a GeForce that stops with Code 43, and restarts the VM; true or false
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
---@field accept? table what is refused otherwise, and you accept: nvswitch-passthrough (whole boards with NVSwitches, which NVIDIA does not support), snapshots (a VM that has some)
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
---@field window? string|table when hosts may be rebooted: 22:00-05:00, Mon-Fri 22:00-05:00, or Sat,Sun 00:00-24:00 Europe/Berlin (or UTC, +02:00; default: the time of this computer); or a list. A reboot that could last (back_within) beyond its end does not start
---@field window_within? string how long a run waits until the window opens; then the host is deferred
---@field max_failures? integer|string start no further targets after so many failed hosts of this roll: a count, or a percentage such as 10%

---@class gpupt.options.p.os.install
---@field iso string|function the installation medium: [datastore] path.iso
---@field answer string|table|function the answer medium: [datastore] path.iso, or p.answer to create and upload it
---@field tools? string|function the medium with VMware Tools, or "none"; default: the host's own for Windows, none for Linux
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

---@class gpupt.options.pci.list
---@field root? string a sysfs, or a copy of one
---@field names? string|boolean a pci.ids file; false for no names; by default the system's file if it has one

---@class gpupt.options.pci.parse
---@field names? string|boolean a pci.ids file, or true for the system's

---@class gpupt.options.plan.apply
---@field journal? userdata an open journal (gpupt.store.open); default: the user's own file
---@field on_event? function called with each event { kind =, target =, text =, percent = }
---@field allow? table the approvals, for example { 'reboot' }
---@field run? string the run to resume
---@field asked? function called once a second during the run; what it returns stops the run: 'drain' to finish the steps in progress and start nothing more, 'cancel' to stop at once; and a reason in words
---@field outage? string|number how long to wait for a vCenter that does not answer

---@class gpupt.options.plan.text
---@field width? integer columns of the terminal; without it lines are not folded
---@field diff? boolean each setting before and after

---@class gpupt.options.plans.apply
---@field journal? userdata an open journal (gpupt.store.open); default: the user's own file
---@field on_event? function called with each event, which also has a field vcenter
---@field allow? table the approvals
---@field asked? function see plan.apply
---@field outage? string|number how long to wait for a vCenter that does not answer

---@class gpupt.options.playbook.evacuate
---@field to? table names or inventory paths of the hosts to use; default: the others of the host's cluster
---@field out? string the file to write; default: evacuate-HOST.lua

---@class gpupt.options.playbook.load
---@field expect? table the expected files; if they differ, nothing is executed: a list of { files = { { path =, hash = }... }, since = 'the plan was created', advice = 'create a new plan' }
---@field argv? table the set of names in vars that came from a command line, where secrets are refused
---@field since? string when the secrets in vars were omitted, for messages: 'run x was started'

---@class gpupt.options.playbook.load_plan
---@field expect? table more expected files, see playbook.load
---@field argv? table the set of names in vars that came from a command line

---@class gpupt.options.playbook.open
---@field path? string a playbook or a plan file; default with resume: the playbook of the run
---@field vars? table variables, including secrets
---@field argv? table the set of names in vars that came from a command line, where secrets are refused
---@field journal? userdata an open journal that contains the run to resume
---@field resume? string the run to resume: its id, or the beginning of it

---@class gpupt.options.playbook.plan
---@field limit? string|table patterns of host and VM names as in inventory paths, with commas or as a list; !PATTERN excludes; other targets are not changed
---@field journal? userdata an open journal, to read the earlier rows of this run and the claims of others
---@field run? string the run to resume
---@field check_logins? boolean also try the logins in guests that run; reads the passwords, also from commands
---@field secrets? boolean false: do not read secrets, for a plan by a user who has none; apply reads them

---@class gpupt.options.playbook.release
---@field force? table names of hosts whose claims are released though the run left them out of service

---@class gpupt.options.playbook.stop
---@field now? boolean also cancel the steps in progress

---@class gpupt.options.playbook.undo
---@field vars? table variables, including secrets, if the run used steps of the user's own
---@field argv? table the set of names in vars that came from a command line, where secrets are refused

---@class gpupt.options.record.open
---@field words? table the command that is recorded, as a list of words: for README.txt, with stand-ins

---@class gpupt.options.redfish.open
---@field url string https://BMC, or just its name or address
---@field username string the account at the BMC
---@field password string|function|table a string, a function, a p.secret, or { file= | command= | env= }
---@field ca_file? string PEM file of the CAs to trust
---@field thumbprint? string SHA-256 or SHA-1 thumbprint of the one certificate to trust
---@field timeout? number seconds for a request, including waiting while the BMC is busy
---@field logins? table gpupt.logins.new(): which passwords were refused
---@field trace? function gets an event { method, path, status, seconds, request } of each request

---@class gpupt.options.redfish.read
---@field above_4g? boolean what above 4G decoding should be; nil: only shown
---@field iommu? boolean the same for the IOMMU (VT-d, AMD-Vi)
---@field sr_iov? boolean the same for SR-IOV
---@field set? table attributes of this server with the values that they should have
---@field uuid? string the UUID of the host: the BMC of another server is refused

---@class gpupt.options.settings.compute
---@field gpus table the cards: {vendor=, device=, count=, bars=, name=, class=, address=, system_id=}
---@field memory_mb integer the VM's memory; a multiple of 4
---@field guest? string the guest OS identifier (guestId), such as windows2022srvNext_64Guest or ubuntu64Guest
---@field firmware? "auto"|"efi"|"bios" auto: EFI, or what is installed
---@field installed? "efi"|"bios" the firmware that the operating system on the disk boots with; omit for a blank disk
---@field mmio? string|integer min, safe or seed: the rule for the window; off; or a size in GiB
---@field hide_hypervisor? string|boolean hypervisor.cpuid.v0: auto decides by card and driver
---@field driver? string the version of the card's driver in the guest, when known
---@field horizon? boolean the VM serves a Horizon desktop on its card (vDGA)
---@field displays? integer with horizon: displays of the VM's own video card; default: unchanged
---@field video_memory_mb? integer with horizon: its memory; default: unchanged, or 16 for each of displays
---@field backing? "fixed"|"dynamic" fixed: these addresses; dynamic: any card with these IDs and this label
---@field label? string dynamic backing: the hardware label
---@field bar_table? table a table of gpupt.bar.load instead of the built-in one

---@class gpupt.options.settings.to_spec
---@field change_version? string config.changeVersion as read: the server refuses the change if the VM has changed since
---@field devices? boolean false: settings only, no devices
---@field firmware? boolean false: omit the firmware (an existing VM)
---@field video_card? table the VM's VirtualMachineVideoCard as read; required to change it
---@field first_key? integer the first temporary key of a new device

---@class gpupt.options.step_contract
---@field name string the name of the step, as group.word
---@field scope "hosts"|"vms" the targets it runs on
---@field options? table the declared options
---@field needs? table the privileges that its calls need
---@field checks? table the privileges that only a plan's checks need
---@field approvals? table the approvals that its changes may need: { word = 'what for' }
---@field claims? table what a run claims for its targets: 'host' or 'cards'
---@field also_needs? function also_needs(options, scope) -> privileges that depend on the options (nil: all)
---@field after? table steps that must come before it, each with the reason
---@field login? boolean it runs programs in the guest: p.vms needs a login
---@field repeatable? boolean may be used more than once in a scope
---@field after_vms? boolean its hosts wait for the VMs of the plan, not these for their host
---@field undo_first? boolean its undo comes before that of the target's other steps, whose reboot it needs
---@field after_host? boolean it waits for the VM's host, if that waits for its VMs
---@field canary? integer how many targets of a scope with this step are its canary, unless the scope says
---@field check? function check(options) -> message or nil, while the playbook is loaded
---@field place? function place(fleet, target, options) -> memory and datastores of the VM that it creates
---@field goes? function goes(fleet, target, options) -> references to the hosts that the VM may be moved to
---@field requires? function requires(options, target, changes) -> what the preflight checks
---@field secrets? function secrets(options, changes): reads and checks its secrets before a run starts
---@field prepare? function prepare(ctx, target, done): reads for all hosts of a plan side by side what observe uses; done: what undo gets
---@field observe function reads the current state from the server
---@field plan function returns what it would change
---@field apply function makes the changes
---@field prove function reads the state again and proves the result
---@field undo? function undo(ctx, target, done): how what a run did to the target is taken back

---@class gpupt.options.vc.datastore_download
---@field resume? boolean continue an earlier download from TARGET.part
---@field progress? function called with (bytes received)
---@field timeout? number seconds for the whole transfer
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_list
---@field pattern? string|table glob that the names must match, or a list of them
---@field recursive? boolean include subfolders
---@field browser? table the datastore's browser, if it is known: the datastore is not looked up then
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_mkdir
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_move
---@field force? boolean replace an existing file
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_read
---@field offset? integer first byte
---@field length? integer number of bytes; default: to the end
---@field chunk? integer bytes per request, and the most in memory
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_text
---@field max? integer refuse a file larger than this many bytes
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.datastore_upload
---@field progress? function called with (bytes sent, total bytes)
---@field timeout? number seconds for the whole transfer
---@field overwrite? boolean false: refuse when the file exists
---@field folders? boolean create the folders of its path
---@field size? integer the size that the local file must have
---@field verify? boolean check the size on the datastore before the file is renamed (needs Datastore.Browse)
---@field datacenter? string inventory path of the datacenter; default: the client's, or the only one

---@class gpupt.options.vc.guest
---@field timeout? number seconds, including waiting for busy Tools

---@class gpupt.options.vc.guest_get
---@field max? integer refuse a longer text
---@field progress? function called with (bytes received)
---@field timeout? number seconds

---@class gpupt.options.vc.guest_put
---@field text? string send this text instead of a file
---@field permissions? integer mode of a Linux file, such as 493 (0755)
---@field overwrite? boolean false: refuse when the file exists
---@field progress? function called with (bytes sent, total bytes)
---@field timeout? number seconds

---@class gpupt.options.vc.guest_ready
---@field timeout? number seconds

---@class gpupt.options.vc.guest_run
---@field program string absolute path of the program
---@field arguments? string its arguments, as for the guest's shell
---@field directory? string working directory; default: the temporary one
---@field environment? table list of NAME=VALUE; replaces the whole environment
---@field family? "windows"|"linux" default: as reported by the guest
---@field timeout? number seconds for the whole call
---@field max? integer maximum bytes of each output

---@class gpupt.options.vc.guest_run_all
---@field environment? table list of NAME=VALUE; replaces the whole environment
---@field family? "windows"|"linux" default: as reported by the guest
---@field timeout? number seconds for the whole call
---@field max? integer maximum bytes of each output

---@class gpupt.options.vc_collect
---@field type? string the managed type of the objects
---@field types? table { type = { paths } } instead of type and paths, for several types at once
---@field under? table the folder, datacenter... to search; default: everything
---@field itself? boolean with under: that container too, which a view of it leaves out
---@field objects? table a list of references, instead of under
---@field paths? table property paths
---@field follow? table with objects: { type = property }; also reads the objects that this property names
---@field page? integer objects per page (the server may give fewer)
---@field timeout? number seconds for each request

---@class gpupt.options.vc_find
---@field type? string only objects of this managed type

---@class gpupt.options.vc_wait
---@field timeout? number seconds; the task continues after that
---@field progress? function called with (percent, info) when the task's progress or state changes
---@field cancel_task? boolean cancel the task when the wait is cancelled or times out

---@class gpupt.options.vc_wait_for
---@field timeout? number seconds

---@class gpupt.options.vim.connect
---@field url? string https://HOST/sdk, or just the host (GOVC_URL)
---@field username? string (GOVC_USERNAME)
---@field password? string|function|table a string, a function, or { file= | command= | env= } (GOVC_PASSWORD)
---@field token_file? string log in with the SAML token in this file (mode 0600), without a password
---@field token_command? string log in with the SAML token that this command prints
---@field token_key_file? string PEM private key (mode 0600) of a holder-of-key token's certificate
---@field ticket_file? string log in with the clone ticket in this file (mode 0600)
---@field ticket_command? string log in with the clone ticket that this command prints
---@field persist_session? boolean save the session for the next program, and resume a saved one (GOVC_PERSIST_SESSION=true); default: log out at the end
---@field ca_file? string PEM file of the CAs to trust (GOVC_TLS_CA_CERTS)
---@field thumbprint? string SHA-256 or SHA-1 thumbprint of the one certificate to trust; overrides insecure
---@field known_hosts? string file of lines 'host:port thumbprint', also of ESXi hosts (GOVC_TLS_KNOWN_HOSTS); an entry overrides insecure
---@field insecure? boolean trust any certificate (GOVC_INSECURE); one warning on stderr
---@field proxy? string URL of an HTTP proxy
---@field timeout? number seconds for a whole call, including queueing and retries
---@field connect_timeout? number seconds to connect, including TLS
---@field stall_timeout? number seconds without any data received
---@field connections? integer maximum number of connections
---@field retries? integer how many times a read-only call is retried
---@field outage? number seconds, in addition to timeout, for which calls that may be repeated and waits without a timeout go on while the server does not answer (a run sets its own)
---@field keep_alive? number idle seconds after which a keep-alive call is sent
---@field probe_after? number idle seconds after which a changing call first checks that the session still exists
---@field limits? table limits of a response: bytes (1 GiB; 4 MiB before the login), cells, text, depth (200; at most 256), attributes
---@field trace? function|string a function that gets an event table, or a file (GPUPT_TRACE): appended to, readable by its owner only, without secrets
---@field record? table gpupt.record.open(DIR): record requests and answers; refuse calls that change anything
---@field version? string use this version of vim25 instead of the newest that both sides support
---@field datacenter? string the datacenter of relative inventory paths (GOVC_DATACENTER)
---@field operation_id? string first part of every call's operationID
---@field login? boolean false: connect without logging in
---@field logins? table gpupt.logins.new(): which passwords were refused, for connections that share accounts

---@class gpupt.options.vmlog.scan
---@field sessions? "last"|"all" whether `sessions` holds every power-on, or only the last one

---@class gpupt
---@field _VERSION string
local gpupt = {}

---Passes results through; raises {message, code, detail, where} for nil, message.
function gpupt.check(...) end

gpupt.vmx = {}

---The document of a text; nil, message, code (EPARSE for binary content, EFBIG, EENCODING).
function gpupt.vmx.parse(text, opts) end

---The document of a file, which `save` may then replace.
function gpupt.vmx.open(path, opts) end

---Two texts of a .vmx as a unified diff; names of them are printed above it. Empty when they are equal.
function gpupt.vmx.difference(before, after, before_name, after_name) end

---What a page, a mail or a terminal did to the text of a .vmx, in words ("typographic quotes on 2 lines"); nil for one
---that is as it was.
function gpupt.vmx.pasted(text) end

---Whether a key or its value has signs that came from a page and would become part of it.
function gpupt.vmx.is_odd(key, value) end

gpupt.bar = {}

---Bytes of a size as people and logs write it: "32G", "32 GiB", "33587200 KB", 16777216.
function gpupt.bar.size(value) end

---BARs as people write them, "16M/32,128G,32M" (16M/32 is a 32-bit BAR, 128/io are I/O ports; others are 64-bit): a
---list for bar.window; nil, message, code.
function gpupt.bar.parse(text) end

---The built-in table with rows of a file (and the user's learned ones) before it. `source` is a path, or {text=...}.
function gpupt.bar.load(source) end

---All rows of the table (by default the built-in one with the user's own rows), for a loop.
function gpupt.bar.each(tbl) end

---Takes the BARs of the GPUs in logs, lists and sysfs folders into the user's own table, which every later look-up
---uses.
---`sources` is a list of paths or {text=, name=}. Result: {path=, learned={rows}, kept=, skipped={{name=, why=}...}};
---nil, message, code (ENOBARS when there is nothing to learn).
---@param opts? gpupt.options.bar.learn
function gpupt.bar.learn(sources, opts) end

---What the table has on a card: {vendor=, device=, name=, bars=, bytes=, mark=, source=, variants=}.
---`variants` lists every form with the same ids, the assumed one first. nil, message, "ENOENT" for an unknown card.
---@param opts? gpupt.options.bar.lookup
function gpupt.bar.lookup(vendor, device, opts) end

---The window for a list of cards. Result: {gb=, rule=, min=, safe=, seed=} in GiB, `needed` (the VM does not start
---without use64bitMMIO), `high_end` (a card maps more than 16 GiB), `bytes` (all memory BARs), `low_bytes` (32-bit
---BARs, below 4 GiB), `source` ("measured", "table" or "mixed"), `warnings` (texts), `devices` (the cards with their
---BARs), `why` (text), `uncertain` (names of cards whose BARs are from memory or have several forms), `sure` (the
---window
---is needed even without those) and `sure_min` (how large it must be for the others). A bad value gives nil, message,
---code: EINVAL, ERANGE, ENOBARS, or ENOENT for a card that the table does not know.
---@param opts? gpupt.options.bar.window
function gpupt.bar.window(list, opts) end

---What a vmware.log's "pages needed" says: all memory BARs of the device, 4 KiB each, and two pages more.
---Result: {bytes=, text=, sizes=, gb=}; `sizes` are the powers of two in it, largest first, `gb` the window.
function gpupt.bar.from_pages(pages) end

---What "could not allocate N KB of PCI MMIO" says: the 64-bit BARs that did not fit.
function gpupt.bar.from_kb(kb) end

gpupt.pci = {}

---An address from its text: "0000:65:00.0", "65:00.0", "10000:e1:00.0" (hexadecimal), "00000:101:00.0",
---"PCI 0:101:0:0" (decimal, as they can be nothing else). `form` "hex" or "vmx" (decimal) settles what a short text
---such as "10:00.0" means; without it, it is hexadecimal.
---Has .domain .bus .slot .func, :vmx(), tostring, == and <. nil, message, code for anything else.
function gpupt.pci.address(text, form) end

---The system's pci.ids, or nil.
function gpupt.pci.names_file() end

---The devices of a sysfs, sorted by address. nil, message, code when there is none.
---@param opts? gpupt.options.pci.list
function gpupt.pci.list(opts) end

---The devices in a text: `esxcli hardware pci list`, `esxcli hardware pci pcipassthru list`, `lspci` (plain, -n,
----nn, -v, -vv, -x to -xxxx; ESXi's own, -p), `vmkchdev -l`, the PCI lines of a Linux kernel's log; recognised line by
---line, so texts may be joined, and each adds to the record of its address. Text that went through a mail program, a
---web page or PowerShell is read all the same. With `names`, a name without ids (lspci without -nn) is looked up.
---Second result: {complete = true, false or "unknown", why=, lines= (by address), damage=, commands=}.
---nil, message, "EPARSE" when nothing in the text was recognised.
---@param opts? gpupt.options.pci.parse
function gpupt.pci.parse(text, opts) end

---Whether a list of devices is all that the machine has: true, false or "unknown", and why. Only a complete list shows
---that a card is missing. `commands` are the {text=} that made the list, as pci.parse gives them.
function gpupt.pci.complete(devices, commands) end

---The record of a vSphere HostPciDevice, whose numbers are signed on the wire: a table with vim25 field names.
function gpupt.pci.from_vim(dev) end

---True when the device is a GPU to pass through; else false and the reason.
function gpupt.pci.is_gpu(dev) end

---The board whose NVSwitch a device is ("HGX H100"), or nil.
function gpupt.pci.switch_of(dev) end

---True when the device fits a pattern: "vendor:device[:subvendor:subdevice]" with * for any part (or any digits),
---"class=0302", "class=03*", an address, "gpu"; a list of patterns fits when one of them does.
---nil, message, "EINVAL" for an invalid pattern.
function gpupt.pci.match(dev, pattern) end

---Which devices have to go to a VM together, and why: a list of {devices = {...}, reasons = {...}}, every device in
---exactly one group.
function gpupt.pci.together(devices) end

gpupt.vmlog = {}

---Reads a log: a path ("-" is standard input), a folder with vmware*.log files, or {text=...}. Gzip is recognised.
---{text=..., pasted=false} is a program's own output: wrapping and the like is not looked for, nor is its form.
---Result: {verdict=, form=, devices=, findings=, not_understood=, sessions=, session_count=, config=, window=,
---repairs=, lines=, bytes=, files=}. When reading
---failed midway, what was read is there, with `partial` = true and `problem` = the message.
---nil, message, code when nothing could be read.
---@param opts? gpupt.options.vmlog.scan
function gpupt.vmlog.scan(source, opts) end

---The words that the reader looks for, those of the catalogue and those of lines that are not understood.
function gpupt.vmlog.words() end

---The catalogue of findings, for a loop: code, family, severity, word, source and the fixed texts of each.
function gpupt.vmlog.catalogue() end

---What precedes a message: {time=, thread=, operation=, level=, message=} by the form of the line.
function gpupt.vmlog.prefix(line) end

gpupt.evidence = {}

---Reads a text: a path, "-" (standard input) or {text=, name=}. nil, message, code when it cannot be read.
---@param opts? gpupt.options.evidence.read
function gpupt.evidence.read(source, opts) end

---The devices of several results as one list of gpupt.pci's records, each address once for the host and once for the
---guest. `where` ("host" or "guest") excludes what is known to be the other's. Cards without an address come at the
---end.
function gpupt.evidence.devices(results, where) end

---One line on what a result holds, for people.
function gpupt.evidence.summary(result) end

---What is wrong with how the host resets a card, and the line of passthru.map that would change it: {cause=, remedy=,
---map = {line...}}, or nil. `resets` are the lines of passthru.map that were read, `devices` the host's others.
function gpupt.evidence.reset_advice(device, resets, devices) end

---The forms that are known: {{form=, title=, how=, facts=, source=}...}, for the documentation.
function gpupt.evidence.forms() end

gpupt.json = {}

---The value as JSON text; nil, message, "EINVAL" if JSON cannot represent it (the message names the path).
---@param opts? gpupt.options.json.encode
function gpupt.json.encode(value, opts) end

---The value of a JSON text; nil, message, "EPARSE" with line and column.
function gpupt.json.decode(text) end

---The text that commands print for `--json`: indented by two spaces, with a newline at the end, invalid UTF-8
---replaced.
function gpupt.json.document(value) end

gpupt.settings = {}

---Computes the settings. A bad value or a contradiction gives nil, message, code (EINVAL, EFIRMWARE, EWINDOW,
---ENOENT for an unknown card, and what gpupt.bar.window gives).
---@param o? gpupt.options.settings.compute
function gpupt.settings.compute(o) end

gpupt.doctor = {}

---Examines what is given. nil, message, code when something cannot be read, or nothing was given.
---Result: {findings=, looked_at=, not_understood={{file=, line=, text=}...}, verdict="healthy"|"problems"|"unclear",
---healthy= (verdict is "healthy")}. Findings of severity "info" are no problem.
---@param given? gpupt.options.doctor.examine
function gpupt.doctor.examine(given) end

---Makes the changes of the fixable findings in a document; a list of {code=, key=, value= or remove=} (or {code=,
---line=, text= or remove=}, for lines whose form was repaired) that were made.
function gpupt.doctor.fix(findings, doc) end

---Fixes `doc` until an examination finds nothing more to change: what one change makes readable may show the next.
---`again(keys)` examines the document as it is; `keys` are those that were changed, which makes a log's messages about
---them old news (doctor.examine's option `changed`). Result: the last examination, the changes made; nil, message,
---code.
function gpupt.doctor.mend(result, doc, again) end

---The rules, for a loop: id, severity, cause, remedy, source.
function gpupt.doctor.rules() end

---Examines an unpacked vm-support folder: {vms = {{vmx=, result=}...}, host = findings, looked_at=,
---healthy=}.
function gpupt.doctor.bundle(folder) end

---Writes the page of a result (of examine or bundle) to a .html or .md file; atomic. `opts`: {redact = true} replaces
---names, addresses and serial numbers. true, or nil, message, code.
---@param opts? gpupt.options.doctor.report
function gpupt.doctor.report(result, path, opts) end

---The form of a report of that name: "html" or "markdown"; nil, message, code for another ending.
function gpupt.doctor.report_form(path) end

gpupt.vim = {}

---Connects and logs in; see gpupt.vim.client.
---@param given? gpupt.options.vim.connect
function gpupt.vim.connect(given) end

---Ends a session that the option persist_session has saved; see gpupt.vim.client.
function gpupt.vim.logout(given) end

---Whether a method of vim25 only reads: it changes nothing on the server that outlives the session.
function gpupt.vim.reads(name) end

---The vim25 type's name of a decoded value ("VirtualMachineConfigInfo"), of a reference, or of a wrapped scalar.
function gpupt.vim.typeof(value) end

---Iterates over a list that may be absent: nil, false and {} all give nothing.
function gpupt.vim.each(list) end

---A date and time: a number of seconds since 1970 (UTC) or an ISO 8601 text.
function gpupt.vim.time(value) end

---Seconds since 1970 of a dateTime text of the server, or nil, message, "EINVAL".
function gpupt.vim.seconds(text) end

gpupt.loop = {}

---Waits `seconds`.
function gpupt.loop.sleep(seconds) end

---Waits for an event made by loop.event; `seconds` bounds it. True, or nil, message, "ETIMEDOUT".
function gpupt.loop.await(event, seconds) end

---An event, and the function that fires it.
function gpupt.loop.event() end

---The process's engine, for a loop that polls descriptors itself.
function gpupt.loop.engine() end

---Makes calls inside another loop's coroutines yield to it: "cqueues", "luv", an adapter
---{ mine(), wait(token), wake(token), watch(engine) }, or nil for none.
function gpupt.loop.use(adapter) end

---Where warnings go (a call that blocks all fibers, insecure TLS...): a function of one text; stderr by default.
function gpupt.loop.on_warning(fn) end

function gpupt.loop.warn(text) end

gpupt.playbook = {}

---Loads a playbook file; nil, message, code ("EPLAYBOOK" with file:line in the message, "ENOENT", "ESTALE" if it is
---not as expected, "ESECRET" for a secret without a value, "EUSAGE" for invalid variables). A variable that is a secret
---may be given as a string, a function or a p.secret; it is never stored.
---@param o? gpupt.options.playbook.load
function gpupt.playbook.load(path, vars, o) end

---Reads a plan file of plan:save and loads its playbook, if that and its files have not changed. Its field `saved` is
---compared at apply. vars: the secrets, which a plan file does not contain.
---@param o? gpupt.options.playbook.load_plan
function gpupt.playbook.load_plan(path, vars, o) end

---What takes back what a run did: its plan(vc) says what can be taken back, what cannot (plan:lost()) and what was
---changed since and stays (plan:left()); that plan is applied like any other. nil, message, code ("EREFUSED" if a
---process works on the run, or it was undone already; "EVERSION" for runs of earlier releases).
---@param o? gpupt.options.playbook.undo
function gpupt.playbook.undo(journal, id, o) end

---Opens what is to be applied: a playbook, a plan file or a run to resume. Returns a playbook whose plan() uses the
---run and the limit, and refuses a saved plan that no longer holds; nil, message, code.
---@param o? gpupt.options.playbook.open
function gpupt.playbook.open(o) end

---The journal of a --journal value (the user's own file without one): its path, the open journal, one of its runs.
function gpupt.playbook.journal_path(url) end

function gpupt.playbook.open_journal(url) end

---The journal, opened for reading only; nil, message, "ENOENT" if there is none yet.
function gpupt.playbook.read_journal(url) end

function gpupt.playbook.find_run(journal, id) end

---What became of a run (a record of journal:runs or find_run), see gpupt.playbook.account; and its state alone. Both
---only read the journal.
function gpupt.playbook.account(journal, record, o) end

function gpupt.playbook.run_state(journal, record) end

---Follows a run in another process until it ends, see gpupt.playbook.follow.
function gpupt.playbook.follow(url, id, o) end

---The claims that are in force in a journal, or all of one run: a list of { resource =, what =, host =, vm =, run =,
---state =, kept =, text =, next = }. `state` is that of the run's process: "running", "stopped", "gone", "unseen"
---(on another computer), "none" (the run has ended).
function gpupt.playbook.claims(journal, run) end

---Asks the process that works on a run to stop, within seconds: it finishes the steps in progress and starts nothing
---more. { run =, state =, process = }; nil, message, code ("EENDED" if no process works on it).
---@param o? gpupt.options.playbook.stop
function gpupt.playbook.stop(journal, id, o) end

---Releases the claims of a run that no process works on, after a look at their hosts: { run =, complete =, claims = {
---{ what =, host =, vm =, state =, released =, kept = why not } } }; nil, message, code ("EREFUSED" if a process does).
---@param o? gpupt.options.playbook.release
function gpupt.playbook.release(journal, vc, id, o) end

---Writes the playbook that moves the VMs with cards of a host to other hosts: { path =, vms = how many, host =,
---left = { { name =, why = } } }; nil, message, code.
---@param o? gpupt.options.playbook.evacuate
function gpupt.playbook.evacuate(vc, host, o) end

---The variables in a --var-file; nil, message, code.
function gpupt.playbook.read_var_file(path) end

---Whether a limit is well-formed: true; nil, message, "EINVAL".
function gpupt.playbook.check_limit(limit) end

---The approvals that --allow accepts: { { word =, doc =, steps = { names } } }, sorted by word.
function gpupt.playbook.approvals() end

---The privileges that all steps together need: { { privilege =, step = }... }.
function gpupt.playbook.needs_of_all_steps() end

gpupt.fleet = {}

---The cards: { cards = {...}, left_out = {...}, dynamic = {...}, elsewhere = {...}, away = {{host=, why=,
---connected=}...}, hosts = number }; nil, message, code.
---A card has host, cluster, address, slot, id ("10de:20b5"), vendor, device, subvendor,
---subdevice, class, model, capable, enabled, active, state (for people), label, owners ({name=, power=,
---template=, stale=, unverified=}; stale: the VM is registered on another host and cannot start; unverified: only the
---host says so), free, why (it is not free).
---@param given? gpupt.options.fleet.cards
function gpupt.fleet.cards(vc, given) end

gpupt.logins = {}

function gpupt.logins.kind(name, rules) end

---Whether a message reports that the account is locked, disabled or expired.
function gpupt.logins.says_locked(message) end

---A new registry. It also refuses what `parent` refuses.
function gpupt.logins.new(parent) end

gpupt.record = {}

---Whether a method only reads: what may be sent during a recording.
function gpupt.record.reads(name) end

---Begins a recording in `path`, a new or an empty folder. Gives the record; the same one when this process has opened
---the folder already; or nil, message, code.
---@param opts? gpupt.options.record.open
function gpupt.record.open(path, opts) end

return gpupt
