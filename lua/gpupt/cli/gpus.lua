--- gpupt gpus: every card of the fleet, its state, and the VM that holds it.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"
local units = require "gpupt.units"
local visible = require "gpupt.visible"

local command = {
  name = "gpus",
  summary = "list every GPU of the fleet, its state and the VM that holds it",
  usage = "gpus [PATH]... [--free] [--match PATTERN] [--playbook FILE]",
  details = [[
PATH is an inventory path of hosts, clusters, folders or datacenters, as in govc
("/DC1/host/vdi-*/*"). Without it, the whole inventory is read. A card that is
in the configuration of a powered-off VM is not free. "pending reboot" means
enabled but not active: the host must be rebooted first. Management graphics and
similar devices are excluded and listed. --playbook reads all vCenters that
a playbook names with p.vcenter, and says which of them cannot be reached.]],
  options = connection.with {
    { "free", doc = "only cards that can be attached to a VM now" },
    { "match", "PATTERN", doc = "only cards like 10de:20b5, 10de:* or class=0302" },
    { "playbook", "FILE", doc = "read the vCenters that this playbook names" },
    connection.variables[1], connection.variables[2],
    { "json", doc = "print the result of gpupt.fleet.cards as JSON" },
  },
  examples = {
    { "gpupt gpus", "all cards of the fleet" },
    { "gpupt gpus '/DC1/host/vdi-*' --free", "free cards in some clusters" },
    { "gpupt gpus --match 10de:1eb8 --free --json | jq '.cards | length'", "how many T4s are free" },
  },
}

local function owner_text(card)
  local words = {}
  for i, owner in ipairs(card.owners) do
    local power = owner.template and "template" or owner.power == "poweredOff" and "off" or owner.power
    words[i] = owner.power == "poweredOn" and owner.name or ("%s (%s)"):format(owner.name, power)
  end
  if #words > 0 then return table.concat(words, ", ") end
  return card.free and "free" or card.vgpu or "-"
end

