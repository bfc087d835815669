--- p.find: hosts and VMs by what they are, for `where`. It is evaluated once, when the plan is made: the journal keeps
-- what it found, and a resumed run has the same targets, whatever they have become since.
local declare = require "gpupt.playbook.declare"
local patterns = require "gpupt.playbook.patterns"
local nearest = require "gpupt.nearest"
local path = require "gpupt.vim.path"
local selector = require "gpupt.fleet.selector"
local source = require "gpupt.source"
local view = require "gpupt.playbook.view"
local vms = require "gpupt.fleet.vm"

local find = {}

find.fields = {
  { "path", "string|table", required = true, doc = "inventory paths, such as /DC1/vm/**" },
  { "name", "string|table", doc = "patterns of the name, as --limit takes them: 'cad-*,!cad-07'" },
  { "has", "string|table", doc = "what it must have: p.gpus { ... } (such a card), 'passthrough' (VMs: any passthrough "
    .. "card; hosts: a card that is enabled); VMs also 'fixed', 'dynamic', 'snapshot'; hosts also 'gpu', 'pending' (a "
    .. "card that is enabled and not active); or a list, of which it must have all" },
  { "power", "string", choices = { "on", "off", "suspended" }, doc = "VMs: the power state" },
  { "guest", "string", doc = "VMs: windows, linux, or a pattern of the guest id" },
  { "firmware", "string", choices = { "efi", "bios" }, doc = "VMs: the firmware" },
  { "template", "boolean", doc = "VMs: true for templates; they are left out otherwise" },
  { "version", "string", doc = "hosts: a pattern of the ESXi version, such as 8.*" },
  { "filter", "function", doc = "filter(target) -> whether it is meant; see the guide for the target's fields" },
}

local words = { vms = { "passthrough", "fixed", "dynamic", "snapshot" }, hosts = { "passthrough", "gpu", "pending" } }
local only = { vms = { "power", "guest", "firmware", "template" }, hosts = { "version" } }
local other = { vms = "hosts", hosts = "vms" }

local function as_list(value)
  if value == nil then return {} end
  return type(value) == "table" and not declare.is(value) and value or { value }
end

local function is_word(word, list)
  for _, one in ipairs(list) do if one == word then return true end end
end

