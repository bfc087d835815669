---@meta gpupt
-- Generated from the declarations by `make docs`: for editors, never loaded.

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

---The words that --allow accepts, sorted.
function gpupt.playbook.approval_words() end

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
