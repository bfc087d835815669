--- Does the guest see its GPUs, and do they work? Which commands to run inside, and how to read their output.
-- Nothing here talks to a guest: a step runs the commands through guest operations and passes their output back.
--
--   local proof = require "gpupt.guest.proof"
--   local commands = proof.commands("linux", { vendors = { 0x10de } })
--     --> { { name="lspci", program="/bin/sh", arguments="-c '...'", optional=false }, ... }   in order
--   local outputs = {}
--   for _, c in ipairs(commands) do outputs[c.name] = { out = ..., status = ... } end
--   local seen = proof.read("linux", outputs, { expected = 2, vendors = { 0x10de } })
--     --> { ok=true, devices={ {vendor=0x10de, device=0x20b5, address="0000:0b:00.0", driver="nvidia"}, ... },
--           findings={ {code="nvrm-bar-unassigned", severity="error", text=, cause=, remedy=}, ... } }
--
-- On Windows devices have no address but an `id` and a `problem_code` (0 means working). `driver = false` in the
-- options of `read` is for a guest that gets its driver later: then a missing driver is a warning. An exit status alone
-- proves nothing, and output that cannot be read never counts as "no problem".
local amd = require "gpupt.guest.amd"
local causes = require "gpupt.guest.causes"
local lspci = require "gpupt.guest.lspci"
local nominal = require "gpupt.guest.nominal"
local options = require "gpupt.options"
local pnp = require "gpupt.guest.pnp"
local shell = require "gpupt.shell"
local text = require "gpupt.text"

local proof = {}

local nvidia = 0x10de
local query = "--query-gpu=name,pci.bus_id,memory.total,driver_version --format=csv,noheader"
local links = "--query-gpu=pci.bus_id,pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,"
  .. "pcie.link.width.max,ecc.mode.current --format=csv,noheader"

local command_options = options.declare("guest.proof.commands", {
  { "vendors", "table", doc = "PCI vendor ids of the cards to look for; default: NVIDIA and AMD" },
})

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function sh(name, script, optional)
  local arguments = "-c " .. shell.quote("export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin; " .. script)
  return { name = name, program = "/bin/sh", arguments = arguments, optional = optional or false }
end

