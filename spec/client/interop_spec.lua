--- What others read of the same objects: every property of every object, field by field, as gpupt, pyVmomi and govc
-- decode it. They share no code with us, and pyVmomi and govc none with each other.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local refs = require "gpupt.vim.ref"
local vcenter = require "spec.support.vcenter"
local witnesses = require "spec.support.witness"

local vim = gpupt.vim
local KINDS = { "Datacenter", "Folder", "ClusterComputeResource", "HostSystem", "ResourcePool", "VirtualMachine",
  "Datastore", "Network" }

local fleet = {
  clusters = { { name = "gpu-a", count = 2, hosts = { { name = "esx-a-{n}", cards = {
    { address = "0000:3b:00.0", vendor = "10de", device = "20b5", bars = { "16M:32", "128G:64p", "32M:64p" },
      enabled = true, active = true },
    { address = "0000:86:00.0", vendor = "8086", device = "8086", bars = { "16M:32" } } } } } } },
  datastores = { { name = "ds-1" } },
  vms = {
    { name = "lin-{n}", count = 2, host = "esx-a-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
      firmware = "efi", installed = "ubuntu", power = "poweredOn", username = "ops", password = "gu3st-Secret" },
    { name = "gpu", host = "esx-a-1", memory_mb = 8192, disk_gb = 20, guest = "ubuntu64Guest", firmware = "efi",
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE" }, devices = { "0000:3b:00.0" } },
    { name = "odd name \u{e9}\u{4e2d}", host = "esx-a-2", memory_mb = 1024, disk_gb = 10 },
  },
}

-- Our values spelt as spec/client/witness.py spells its own; `kind` is the slot's type in the schema.
local plain

local fields_of = {}
local function fields(name)
  if not fields_of[name] then
    local found = {}
    for _, field in ipairs(assert(vim.schema.type(name)).fields) do found[field.name] = field end
    fields_of[name] = found
  end
  return fields_of[name]
end

local function is_time(slot) return slot == "dateTime" or slot == "xsd:dateTime" end

plain = function(value, slot)
  if type(value) ~= "table" then
    if is_time(slot) then return { ["$time"] = vim.seconds(value) } end
    return value
  end
  local kind = vim.typeof(value)
  if refs.is(value) then return ("%s:%s"):format(value.type, value.value) end
  if kind and not kind:find "^ArrayOf" then
    local out = { _type = kind }
    local known = fields(kind)
    for name, held in pairs(value) do
      if not (type(held) == "table" and next(held) == nil and not vim.typeof(held)) then
        out[name] = plain(held, known[name] and known[name].type)
      end
    end
    return out
  end
  local out = {}
  for i, held in ipairs(value) do out[i] = plain(held, slot) end
  return out
end

--- Differences between our `ours` and pyVmomi's `theirs`, as lines appended to `out`.
local function compare(ours, theirs, where, out)
  if type(ours) ~= type(theirs) then
    out[#out + 1] = ("%s: ours is %s, theirs %s"):format(where, json.encode(ours) or tostring(ours),
      json.encode(theirs) or tostring(theirs))
  elseif type(ours) ~= "table" then
    if ours ~= theirs then out[#out + 1] = ("%s: ours is %s, theirs %s"):format(where, ours, theirs) end
  elseif ours["$time"] and theirs["$time"] then
    -- pyVmomi keeps microseconds
    if math.abs(ours["$time"] - theirs["$time"]) > 2e-6 then out[#out + 1] = where .. ": another time" end
  else
    for key, held in pairs(ours) do compare(held, theirs[key], where .. "." .. key, out) end
    for key, held in pairs(theirs) do
      if ours[key] == nil then compare(nil, held, where .. "." .. key, out) end
    end
  end
  return out
end

local function zero(value)
  return value == nil or value == json.null or value == 0 or value == false or value == "" or (type(value) == "table" and next(value) == nil)
end

-- govc writes a list of bytes as base64.
local function bytes_of(text)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out, held, bits = {}, 0, 0
  for c in text:gmatch "[^=]" do
    local place = alphabet:find(c, 1, true)
    if not place then return text end
    held, bits = held << 6 | place - 1, bits + 6
    if bits >= 8 then
      bits = bits - 8
      local byte = held >> bits & 255
      out[#out + 1] = byte > 127 and byte - 256 or byte
    end
  end
  return out
end

--- The same against govc's JSON, which omits zero values and names a type only where the slot accepts several.
local function compare_govc(ours, theirs, where, out)
  if type(theirs) == "table" and theirs._value ~= nil then theirs = theirs._value end
  if zero(ours) and zero(theirs) then return out end
  if type(theirs) == "table" and theirs.type and theirs.value and type(ours) == "string" then
    theirs = ("%s:%s"):format(theirs.type, theirs.value)
  end
  if type(ours) == "table" and ours["$time"] and type(theirs) == "string" then
    theirs = { ["$time"] = vim.seconds(theirs) }
  end
  if type(ours) == "table" and math.type(ours[1]) and type(theirs) == "string" then theirs = bytes_of(theirs) end
  -- Go's byte has no sign
  if math.type(ours) and ours < 0 and theirs == ours + 256 then theirs = ours end
  if type(ours) ~= "table" or type(theirs) ~= "table" then return compare(ours, theirs, where, out) end
  if ours["$time"] then return compare(ours, theirs, where, out) end
  for key, held in pairs(ours) do
    local other = theirs[key]
    if key == "_type" then
      if theirs._typeName and theirs._typeName ~= held then compare(held, theirs._typeName, where .. "._type", out) end
    else
      compare_govc(held, other, where .. "." .. key, out)
    end
  end
  for key, held in pairs(theirs) do
    if key ~= "_typeName" and ours[key] == nil then compare_govc(nil, held, where .. "." .. key, out) end
  end
  return out
end

local function count(value)
  if type(value) ~= "table" then return 1 end
  local n = 0
  for _, held in pairs(value) do n = n + count(held) end
  return n
end

describe("every property of every object of a fleet", function()
  local sim, vc, witness
  setup(function()
    sim = vcenter.start { speed = 1, fleet = fleet }
    vc = sim:connect()
    witness = witnesses.of(sim)
    -- the guests have booted and nothing moves any more while the three read
    for n = 1, 2 do
      assert(vc:wait_for(assert(vc:one("/DC0/vm/lin-" .. n)), { "guest.ipAddress", "guest.guestOperationsReady" },
        function(values) return values["guest.ipAddress"] and values["guest.guestOperationsReady"] end, { timeout = 60 }))
    end
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)

  -- What gpupt reads of all objects of a type, as { ["Type:id"] = { [path] = value } }.
  local function ours(kind)
    local paths, slots, out = {}, {}, {}
    for _, property in ipairs(vim.schema.type(kind).properties) do slots[property.name] = property.type end
    local view = gpupt.check(vc:call(vc.content.viewManager, "CreateContainerView",
      { container = vc.content.rootFolder, type = { kind }, recursive = true }))
    local page = gpupt.check(vc:call(vc.content.propertyCollector, "RetrievePropertiesEx", { options = {}, specSet = { {
      propSet = { { type = kind, all = true } }, objectSet = { { obj = view, skip = true, selectSet = {
        { _type = "TraversalSpec", name = "view", type = "ContainerView", path = "view", skip = false } } } } } } }))
    local list = page.objects
    while page.token do
      page = gpupt.check(vc:call(vc.content.propertyCollector, "ContinueRetrievePropertiesEx", { token = page.token }))
      table.move(page.objects, 1, #page.objects, #list + 1, list)
    end
    gpupt.check(view:DestroyView())
    for _, object in ipairs(list) do
      local values = {}
      for _, property in ipairs(object.propSet) do
        values[property.name] = plain(property.val, slots[property.name])
        paths[property.name] = true
      end
      out[tostring(object.obj)] = values
    end
    return out, paths
  end

  it("is the same to gpupt and to pyVmomi, field by field", function()
    local theirs, fields_compared = witness.python("tree", table.unpack(KINDS)), 0
    for _, kind in ipairs(KINDS) do
      local tree = ours(kind)
      assert.is_not_nil(next(tree), kind)
      for ref, values in pairs(tree) do
        assert.are.same({}, compare(values, theirs[ref], ref, {}))
        fields_compared = fields_compared + count(values)
        theirs[ref] = nil
      end
    end
    assert.are.same({}, theirs)
    assert.is_true(fields_compared > 3000, fields_compared)
  end)

  it("is the same to gpupt and to govc, field by field", function()
    local letters = { Datacenter = "d", Folder = "f", ClusterComputeResource = "c", HostSystem = "h",
      ResourcePool = "p", VirtualMachine = "m", Datastore = "s", Network = "n" }
    local fields_compared = 0
    for _, kind in ipairs(KINDS) do
      local text = witness.govc("collect", "-json", "-type", letters[kind], "/")
      local tree = ours(kind)
      for _, update in ipairs(assert(json.decode("[" .. text:gsub("\n}%s*\n{\n", "\n},\n{\n") .. "]"))) do
        local ref, theirs = update.obj.type .. ":" .. update.obj.value, {}
        for _, change in ipairs(update.changeSet) do theirs[change.name] = change.val end
        if update.obj.type == kind then
          assert.are.same({}, compare_govc(tree[ref], theirs, ref, {}))
          fields_compared = fields_compared + count(theirs)
          tree[ref] = nil
        end
      end
      assert.are.same({}, tree)
    end
    assert.is_true(fields_compared > 3000, fields_compared)
  end)

  it("is the same to vc:collect, whose tables are created one object at a time", function()
    for _, kind in ipairs { "HostSystem", "VirtualMachine" } do
      local tree, paths = ours(kind)
      local names = {}
      for name in pairs(paths) do names[#names + 1] = name end
      local slots = {}
      for _, property in ipairs(vim.schema.type(kind).properties) do slots[property.name] = property.type end
      local seen = 0
      for object in vc:collect { type = kind, paths = names, page = 2 } do
        seen = seen + 1
        local values = {}
        for _, name in ipairs(names) do
          if object[name] ~= nil then values[name] = plain(object[name], slots[name]) end
        end
        assert.are.same({}, compare(values, tree[tostring(object.ref)], tostring(object.ref), {}))
      end
      assert.is_true(seen >= 2)
    end
  end)
end)