local function summary(seen)
  local states, order, free, clashes = {}, {}, 0, 0
  for _, card in ipairs(seen.cards) do
    if not states[card.state] then
      states[card.state] = 0
      order[#order + 1] = card.state
    end
    states[card.state] = states[card.state] + 1
    if card.free then free = free + 1 end
    if #card.owners > 1 then clashes = clashes + 1 end
  end
  table.sort(order)
  local words = {}
  for i, state in ipairs(order) do words[i] = states[state] .. " " .. state end
  local text = ("%s on %s"):format(units.count(#seen.cards, "card"), units.count(seen.hosts, "host"))
  if #words > 0 then text = ("%s: %s; %d free"):format(text, table.concat(words, ", "), free) end
  if clashes > 0 then
    text = text .. ("; %s in the configuration of more than one VM"):format(units.count(clashes, "card"))
  end
  return text
end

-- The same device on several hosts is listed once, with its count.
local function left_out_lines(list)
  local counts, order = {}, {}
  for _, one in ipairs(list) do
    local text = ("%s %s (%s)"):format(one.model or "?", one.id, one.why or "not a GPU")
    if not counts[text] then
      counts[text] = 0
      order[#order + 1] = text
    end
    counts[text] = counts[text] + 1
  end
  table.sort(order)
  for i, text in ipairs(order) do order[i] = ("excluded: %d x %s"):format(counts[text], text) end
  return order
end

local function print_text(seen)
  local slots, clusters, labels = false, false, false
  for _, card in ipairs(seen.cards) do
    slots, clusters, labels = slots or card.slot ~= nil, clusters or card.cluster ~= nil, labels or card.label ~= nil
  end
  local function row(cluster, host, address, slot, id, model, label, state, owner)
    local cells = {}
    if clusters then cells[#cells + 1] = cluster end
    table.move({ host, address }, 1, 2, #cells + 1, cells)
    if slots then cells[#cells + 1] = slot end
    table.move({ id, model }, 1, 2, #cells + 1, cells)
    if labels then cells[#cells + 1] = label end
    table.move({ state, owner }, 1, 2, #cells + 1, cells)
    return cells
  end
  if #seen.cards > 0 then
    local rows = { row("CLUSTER", "HOST", "CARD", "SLOT", "ID", "MODEL", "LABEL", "STATE", "OWNER") }
    for _, card in ipairs(seen.cards) do
      rows[#rows + 1] = row(card.cluster or "-", card.host, card.address, card.slot or "-", card.id,
        card.model or "?",
        card.label or "-", card.away and card.state .. ", host away" or card.state, owner_text(card))
    end
    printer.lines(visible.table(rows))
  end
  printer.out("%s", summary(seen))
  for _, one in ipairs(seen.dynamic) do
    printer.out("%s (%s) gets a card at power-on: %s%s", one.vm, one.power or "?",
      table.concat(one.allowed, ", "), one.label and " with the label " .. one.label or "")
  end
  for _, one in ipairs(seen.elsewhere) do
    printer.out("%s (%s) has card %s of another host (system ID %s)", one.vm, one.power or "?", one.address,
      one.system_id)
  end
  for _, one in ipairs(seen.away) do
    printer.out("%s %s: %s", one.host, one.why, one.connected and "none of its cards is taken to be free"
      or "its cards are shown as the vCenter saw them last")
  end
  printer.lines(left_out_lines(seen.left_out))
end

local function only(seen, options)
  local pci = require "gpupt.pci"
  local kept = {}
  for _, card in ipairs(seen.cards) do
    local wanted = not options.free or card.free
    if wanted and options.match then
      local fits, message, code = pci.match(card, options.match)
      if fits == nil then return nil, "--match: " .. message, code == "EINVAL" and "EUSAGE" or code end
      wanted = fits
    end
    if wanted then kept[#kept + 1] = card end
  end
  seen.cards = kept
  return true
end

local function print_json(seen)
  local json = require "gpupt.json"
  for _, name in ipairs { "cards", "left_out", "dynamic", "elsewhere", "away" } do json.array(seen[name]) end
  for _, card in ipairs(seen.cards) do json.array(card.owners) end
  for _, one in ipairs(seen.dynamic) do json.array(one.allowed) end
  printer.json(seen)
end

local LISTS = { "cards", "left_out", "dynamic", "elsewhere", "away" }

--- The cards of all vCenters of a playbook; the exit status.
local function of_playbook(options, words)
  local cli = require "gpupt.cli"
  local vars, argv, code = connection.vars(options)
  if not vars then return nil, argv, code end
  local pb, message, detail
  pb, message, code, detail = require "gpupt.playbook".load(options.playbook, vars, { argv = argv })
  if not pb then return nil, message, code, detail end
  local names
  names, message, code = pb:vcenters()
  if not names then return nil, message, code end
  if #names == 0 then return nil, options.playbook .. ": the playbook has no p.vcenter", "EUSAGE" end
  local sites <close> = connection.open_for(pb, options)
  local all, away = { vcenters = {}, hosts = 0 }, false
  for _, name in ipairs(LISTS) do all[name] = {} end
  for i, site in ipairs(sites) do
    local seen
    if site.vc then
      seen, message = require("gpupt.fleet").cards(site.vc, { path = #words > 0 and words or nil })
      if seen then only(seen, options) end
    else
      message = site.message
    end
    away = away or not seen
    all.vcenters[i] = { name = site.name, host = site.host, message = not seen and message or nil }
    all.hosts = all.hosts + (seen and seen.hosts or 0)
    for _, list in ipairs(seen and LISTS or {}) do
      for _, one in ipairs(seen[list]) do
        if type(one) == "table" then one.vcenter = site.name end
        table.insert(all[list], one)
      end
    end
    if not options.json then
      if i > 1 then printer.out "" end
      printer.out("vCenter %s", site.name)
      if seen then print_text(seen) end
    end
    if not seen then cli.complain("vCenter %s: %s", site.name, message) end
  end
  if options.json then print_json(all) end
  return away and cli.UNREACHABLE or cli.OK
end

function command.run(options, words)
  local cli = require "gpupt.cli"
  if options.match then
    local fits, message = require("gpupt.pci").match({ vendor = 0, device = 0 }, options.match)
    if fits == nil then return nil, "--match: " .. message, "EUSAGE" end
  end
  if options.playbook then return of_playbook(options, words) end
  local vc <close> = connection.open(options)
  local seen, message, code, detail = require("gpupt.fleet").cards(vc, { path = #words > 0 and words or nil })
  if not seen then return nil, message, code, detail end
  local ok
  ok, message, code = only(seen, options)
  if not ok then return nil, message, code end
  if options.json then print_json(seen) else print_text(seen) end
  return cli.OK
end

return command