local function linux_commands(vendors)
  local lists = {}
  for i, vendor in ipairs(vendors) do lists[i] = ("lspci -Dnnkvv -d %04x:"):format(vendor) end
  local list = { sh("lspci", table.concat(lists, " && ")) }
  -- On most distributions only root may read the kernel log; other users may be able to read the journal.
  list[#list + 1] = sh("dmesg", "{ dmesg || sudo -n dmesg || journalctl -k --no-pager; } 2>/dev/null", true)
  if has(vendors, nvidia) then
    list[#list + 1] = sh("nvidia-smi", "nvidia-smi " .. query .. " 2>&1", true)
    list[#list + 1] = sh("nvidia-smi-link", "nvidia-smi " .. links .. " 2>&1", true)
  end
  if has(vendors, 0x1002) then list[#list + 1] = sh("amd-smi", amd.command(), true) end
  return list
end

local function windows_commands(vendors)
  local ids = {}
  for i, vendor in ipairs(vendors) do ids[i] = ("$_.DeviceID -like 'PCI\\VEN_%04X*'"):format(vendor) end
  local script = "Get-CimInstance Win32_PnPEntity | Where-Object { " .. table.concat(ids, " -or ") .. " } | "
    .. "Select-Object DeviceID,ConfigManagerErrorCode,Service,PNPClass,CompatibleID,Name | "
    .. "ConvertTo-Json -Compress"
  local list = { {
    name = "pnp", program = [[C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe]],
    arguments = '-NoProfile -NonInteractive -Command "' .. script .. '"', optional = false,
    -- where PowerShell is absent, or a policy forbids it
    instead = { name = "pnputil", program = [[C:\Windows\System32\pnputil.exe]],
      arguments = "/enum-devices /connected", optional = true },
  } }
  if has(vendors, nvidia) then
    list[#list + 1] = { name = "nvidia-smi", program = [[C:\Windows\System32\cmd.exe]],
      arguments = "/c nvidia-smi " .. query .. " 2>&1", optional = true }
    list[#list + 1] = { name = "nvidia-smi-link", program = [[C:\Windows\System32\cmd.exe]],
      arguments = "/c nvidia-smi " .. links .. " 2>&1", optional = true }
  end
  return list
end

local function unknown_family(family)
  return nil, ("cannot verify guest family '%s': use linux or windows"):format(tostring(family)),
    "EINVAL"
end

--- The commands to run in a guest of the family "linux" or "windows", in order. An `optional` one may fail; `instead`
-- is run where the command fails.
function proof.commands(family, given)
  local o = command_options:check(given)
  local vendors = o.vendors or { nvidia, 0x1002 }
  if family == "linux" then return linux_commands(vendors) end
  if family == "windows" then return windows_commands(vendors) end
  return unknown_family(family)
end

local function is_gpu_class(class)
  return class == nil or class >> 8 == 0x03 or class == 0x1200
end

--- The cards that nvidia-smi lists: { { name=, bus_id="00000000:0b:00.0", memory=, driver_version= } }, and
-- its error message.
function proof.parse_smi(output)
  local cards, complaint = {}, nil
  for line in text.lines(output) do
    local name, bus, memory, version =
      line:match "^%s*(.-)%s*,%s*(%x+:%x+:%x+%.%x)%s*,%s*(.-)%s*,%s*([%d%.]+)%s*$"
    if name then
      cards[#cards + 1] = { name = name, bus_id = bus:lower(), memory = memory, driver_version = version }
    elseif line:find "couldn't communicate with the NVIDIA driver" or line:find "No devices were found" then
      complaint = text.trim(line)
    end
  end
  return cards, complaint
end

--- The links that nvidia-smi reports: { { bus_id =, generation =, generation_max =, width =, width_max =, ecc = } }.
-- The generation falls when a card is idle; the width does not.
function proof.parse_links(output)
  local list = {}
  for line in text.lines(output) do
    local bus, gen, gen_max, width, width_max, ecc =
      line:match "^%s*(%x+:%x+:%x+%.%x)%s*,%s*(%d+)%s*,%s*(%d+)%s*,%s*(%d+)%s*,%s*(%d+)%s*,%s*(.-)%s*$"
    if bus then
      list[#list + 1] = { bus_id = bus:lower(), generation = math.tointeger(tonumber(gen)),
        generation_max = math.tointeger(tonumber(gen_max)), width = math.tointeger(tonumber(width)),
        width_max = math.tointeger(tonumber(width_max)), ecc = ecc }
    end
  end
  return list
end

-- 00000000:0B:00.0 of nvidia-smi, 0000:0b:00 of the kernel, 0000:0b:00.0 of lspci: one form.
local function same_address(a, b)
  if not a or not b then return false end
  local function key(address)
    local domain, bus, slot = address:lower():match "^(%x+):(%x+):(%x+)"
    return domain and ("%x:%x:%x"):format(tonumber(domain, 16), tonumber(bus, 16), tonumber(slot, 16))
  end
  return key(a) ~= nil and key(a) == key(b)
end

local function no_answer(what, output, status)
  local said = text.trim(text.plain(output or "")):sub(1, 300)
  if said ~= "" then said = ": " .. said end
  return causes.finding("no-answer", ("%s exited with %s%s"):format(what, tostring(status), said))
end

local function read_smi(result, outputs, loaded)
  local smi = outputs["nvidia-smi"]
  if not smi or not smi.out then return end
  local cards, complaint = proof.parse_smi(smi.out)
  result.smi = cards
  for _, device in ipairs(result.devices) do
    for _, card in ipairs(cards) do
      if same_address(device.address, card.bus_id) then
        device.driver_version, device.memory = card.driver_version, card.memory
      end
    end
  end
  if complaint and loaded then
    result.findings[#result.findings + 1] = causes.finding("driver-silent", complaint)
  elseif #cards > 0 then
    local nvidia_cards = 0
    for _, device in ipairs(result.devices) do
      if device.vendor == nvidia then nvidia_cards = nvidia_cards + 1 end
    end
    if #cards < nvidia_cards then
      result.findings[#result.findings + 1] =
        causes.finding("smi-fewer", ("nvidia-smi lists %d of %d cards"):format(#cards, nvidia_cards))
    end
  end
end

-- The version of amdgpu, and whether its tool lists all cards.
local function read_amd(result, outputs)
  local answer = outputs["amd-smi"]
  if not answer or not answer.out then return end
  local said, cards = amd.parse(answer.out), 0
  for _, device in ipairs(result.devices) do
    if device.vendor == 0x1002 then
      cards = cards + 1
      if device.driver == "amdgpu" and said.version then device.driver_version = "amdgpu " .. said.version end
    end
  end
  if answer.status ~= 0 and answer.status ~= 127 or said.complaint then
    result.findings[#result.findings + 1] = causes.finding("amd-silent",
      said.complaint or ("amd-smi ended with %s"):format(tostring(answer.status)))
  elseif #said.cards > 0 and #said.cards < cards then
    result.findings[#result.findings + 1] = causes.finding("smi-fewer",
      ("amd-smi lists %d of %d cards"):format(#said.cards, cards))
  end
end

-- Links and ECC, as a card reports them.
local function read_links(result, outputs)
  local answer = outputs["nvidia-smi-link"]
  result.links = answer and answer.out and proof.parse_links(answer.out) or {}
  for _, link in ipairs(result.links) do
    local where = { address = link.bus_id }
    if link.width < link.width_max then
      result.findings[#result.findings + 1] = causes.finding("link-width",
        ("%s: PCIe link x%d of x%d"):format(link.bus_id, link.width, link.width_max), where)
    end
  end
end

-- The models: each expected one must be there as often as expected.
local function compare_models(result, cards)
  local count = {}
  local function add(list, by)
    for _, one in ipairs(list) do
      local id = ("%04x:%04x"):format(one.vendor, one.device)
      count[id] = (count[id] or 0) + by
    end
  end
  add(result.devices, 1)
  add(cards, -1)
  local more, fewer = {}, {}
  for id, number in pairs(count) do
    local list = number > 0 and more or fewer
    if number ~= 0 then list[#list + 1] = ("%d x %s"):format(math.abs(number), id) end
  end
  if #more == 0 and #fewer == 0 then return end
  table.sort(more)
  table.sort(fewer)
  table.insert(result.findings, 1, causes.finding("other-card", ("the guest sees %s instead of %s"):format(
    table.concat(more, ", "), table.concat(fewer, ", "))))
end

-- Kernel messages about cards of these vendors (nil: all), and those that are about no vendor's.
local function kernel_findings(log, vendors)
  local list = {}
  for _, finding in ipairs(causes.of_kernel_log(log)) do
    if not vendors or not finding.vendor or has(vendors, finding.vendor) then list[#list + 1] = finding end
  end
  return list
end

-- Earlier kernel messages of this boot no longer matter once every card works, as nvidia-smi shows for its own.
local function soften(result, kernel)
  local own = 0
  for _, device in ipairs(result.devices) do own = own + (device.vendor == nvidia and 1 or 0) end
  local works = own > 0 and #(result.smi or {}) == own
  for _, finding in ipairs(kernel) do
    if works and (own == #result.devices or finding.vendor == nvidia) then finding.severity = "warning" end
    finding.vendor = nil
  end
end

local function read_linux(result, outputs, vendors)
  local bus = outputs.lspci
  if not bus or bus.status ~= 0 then
    result.findings[1] = no_answer("lspci", bus and bus.out, bus and bus.status)
    -- 127: a shell's exit code for a command that is not there
    if bus and bus.status == 127 then
      result.findings[1] = causes.finding("no-lspci", "lspci exited with 127: there is no such command")
    end
    return
  end
  for _, device in ipairs(lspci.parse(bus.out)) do
    if is_gpu_class(device.class) then
      result.devices[#result.devices + 1] = device
      local where = { address = device.address, device = device }
      for _, region in ipairs(device.regions) do
        if region.unassigned then
          result.findings[#result.findings + 1] = causes.finding("bar-unassigned",
            ("%s Region %d: Memory at <unassigned>"):format(device.address, region.index), where)
          break
        end
      end
      if device.driver == "nouveau" then
        result.findings[#result.findings + 1] =
          causes.finding("nouveau", device.address .. " Kernel driver in use: nouveau", where)
      elseif not device.driver then
        result.findings[#result.findings + 1] =
          causes.finding("no-driver", device.address .. " has no 'Kernel driver in use'", where)
      end
    end
  end
  local kernel = kernel_findings(text.plain(outputs.dmesg and outputs.dmesg.out or ""), vendors)
  table.move(kernel, 1, #kernel, #result.findings + 1, result.findings)
  local loaded = false
  for _, device in ipairs(result.devices) do loaded = loaded or device.driver == "nvidia" end
  read_smi(result, outputs, loaded)
  soften(result, kernel)
end

-- The devices of Windows, by PowerShell or by pnputil; nil and a finding.
local function windows_devices(outputs, vendors)
  local query_result, list = outputs.pnp, outputs.pnputil
  local devices, message
  if query_result and query_result.status == 0 then
    devices, message = pnp.parse(query_result.out)
  elseif list and list.status == 0 then
    devices, message = pnp.parse_enum(list.out, vendors)
  else
    local finding = no_answer("the query of Win32_PnPEntity", query_result and query_result.out,
      query_result and query_result.status)
    if list then
      finding.text = ("PowerShell cannot be used in the guest (%s), and pnputil /enum-devices (Windows 10 1903 and "
        .. "later) ended with %s"):format(finding.text, tostring(list.status))
      finding.cause, finding.remedy = finding.text, "allow PowerShell for the account, or update Windows"
    end
    return nil, finding
  end
  if not devices then return nil, causes.finding("no-answer", message) end
  return devices
end

local function read_windows(result, outputs, vendors)
  local devices, finding = windows_devices(outputs, vendors)
  if not devices then
    result.findings[1] = finding
    return
  end
  local works = false
  for _, device in ipairs(devices) do
    -- Code 45 is a device that is no longer connected.
    if is_gpu_class(device.class) and device.problem_code ~= 45 then
      result.devices[#result.devices + 1] = device
      works = works or device.problem_code == 0 and (device.driver == "nvlddmkm" or device.vendor == nvidia
        and (device.driver or ""):find "^oem%d+%.inf$" ~= nil)
      local where = { device = device, address = device.id }
      if device.problem_code ~= 0 then
        -- Only GeForce drivers ever refused a hypervisor.
        local geforce = (device.name or ""):find "GeForce" or (device.name or ""):find "TITAN"
        if device.problem_code == 43 and geforce then where.fix = "hide-hypervisor" end
        result.findings[#result.findings + 1] = causes.finding(causes.windows_code(device.problem_code),
          ("%s: Code %d"):format(device.name or device.id, device.problem_code), where)
      elseif not device.driver or device.driver:lower() == "basicdisplay" then
        result.findings[#result.findings + 1] = causes.finding("no-driver",
          ("%s runs with %s"):format(device.name or device.id, device.driver or "no driver"), where)
      end
    end
  end
  read_smi(result, outputs, works)
end

local read_options = options.declare("guest.proof.read", {
  { "expected", "integer", doc = "number of cards that the guest has to see" },
  { "vendors", "table", doc = "PCI vendor ids; other cards are not counted" },
  { "cards", "table", doc = "the cards that the VM was given: a list of { vendor =, device = }" },
  { "driver", "boolean", default = true, doc = "the cards must be bound to the driver; false: it is installed later" },
})

--- Reads the outputs of proof.commands: name -> { out = text, status = exit code }.
-- Returns { ok =, devices = {...}, findings = {...}, smi = {...}, links = {...} }; nil, message, "EINVAL" for an
-- unknown family.
function proof.read(family, outputs, given)
  local o = read_options:check(given)
  local result = { devices = {}, findings = {} }
  if family == "linux" then
    read_linux(result, outputs, o.vendors)
  elseif family == "windows" then
    read_windows(result, outputs, o.vendors or { nvidia, 0x1002 })
  else
    return unknown_family(family)
  end
  if o.vendors then
    local kept = {}
    for _, device in ipairs(result.devices) do
      if has(o.vendors, device.vendor) then kept[#kept + 1] = device end
    end
    result.devices = kept
  end
  local first = result.findings[1] and result.findings[1].code
  local answered = first ~= "no-answer" and first ~= "no-lspci"
  if o.expected and answered and #result.devices ~= o.expected then
    local code = #result.devices < o.expected and "fewer-cards" or "more-cards"
    table.insert(result.findings, 1,
      causes.finding(code, ("the guest sees %d cards, but %d were expected"):format(#result.devices, o.expected)))
  elseif answered and o.cards and #o.cards == #result.devices then
    compare_models(result, o.cards)
  end
  read_links(result, outputs)
  read_amd(result, outputs)
  nominal.add(result)
  result.ok = true
  for _, finding in ipairs(result.findings) do
    if finding.about_driver and not o.driver then finding.severity = "warning" end
    finding.about_driver = nil
    if finding.severity == "error" then result.ok = false end
  end
  return result
end

return proof
