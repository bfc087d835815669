--- A vm-support folder (unpacked): every VM with a card in it, examined with the host's own lists beside it.
-- What is used: vmfs/volumes/*/*/NAME.vmx with its vmware*.log, commands/ (lspci, esxcli hardware pci, the
-- system's uuid), var/run/log/vmkernel*. Large outputs are split there as NAME.FRAG-00000, -00001...; they
-- are joined by number. The folder's content is not trusted: gpupt.doctor.bundle_files reads it.
local evidence = require "gpupt.evidence"
local examination = require "gpupt.doctor.examination"
local failure = require "gpupt.failure"
local files_in = require "gpupt.doctor.bundle_files"
local load = require "gpupt.doctor.load"
local pci = require "gpupt.pci"
local vmx = require "gpupt.vmx"

local bundle = {}

--- The text of a file, its fragments joined by number; lines that the collector itself added are dropped.
local function text_of(tree, paths)
  table.sort(paths, function(a, b)
    local x, y = tonumber(a:match "%.FRAG%-(%d+)$" or -1), tonumber(b:match "%.FRAG%-(%d+)$" or -1)
    if x ~= y then return x < y end
    return a < b
  end)
  return (("\n" .. tree:join(paths)):gsub("\nResourceGroup:[^\n]*", ""):sub(2))
end

--- The host's command outputs by name without fragment number: {name=, path=, paths=}.
local function commands_of(tree)
  local by_name, list = {}, {}
  for _, path in ipairs(tree.files) do
    local name = ("/" .. path):match "/commands/([^/]+)$"
    if name then
      local base = name:gsub("%.FRAG%-%d+$", "")
      if not by_name[base] then
        by_name[base] = { name = base, path = tree:shown(path:gsub("%.FRAG%-%d+$", "")), paths = {} }
        list[#list + 1] = by_name[base]
      end
      table.insert(by_name[base].paths, path)
    end
  end
  return list
end

--- The devices of all lists together; for the evidence, where each stands (the first list that has it).
local function host_devices(tree, commands)
  local texts, name, lines = {}, nil, {}
  for _, command in ipairs(commands) do
    if command.name:find "^lspci" or command.name:find "hardware%-pci" then
      local text = text_of(tree, command.paths)
      local devices = pci.parse(text)
      if devices then
        texts[#texts + 1] = text
        local one = load.pci_text(text, command.path)
        -- evidence names one file: the fullest list, which is esxcli's
        if not name or (command.name:find "pci%-list" and not name:find "pci%-list") then
          name, lines = command.path, one.pci_lines
        end
      end
    end
  end
  if #texts == 0 then return {} end
  local devices = failure.check(pci.parse(table.concat(texts, "\n")))
  -- vm-support runs these commands without a filter
  devices.complete = true
  return { pci = devices, pci_name = name, pci_lines = lines }
end

local UUID = "%x%x%x%x%x%x%x%x%-%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"
local LONG_UUID = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"

--- The host's id and where it stands.
local function system_id(tree, commands)
  for _, command in ipairs(commands) do
    if command.name:find "system%-uuid" or command.name:find "^esxcfg%-info_%-a" then
      local number = 0
      for line in (text_of(tree, command.paths) .. "\n"):gmatch "(.-)\r?\n" do
        number = number + 1
        local id = line:match(UUID) or line:match(LONG_UUID)
        if id and (command.name:find "uuid" or line:find "System UUID") then
          return id, { file = command.path, line = number, text = line }
        end
      end
    end
  end
end

--- The findings of the host's kernel logs, and what of them was not understood.
local function kernel_findings(tree)
  local list, unknown = {}, {}
  for _, path in ipairs(tree.files) do
    local whole = "/" .. path
    if whole:find "/var/run/log/vmkernel[^/]*$" or whole:find "/var/log/vmkernel[^/]*$" then
      local scan = tree:scan { tree:log(path) }
      for _, finding in ipairs(scan and scan.findings or {}) do
        finding.file = tree:shown(path)
        list[#list + 1] = finding
      end
      for _, one in ipairs(scan and scan.not_understood or {}) do
        unknown[#unknown + 1] = { file = tree:shown(path), line = one.line, text = one.text, word = one.word }
      end
    end
  end
  return list, unknown
end

-- Of a bundle these say how the host resets cards and what it has given to passthrough.
local EVIDENCE = { ["passthru.map"] = true, ["esx.conf"] = true }

--- What the host's own files say beside its lists: {results, system id with its evidence or nil}.
local function host_evidence(tree)
  local results = {}
  for _, path in ipairs(tree.files) do
    if EVIDENCE[path:match "[^/]*$"] and ("/" .. path):find("/etc/vmware/", 1, true) then
      local text = tree:text(path)
      local result = text and evidence.read { text = text, name = tree:shown(path) }
      if result and not result.unread then results[#results + 1] = result end
    end
  end
  return results
end

local function address_of(text, form)
  local address = text and pci.address(text, form)
  return address and tostring(address)
end

--- Examines the folder. Result: {vms = {{vmx=, result=}...}, host = findings that belong to no VM,
-- unread = messages, skipped = {{path=, why=}...}, not_understood=, verdict=, healthy=, looked_at=}.
-- nil, message, code when the folder cannot be read, or is none of vm-support's.
function bundle.examine(folder)
  return failure.catch(function()
    local tree <close> = failure.check(files_in.open(folder))
    local commands = commands_of(tree)
    local host = host_devices(tree, commands)
    local id, id_at = system_id(tree, commands)
    local files = host_evidence(tree)
    for _, result in ipairs(files) do
      local told = result.host.system_id
      if told and not id then id, id_at = told.id, told end
    end
    local kernel, unknown = kernel_findings(tree)
    local claimed, vms, seen, unread, problems, unclear = {}, {}, 0, {}, false, false
    for _, path in ipairs(tree.files) do
      if path:find "%.vmx$" then
        seen = seen + 1
        local text, message = tree:text(path, files_in.VMX)
        local doc
        if text then
          doc, message = vmx.parse(text)
          message = message and tree:shown(path) .. ": " .. message
        end
        if not doc then
          unread[#unread + 1] = message
        elseif doc:each "pciPassthru*"() then
          local logs = {}
          local beside = tree:logs_beside(path)
          local scan = #beside > 0 and tree:scan(beside)
          if scan then logs[1] = scan end
          local mine = {}
          for key, value in doc:each "pciPassthru*" do
            if key:lower():find "^pcipassthru%d+%.id$" then mine[address_of(value, "vmx") or ""] = true end
          end
          local of_host = { devices = {}, findings = {}, config = {}, files = { "vmkernel" } }
          for _, finding in ipairs(kernel) do
            local address = address_of(finding.address, "hex")
            if address and mine[address] then
              table.insert(of_host.findings, finding)
              claimed[finding] = true
            end
          end
          if #of_host.findings > 0 then logs[#logs + 1] = of_host end
          local result = failure.check(examination.of {
            doc = doc, vmx_name = tree:shown(path), log = logs, pci = host.pci, pci_name = host.pci_name,
            pci_lines = host.pci_lines, system_id = id, system_id_at = id_at, evidence = files })
          problems = problems or result.verdict == "problems"
          unclear = unclear or result.verdict == "unclear"
          vms[#vms + 1] = { vmx = tree:shown(path), result = result }
        end
      end
    end
    local rest = {}
    for _, finding in ipairs(kernel) do
      if not claimed[finding] and finding.severity ~= "info" then
        rest[#rest + 1] = { code = finding.code, severity = finding.severity, cause = finding.cause,
          remedy = finding.remedy, fixable = false, source = finding.source,
          evidence = { { file = finding.file, line = finding.line, text = finding.text, code = finding.code } } }
        problems = true
      end
    end
    if #tree.files == 0 or (seen == 0 and #commands == 0 and #kernel == 0) then
      failure.check(nil, folder .. ": no .vmx, no commands/ and no vmkernel log in it: this is no vm-support folder",
        "ENOENT")
    end
    local skipped = tree:all_skipped()
    unclear = unclear or #unread > 0 or #unknown > 0
    local verdict = problems and "problems" or unclear and "unclear" or "healthy"
    return { vms = vms, host = rest, unread = unread, skipped = skipped, not_understood = unknown, verdict = verdict,
      healthy = verdict == "healthy", looked_at = {
        ("%s: %d files, %d .vmx, %d of them with a card; %d devices of the host%s%s"):format(folder, #tree.files, seen,
          #vms, #(host.pci or {}), id and ", host " .. id or "",
          #skipped > 0 and (", %d entries skipped"):format(#skipped) or "") } }
  end)
end

return bundle
