---@meta _
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
---@field late_commands? table commands at the end of the installation; /target is the new system
---@field runcmd? table commands at the first boot
---@field instance_id? string of meta-data; default: the host name. cloud-init runs once for each
---@field packages? table more packages; open-vm-tools and pciutils are always included
---@field locale? string of the installed system
---@field keyboard? string layout
---@field timezone? string as Linux names it
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
---@field commands? table commands at the end of the installation, in the new system (%post)
---@field packages? table more packages; open-vm-tools and pciutils are always included
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

---@class gpupt.options.pci.list
---@field root? string a sysfs, or a copy of one
---@field names? string|boolean a pci.ids file; false for no names; by default the system's file if it has one

---@class gpupt.options.pci.parse
---@field names? string|boolean a pci.ids file, or true for the system's

---@class gpupt.options.plan.apply
---@field journal? userdata an open journal (gpupt.store.open); default: the user's own file
---@field on_event? function called with each event { kind =, target =, text =, percent = }
---@field progress? boolean false: no events with the progress of tasks, for which it is read from the server again and again
---@field allow? table the approvals, for example { 'reboot' }
---@field run? string the run to resume
---@field asked? function called once a second during the run; what it returns stops the run: 'drain' to finish the steps in progress and start nothing more, 'cancel' to stop at once; a reason in words; and what to show instead of it
---@field outage? string|number how long to wait for a vCenter that does not answer

---@class gpupt.options.plan.text
---@field width? integer columns of the terminal; without it lines are not folded
---@field diff? boolean each setting before and after

---@class gpupt.options.plans.apply
---@field journal? userdata an open journal (gpupt.store.open); default: the user's own file
---@field on_event? function called with each event, which also has a field vcenter
---@field progress? boolean see plan.apply
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
---@field folder? table of vc.guest:folder, for several calls; default: one of its own

---@class gpupt.options.vc.guest_run_all
---@field environment? table list of NAME=VALUE; replaces the whole environment
---@field family? "windows"|"linux" default: as reported by the guest
---@field timeout? number seconds for the whole call
---@field max? integer maximum bytes of each output
---@field folder? table of vc.guest:folder, for several calls; default: one of its own

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