--- What is wrong with a p.find, whatever it is for.
function find.problem(node)
  local o, all = node.options, {}
  table.move(words.vms, 1, #words.vms, 1, all)
  table.move(words.hosts, 2, #words.hosts, #all + 1, all)
  for _, one in ipairs(as_list(o.path)) do
    if type(one) ~= "string" then return "path must be a string or a list of strings" end
    if not one:find "%S" then return "path: an inventory path is empty: write for example /DC1/vm/**" end
  end
  for _, one in ipairs(as_list(o.has)) do
    if not declare.is(one, "gpus") and not is_word(one, all) then
      if type(one) ~= "string" then return "has must be p.gpus { ... }, a word, or a list of them" end
      return ("has = '%s' is not known%s; it can be p.gpus { ... }, %s"):format(one, nearest.hint(one, all),
        table.concat(all, ", "))
    end
  end
  if o.name then
    local ok, message = patterns.compile(o.name)
    if not ok then return (message:gsub("^[%w-]+: ", "name: ")) end
  end
end

--- The patterns and p.finds of a `where`, as a list; or nil, and what is wrong with it. kind: "hosts" or "vms".
function find.where(where, kind)
  local list = as_list(where)
  if #list == 0 then return nil, "where is empty" end
  for _, one in ipairs(list) do
    if declare.is(one, "find") then
      for _, field in ipairs(only[other[kind]]) do
        if one.options[field] ~= nil then
          return nil, ("where: p.find (%s): %s is for p.%s"):format(one.source, field, other[kind])
        end
      end
      for _, word in ipairs(as_list(one.options.has)) do
        if type(word) == "string" and not is_word(word, words[kind]) then
          return nil, ("where: p.find (%s): has = '%s' is for p.%s"):format(one.source, word, other[kind])
        end
      end
    elseif type(one) ~= "string" then
      return nil, ("where must be an inventory path, p.find { ... }, or a list of them, not a %s"):format(
        declare.is(one) and one.name or type(one))
    elseif not one:find "%S" then
      return nil, ("where: an inventory path is empty: write for example %s"):format(
        kind == "hosts" and "/DC1/host/cluster/*" or "/DC1/vm/cad-*")
    end
  end
  return list
end

--- The inventory paths of an entry of `where`.
function find.paths(entry) return as_list(declare.is(entry, "find") and entry.options.path or entry) end

-- Compiled once: the patterns of the name and of the version.
local function name_fits(node, name)
  if not node.options.name then return true end
  node.names = node.names or assert(patterns.compile(node.options.name))
  return node.names:fits(name)
end

local function fits(pattern, text) return path.name_matcher(pattern)(text or "") end

-- ---- VMs

local function held_cards(fleet, ref)
  local claim = fleet.claims[ref]
  return claim and claim.cards or {}
end

-- Whether a card of a VM is one of these: a fixed one by its host's record, a dynamic one by the devices it allows.
local function card_matches(fleet, node, ref, card)
  if card.kind == "dynamic" then
    for _, id in ipairs(card.allowed) do
      if selector.matches(node, { vendor = id.vendorId & 0xffff, device = id.deviceId & 0xffff, label = card.label,
        class = 0x0302 }) then return true end
    end
    return false
  end
  local place = fleet:place_of(ref)
  local record = place and fleet.by_ref[place.host]
  local device = record and record.devices[card.address]
  return device ~= nil and selector.matches(node, device)
end

-- What the inventory says, without reading the VM.
local function vm_might(fleet, node, ref)
  local o, place, cards = node.options, fleet:place_of(ref), held_cards(fleet, ref)
  if not name_fits(node, place.name) or (place.template == true) ~= (o.template == true) then return false end
  if place.managed or place.name:find "^vCLS" then return false end
  if o.power and place.power ~= (o.power == "on" and "poweredOn" or o.power == "off" and "poweredOff" or o.power) then
    return false
  end
  for _, one in ipairs(as_list(o.has)) do
    if one ~= "snapshot" and #cards == 0 then return false end
    if one == "fixed" or one == "dynamic" then
      local found = false
      for _, card in ipairs(cards) do found = found or card.kind == one end
      if not found then return false end
    end
  end
  return true
end

local function vm_has(fleet, one, ref, record)
  if one == "snapshot" then return record.snapshot and true or false end
  if type(one) == "string" then return true end
  for _, card in ipairs(held_cards(fleet, ref)) do
    if card_matches(fleet, one, ref, card) then return true end
  end
  return false
end

local function vm_is(fleet, node, ref)
  local o, record = node.options, nil
  if o.guest or o.firmware or o.filter or is_word("snapshot", as_list(o.has)) then record = fleet:vm(ref) end
  for _, one in ipairs(as_list(o.has)) do if not vm_has(fleet, one, ref, record) then return false end end
  if o.guest and o.guest ~= vms.family(record) and not fits(o.guest, record.guest_id) then return false end
  if o.firmware and record.firmware ~= o.firmware then return false end
  return not o.filter or find.ask(node, view.vm(fleet, { name = record.name, ref = ref,
    host = fleet:place_of(ref).host, parent = fleet:place_of(ref).parent }, record))
end

--- Calls the filter of the playbook; raises EPLAYBOOK with its line if that fails.
function find.ask(node, one)
  local ok, answer = pcall(node.options.filter, one)
  if ok then return answer and true or false end
  require("gpupt.failure").check(nil, ("%s: p.find: filter failed for %s: %s"):format(node.source, one.name,
    source.whole(tostring(answer))), "EPLAYBOOK")
end

local function needs_records(node)
  local o = node.options
  return o.guest or o.firmware or o.filter or is_word("snapshot", as_list(o.has))
end

--- Those of these VMs that may be meant: what is known before their hosts and they themselves are read.
function find.candidates(fleet, node, refs)
  local list = {}
  for _, ref in ipairs(refs) do if vm_might(fleet, node, ref) then list[#list + 1] = ref end end
  return list
end

--- Those that are meant. Their hosts have been read.
function find.vms(fleet, node, refs)
  local might, list = find.candidates(fleet, node, refs), {}
  if needs_records(node) then fleet:read_vms(might) end
  for _, ref in ipairs(might) do if vm_is(fleet, node, ref) then list[#list + 1] = ref end end
  return list
end

-- ---- hosts

local function any_card(record, test)
  for _, card in ipairs(record.cards) do if test(card) then return true end end
  return false
end

local host_words = {
  gpu = function() return true end,
  passthrough = function(card) return card.enabled == true end,
  pending = function(card) return card.enabled == true and not card.active end,
}

--- Whether a host, which was read, is meant.
function find.host(fleet, node, record)
  local o = node.options
  if not name_fits(node, record.name) then return false end
  if o.version and not fits(o.version, record.version) then return false end
  for _, one in ipairs(as_list(o.has)) do
    local test = host_words[one] or function(card) return selector.matches(one, card) end
    if not any_card(record, test) then return false end
  end
  return not o.filter or find.ask(node, view.host(fleet, record))
end

return find
