---@meta gpupt
-- Made from the declarations by `make docs`: for editors, never loaded.

---@class gpupt.options.bar.learn
---@field date? string the day to note (today's by default), as 2026-11-30
---@field dry_run? boolean say what would be learned, write nothing

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
---@field path? string|table inventory paths of hosts, clusters or folders; the whole inventory when absent

---@class gpupt.options.guest.answer.cloud_init
---@field hostname string letters, digits and -
---@field user string the account that is made
---@field password? any a function, a p.secret, or text; hashed here
---@field password_hash? any as /etc/shadow has it ($6$...), instead of password
---@field salt? string for the hash; random when absent
---@field ssh_keys? table public keys that may log in
---@field sudo? boolean the user may use sudo without a password (drivers need root)
---@field autoinstall? boolean answers for the Ubuntu installer; false: for a cloud image
---@field storage? "direct"|"lvm"|"zfs" layout of the disk
---@field packages? table more packages; open-vm-tools always is one
---@field late_commands? table commands at the installation's end, /target is the new system
---@field runcmd? table commands at the first boot
---@field locale? string of the installed system
---@field keyboard? string layout
---@field timezone? string as Linux names it
---@field instance_id? string of meta-data; the host name when absent. cloud-init runs once for each
---@field redacted? boolean shows ******** in place of every secret, and asks none

---@class gpupt.options.guest.answer.problems
---@field label? string the volume label of the medium, when it is known

---@class gpupt.options.guest.answer.windows
---@field computer_name string 1 to 15 letters, digits and -
---@field password any of the administrator: a function, a p.secret, or text
---@field user? string the account; another name makes a local administrator
---@field image? integer|string the edition in install.wim, by its index or its name
---@field product_key? any a key, as a secret; chooses the edition when no image is named
---@field language? string of the installed system and of Setup (the medium must have it)
---@field keyboard? string input locale, as 0409:00000409; the language's when absent
---@field timezone? string as Windows names it
---@field organization? string registered organization
---@field disk? integer the disk that is wiped
---@field esp_mb? integer size of the EFI system partition
---@field drivers? table paths with drivers for Setup (pvscsi), as E:\drivers
---@field tools? table|boolean options of guest.tools.command; false: no Tools
---@field commands? table more command lines for the first logon, after Tools
---@field redacted? boolean shows ******** in place of every secret, and asks none

---@class gpupt.options.guest.linux.tools
---@field family? "debian"|"rhel"|"suse"|"photon" when it is known already
---@field id? string ID of /etc/os-release
---@field id_like? string ID_LIKE of /etc/os-release
---@field os_release? string the text of /etc/os-release
---@field desktop? boolean adds open-vm-tools-desktop
---@field sudo? boolean the user is not root, but may use sudo without a password

---@class gpupt.options.guest.proof.commands
---@field vendors? table PCI vendor numbers of the cards looked for; NVIDIA and AMD by default

---@class gpupt.options.guest.proof.read
---@field expected? integer how many cards the guest has to see
---@field vendors? table PCI vendor numbers; other cards are left out of the count
---@field driver? boolean the driver must hold the cards; false: it comes later

---@class gpupt.options.guest.tools.command
---@field version string|number of the installer that will run: 12.4.0, or 12416
---@field horizon? boolean the Horizon Agent will be installed afterwards
---@field nsx? boolean NSX is used, so that its network driver must stay
---@field features? table the feature names of this very installer, when known
---@field remove? table more features to leave out
---@field keep? table features to keep although the rules would leave them out
---@field reboot? boolean lets the installer reboot by itself (REBOOT=R is left out)
---@field log? string a file in the guest for the MSI log
---@field program? string the installer, with its path where that is known

---@class gpupt.options.json.encode
---@field indent? integer spaces per level; 0 writes one line
---@field invalid? "refuse"|"replace" what happens to text that is not UTF-8: an error, or U+FFFD in place of each malformed sequence

---@class gpupt.options.p.gpu.attach
---@field devices table p.gpus: which cards
---@field count? integer|function how many cards each VM gets
---@field backing? string|function fixed: these very cards; dynamic: any card of that kind, chosen at power-on
---@field mmio? string|integer|function min, safe, seed, off or a size in GiB
---@field hide_hypervisor? string|boolean|function auto, true or false
---@field driver? string|function the version of the driver that the guest will have, when known
---@field horizon? boolean|function the VM serves a Horizon desktop (vDGA)
---@field bars? table|function measured BARs of one card, where the built-in table does not know it
---@field power_on? boolean|function start the VM afterwards

---@class gpupt.options.p.gpus
---@field match? string|table vendor:device[:subvendor:subdevice] in hexadecimal, * allowed; or a list of them
---@field class? string|table a PCI class as 0302, or a list
---@field address? string|table a PCI address, or a list
---@field label? string|table the hardware label that the host gives the card, or a list

---@class gpupt.options.p.guest.verify
---@field gpus? integer|function how many cards the guest must see; as many as are attached
---@field driver? boolean|function their driver must hold them; false: it comes later
---@field within? string|function how long the guest may take to be ready

---@class gpupt.options.p.host.enable
---@field devices? table p.gpus: the cards; the scope's devices when left out
---@field apply? string|function auto: without a reboot where the host can; reboot: always by reboot; stage: leave the reboot to others
---@field foreign_maintenance? boolean|function work on a host that somebody else put into maintenance (--allow foreign-maintenance), left there

---@class gpupt.options.p.hosts
---@field where string|table inventory paths of hosts or clusters, as /DC/host/cluster/*
---@field devices? table p.gpus: the cards that the steps mean unless they say otherwise
---@field roll? table how the hosts take turns

---@class gpupt.options.p.hosts_roll
---@field unavailable? string how many hosts may be away at once: N/cluster
---@field guests? "keep"|"shutdown-idle" running VMs that hold a card and cannot move: refuse the host, or shut them down when idle
---@field back_within? string how long a reboot may take
---@field drain_within? string how long VMs may take to leave
---@field claim_within? string how long to wait for hosts of the cluster that somebody else took down; then the host is deferred

---@class gpupt.options.p.os.install
---@field iso string|function the installation medium, as [datastore] path.iso
---@field answer string|table|function the answer medium: [datastore] path.iso, or p.answer to have it made and uploaded
---@field tools? string|function the medium with Tools that the answer's command finds; for Windows the host's own, "none" for none
---@field within? string|function how long an installation may take

---@class gpupt.options.p.playbook
---@field name string what runs of it are called
---@field vars? table variables that are declared here rather than by p.vars: which are secrets

---@class gpupt.options.p.tools.ensure
---@field horizon? boolean|function the Horizon agent will be installed
---@field nsx? boolean|function NSX guest introspection is used
---@field remove? table|function more features to leave out
---@field keep? table|function features to keep although the rules leave them out
---@field within? string|function how long the installer may take

---@class gpupt.options.p.vars_NAME
---@field default? any the value when none is given; of a secret: p.secret.env, .file, .command or .callback
---@field secret? boolean true: never written down, not taken from --var; default: what the name says
---@field doc? string what it is for

---@class gpupt.options.p.vm.create
---@field guest string|function the guest id, as windows2022srvNext_64Guest
---@field cpus integer|function virtual CPUs
---@field memory string|integer|function memory, as 64 GiB
---@field disk string|integer|function the size of the blank disk, as 100 GiB
---@field firmware? string|function how it boots
---@field secure_boot? boolean|function EFI Secure Boot
---@field controller? string|function the disk's controller; auto: pvscsi, and for Windows lsisas, for which its installer has a driver
---@field version? string|function hardware version, as vmx-20; the cluster's default when left out
---@field annotation? string|function a note

---@class gpupt.options.p.vms
---@field where? string|table inventory paths of existing VMs
---@field count? integer how many VMs are to exist
---@field name? string their name; {n} or {n:03} is the number
---@field place? table where they are made: cluster or host, datastore, network, folder
---@field spread? "even"|"pack" over all hosts, or host by host
---@field keep_free? integer cards that stay free in the cluster
---@field login? table|function p.login: the account inside the guest

---@class gpupt.options.p.vms_place
---@field cluster? string name or inventory path of the cluster
---@field host? string name or inventory path of one host
---@field datastore? string name of the datastore
---@field network? string name of the network
---@field folder? string the VM folder, below the datacenter's
---@field datacenter? string the datacenter, where there are several

---@class gpupt.options.pci.list
---@field root? string a sysfs, or a copy of one
---@field names? string|boolean a pci.ids file; false for no names; left out, the system's file if it has one

---@class gpupt.options.pci.parse
---@field names? string|boolean a pci.ids file, or true for the system's

---@class gpupt.options.plan.apply
---@field journal? userdata an open journal (gpupt.store.open); the user's own file when left out
---@field on_event? function called with each event { kind =, target =, text =, percent = }
---@field allow? table the approvals, as { 'reboot' }
---@field run? string the run that is resumed

---@class gpupt.options.playbook.load
---@field expect? table what its files must be as, else nothing of it is executed: a list of { files = { { path =, hash = }... }, since = 'the plan was made', advice = 'plan again' }
---@field argv? table the set of names in vars that stood on a command line, where secrets are refused
---@field since? string when the secrets in vars were left out, for messages: 'run x was begun'

---@class gpupt.options.playbook.load_plan
---@field expect? table what the files must be as besides, see playbook.load
---@field argv? table the set of names in vars that stood on a command line

---@class gpupt.options.playbook.open
---@field path? string a playbook or a plan file; with resume: the run's own playbook when left out
---@field vars? table variables, secrets among them
---@field argv? table the set of names in vars that came from a command line, where secrets are refused
---@field journal? userdata an open journal, in which the run to resume is looked up
---@field resume? string the run to resume: its id, or the beginning of it

---@class gpupt.options.playbook.plan
---@field limit? string a glob of target names: others are left alone
---@field journal? userdata an open journal, to see other runs' leases and this run's rows
---@field run? string the run that is resumed

---@class gpupt.options.settings.compute
---@field gpus table the cards: {vendor=, device=, count=, bars=, name=, class=, address=, system_id=}
---@field memory_mb integer the VM's memory; a multiple of 4
---@field guest? string the guest id, as windows2022srvNext_64Guest or ubuntu64Guest
---@field firmware? "auto"|"efi"|"bios" auto: EFI, or what is installed
---@field installed? "efi"|"bios" the firmware that an operating system on the disk boots with; leave out for a blank disk
---@field mmio? string|integer min, safe, seed: the rule of the window; off; or a size in GiB
---@field hide_hypervisor? string|boolean hypervisor.cpuid.v0: auto decides by card and driver
---@field driver? string the version of the card's driver in the guest, when known
---@field horizon? boolean the VM serves a Horizon desktop on its card (vDGA)
---@field backing? "fixed"|"dynamic" fixed: these addresses; dynamic: any card of these ids and this label
---@field label? string dynamic backing: the hardware label
---@field bar_table? table a table of gpupt.bar.load instead of the built-in one

---@class gpupt.options.settings.to_spec
---@field change_version? string config.changeVersion as read: the server refuses when the VM changed since
---@field devices? boolean false: settings only, no devices
---@field firmware? boolean false: leave the firmware out (an existing VM)
---@field video_card? table the VM's VirtualMachineVideoCard as read; needed to change it
---@field first_key? integer the first temporary key of a new device

---@class gpupt.options.step_contract
---@field name string as group.word
---@field scope "hosts"|"vms" what it runs on
---@field options? table the declared options
---@field needs? table the privileges that its calls need
---@field approvals? table the --allow words that its changes may ask for: { word = 'what for' }
---@field claims? table what a run claims for its targets: 'host', 'cards'
---@field also_needs? function also_needs(options) -> privileges that depend on the options (nil: all)
---@field after? table steps that must come before it, each with the reason
---@field login? boolean runs programs inside the guest: p.vms needs a login
---@field repeatable? boolean may stand more than once in a scope
---@field check? function check(options) -> message, when the playbook is loaded
---@field secrets? function secrets(options, changes): asks and checks its secrets before a run begins
---@field observe function reads the server
---@field plan function says what it would change
---@field apply function changes it
---@field prove function reads again

---@class gpupt.options.vc.datastore_download
---@field resume? boolean go on with what an earlier attempt left in TARGET.part
---@field progress? function called with (bytes received)
---@field timeout? number seconds for the whole transfer
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_list
---@field pattern? string glob of the names wanted
---@field recursive? boolean sub-folders too
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_mkdir
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_move
---@field force? boolean replace what is there
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_read
---@field offset? integer first byte
---@field length? integer so many bytes; default: to the end
---@field chunk? integer bytes a request, and at most in memory
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_text
---@field max? integer refuse more bytes than this
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.datastore_upload
---@field progress? function called with (bytes sent, bytes in all)
---@field timeout? number seconds for the whole transfer
---@field overwrite? boolean false: refuse when the file is there
---@field folders? boolean make the folders of its path
---@field size? integer the bytes that the file must have; another size is refused
---@field verify? boolean look at the size on the datastore before the file gets its name (needs Datastore.Browse)
---@field datacenter? string inventory path of the datacenter; default: the client's or the only one

---@class gpupt.options.vc.guest
---@field timeout? number seconds, waiting for busy Tools included

---@class gpupt.options.vc.guest_get
---@field max? integer refuse a longer text
---@field progress? function called with (bytes received)
---@field timeout? number seconds

---@class gpupt.options.vc.guest_put
---@field text? string send this text in place of a file
---@field permissions? integer of a Linux file, as in 493 (0755)
---@field overwrite? boolean false: refuse when the file is there
---@field progress? function called with (bytes sent, bytes in all)
---@field timeout? number seconds

---@class gpupt.options.vc.guest_ready
---@field timeout? number seconds

---@class gpupt.options.vc.guest_run
---@field program string absolute path of the program
---@field arguments? string its arguments, as the guest's shell reads them
---@field directory? string working directory; default: the temporary one
---@field environment? table list of NAME=VALUE; replaces the whole environment
---@field family? "windows"|"linux" default: what the guest says
---@field timeout? number seconds for everything
---@field max? integer most bytes of each output

---@class gpupt.options.vc_collect
---@field type? string the managed type of the objects wanted
---@field types? table { type = { paths } } in place of type and paths, for several types in one pass
---@field under? table the folder, datacenter... below which they are looked for; default: everything
---@field objects? table a list of references in place of under
---@field paths? table property paths
---@field page? integer objects a page (the server may give fewer)
---@field timeout? number seconds for each request

---@class gpupt.options.vc_find
---@field type? string only objects of this managed type

---@class gpupt.options.vc_wait
---@field timeout? number seconds; the task goes on without us
---@field progress? function called with (percent, info) when the task's progress or state changes
---@field cancel_task? boolean cancel the task too when the waiting is cancelled or times out

---@class gpupt.options.vc_wait_for
---@field timeout? number seconds

---@class gpupt.options.vim.connect
---@field url? string https://HOST/sdk, or just the host (GOVC_URL)
---@field username? string (GOVC_USERNAME)
---@field password? string|function|table a text, a function, or { file= | command= | env= } (GOVC_PASSWORD)
---@field token_file? string log in by the SAML token in this file of mode 0600, without a password
---@field token_command? string log in by the SAML token that this command prints
---@field token_key_file? string PEM private key (mode 0600) of a holder-of-key token's certificate
---@field ticket_file? string log in by the clone ticket in this file of mode 0600
---@field ticket_command? string log in by the clone ticket that this command prints
---@field persist_session? boolean keep the session for the next program, and go on with a kept one (GOVC_PERSIST_SESSION=true); default: log out at the end
---@field ca_file? string PEM file of the authorities to trust (GOVC_TLS_CA_CERTS)
---@field thumbprint? string SHA-256 or SHA-1 thumbprint of the one certificate to trust; overrides insecure
---@field known_hosts? string file of lines 'host:port thumbprint', also of ESXi hosts (GOVC_TLS_KNOWN_HOSTS); an entry overrides insecure
---@field insecure? boolean trust any certificate (GOVC_INSECURE); said once on stderr
---@field proxy? string URL of an HTTP proxy
---@field timeout? number seconds for a whole call, queueing and repeats included
---@field connect_timeout? number seconds for connecting, TLS included
---@field stall_timeout? number seconds without a byte
---@field connections? integer at most so many connections
---@field retries? integer how often a call that only reads is sent again
---@field keep_alive? number seconds of idleness after which a small call keeps the session
---@field probe_after? number seconds of idleness after which a changing call first asks whether the session still lives
---@field limits? table ceilings of an answer: bytes (1 GiB; 4 MiB before the login), cells, text, depth (200; at most 256), attributes
---@field trace? function|string a function of one event table, or a file's name (GPUPT_TRACE): appended to, readable by you alone; secrets are left out
---@field version? string speak this version of vim25 instead of the newest both sides know
---@field datacenter? string where relative inventory paths begin (GOVC_DATACENTER)
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

---What the table knows of a card: {vendor=, device=, name=, bars=, bytes=, mark=, source=, variants=}.
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
---such as "10:00.0" means; left out, it is hexadecimal.
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
---nil, message, "EINVAL" for what is no pattern.
function gpupt.pci.match(dev, pattern) end

---Which devices have to go to a VM together, and why: a list of {devices = {...}, reasons = {...}}, every device in
---exactly one group.
function gpupt.pci.together(devices) end

gpupt.vmlog = {}

---Reads a log: a path ("-" is standard input), a folder with vmware*.log files, or {text=...}. Gzip is recognised.
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

---What stands before a message: {time=, thread=, operation=, level=, message=} by the form of the line.
function gpupt.vmlog.prefix(line) end

gpupt.evidence = {}

---Reads a text: a path, "-" (standard input) or {text=, name=}. nil, message, code when it cannot be read.
---@param opts? gpupt.options.evidence.read
function gpupt.evidence.read(source, opts) end

---The devices of several results as one list of gpupt.pci's records, each address once for the host and once for the
---guest. `where` ("host" or "guest") leaves out what is known to be the other's. Cards without an address stand at the
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

---The value as JSON text; nil, message, "EINVAL" for what JSON cannot say (the message names the path).
---@param opts? gpupt.options.json.encode
function gpupt.json.encode(value, opts) end

---The value of a JSON text; nil, message, "EPARSE" with line and column.
function gpupt.json.decode(text) end

---What commands print for `--json`: two spaces of indent, a newline at the end, foreign bytes replaced.
function gpupt.json.document(value) end

gpupt.settings = {}

---Works the settings out. A bad value or a contradiction gives nil, message, code (EINVAL, EFIRMWARE, EWINDOW,
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

---Ends a session that the option persist_session has kept; see gpupt.vim.client.
function gpupt.vim.logout(given) end

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

---Loads a playbook file; nil, message, code ("EPLAYBOOK" with file:line in the message, "ENOENT", "ESTALE" when it is
---not as expected, "ESECRET" for a secret without a value, "EUSAGE" for variables that cannot be). A variable that is a
---secret may be given as a text, a function or a p.secret; it is never written down.
---@param o? gpupt.options.playbook.load
function gpupt.playbook.load(path, vars, o) end

---Reads a plan file of plan:save and loads the playbook it was made from, if that and its files are as they were;
---`saved` in it is to be compared at apply. vars: the secrets, which a plan file does not hold.
---@param o? gpupt.options.playbook.load_plan
function gpupt.playbook.load_plan(path, vars, o) end

---What is to be applied, whatever it is: a playbook, a plan file, a run to resume. Gives a playbook whose plan()
---remembers the run and the limit, and refuses a saved plan that no longer holds; nil, message, code.
---@param o? gpupt.options.playbook.open
function gpupt.playbook.open(o) end

---The journal of a --journal value (the user's own file without one): its path, the open journal, one of its runs.
function gpupt.playbook.journal_path(url) end

function gpupt.playbook.open_journal(url) end

function gpupt.playbook.find_run(journal, id) end

---The variables in a --var-file; nil, message, code.
function gpupt.playbook.read_var_file(path) end

---The words that --allow knows: { { word =, doc =, steps = { names } } }, by word.
function gpupt.playbook.approvals() end

---The privileges that all steps together need: { { privilege =, step = }... }.
function gpupt.playbook.needs_of_all_steps() end

gpupt.fleet = {}

---The cards: { cards = {...}, left_out = {...}, dynamic = {...}, elsewhere = {...}, hosts = number }; nil,
---message, code. A card has host, cluster, address, slot, id ("10de:20b5"), vendor, device, subvendor,
---subdevice, class, model, capable, enabled, active, state (a word for people), label, owners ({name=, power=,
---template=, stale=}; stale: the VM is registered on another host and cannot start), free, why (it is not free).
---@param given? gpupt.options.fleet.cards
function gpupt.fleet.cards(vc, given) end

gpupt.logins = {}

function gpupt.logins.kind(name, rules) end

---Whether a message says that the account is locked, disabled or expired.
function gpupt.logins.says_locked(message) end

---A registry. What `parent` knows as refused is refused here, too.
function gpupt.logins.new(parent) end

return gpupt
