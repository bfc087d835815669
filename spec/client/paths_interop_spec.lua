--- Inventory paths mean the same in gpupt and govc: random patterns from a fleet's own paths, resolved by both.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"
local witnesses = require "spec.support.witness"

local check = gpupt.check

describe("inventory paths", function()
  local sim, vc, witness
  setup(function()
    local vms = {}
    for i, name in ipairs { "W11-1", "W11-2", "w11-3", "lin-01", "lin-02", "lin.02", "a+b", "x^y", "odd name", "100pct",
      "\u{e9}t\u{e9}", "-dash", "(1)" } do
      vms[i] = { name = name, host = i % 2 == 0 and "esx-a-1" or "esx-b-1", guest = "ubuntu64Guest", memory_mb = 256,
        disk_gb = 1 }
    end
    sim = vcenter.start { fleet = {
      clusters = { { name = "gpu-a", hosts = { { name = "esx-a-1" }, { name = "esx-a-2" } } },
        { name = "gpu-b", hosts = { { name = "esx-b-1" } } } },
      datastores = { { name = "ds-1" }, { name = "ds-2" }, { name = "nvme" } }, vms = vms } }
    vc = sim:connect()
    witness = witnesses.of(sim)
    local top = check(vc:one "/DC0/vm")
    local function folder(parent, name) return check(parent:CreateFolder { name = name }) end
    local function move(into, ...)
      local list = {}
      for i, name in ipairs { ... } do list[i] = check(vc:one(name, { type = "VirtualMachine" })) end
      check(vc:wait(check(into:MoveIntoFolder_Task { list = list })))
    end
    local vdi = folder(top, "vdi")
    move(vdi, "W11-1", "W11-2")
    move(folder(vdi, "deep"), "w11-3", "odd name")
    move(folder(top, "with/slash 10%"), "lin-01", "a+b")
    folder(folder(top, "vdi-2"), "deep")
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)

  local asked = {
    VirtualMachine = function(pattern)
      local ok, text, errors = witness.govc_try("vm.info", "-json", pattern)
      return ok, text, errors, "virtualMachines"
    end,
    HostSystem = function(pattern)
      local ok, text, errors = witness.govc_try("host.info", "-json", pattern)
      return ok, text, errors, "hostSystems"
    end,
    Datastore = function(pattern)
      local ok, text, errors = witness.govc_try("datastore.info", "-json", pattern)
      return ok, text, errors, "datastores"
    end,
    Folder = function(pattern)
      local ok, text, errors = witness.govc_try("folder.info", "-json", pattern)
      return ok, text, errors, "folders"
    end,
  }

  local function theirs(kind, pattern)
    local ok, text, errors, key = asked[kind](pattern)
    local list = {}
    if not ok then
      -- govc stops at a VM in the middle of a pattern, where we check its siblings
      if errors:find("cannot traverse type", 1, true) then return nil end
      -- only "nothing matches" may be the reason
      assert.matches("not found", errors)
      return list
    end
    local found = assert(json.decode(text))[key]
    if found == nil or found == json.null then return list end
    for _, one in ipairs(found) do list[#list + 1] = kind .. ":" .. one.self.value end
    table.sort(list)
    return list
  end

  local function ours(kind, pattern)
    local found, _, code = vc:find(pattern, { type = kind })
    if not found then
      assert.are.equal("ENOENT", code)
      return {}
    end
    local list = {}
    for i, one in ipairs(found) do list[i] = tostring(one) end
    table.sort(list)
    return list
  end

  -- One part of a path as a pattern that may match it, or may not.
  local function blur(random, part)
    local how = random(9)
    local letters = {}
    for letter in part:gmatch "[^\x80-\xbf][\x80-\xbf]*" do letters[#letters + 1] = letter end
    local at = random(#letters)
    if how == 1 then return "*" end
    -- govc matches against the server's spelling, we against the name: "with%2fslash" and "with/slash"
    if part:find("%", 1, true) then return part end
    if how == 2 then return table.concat(letters, "", 1, at) .. "*" end
    if how == 3 then return "*" .. table.concat(letters, "", at) end
    if how == 4 then
      letters[at] = "?"
    elseif how == 5 and letters[at]:find "%w" then
      letters[at] = "[" .. letters[at] .. "xyz]"
    elseif how == 6 and letters[at]:find "%d" then
      letters[at] = "[0-2]"
    elseif how == 7 and letters[at]:find "%w" then
      letters[at] = "[^b-z]"
    elseif how == 8 and letters[at]:find "^%p$" then
      letters[at] = "\\" .. letters[at]
    end
    return table.concat(letters)
  end

  local function compare(kind, pattern)
    local list, mine = theirs(kind, pattern), ours(kind, pattern)
    if list then assert.are.same(list, mine, kind .. " " .. pattern) end
    return #mine
  end

  it("with random globs in each part find what govc finds", function()
    local seed = tonumber(os.getenv "GPUPT_SEED") or 20260
    math.randomseed(seed)
    local matched = 0
    for _, kind in ipairs { "VirtualMachine", "HostSystem", "Datastore", "Folder" } do
      local real = {}
      for i, one in ipairs(check(vc:find("/**", { type = kind }))) do real[i] = check(vc:path(one)) end
      for _ = 1, kind == "VirtualMachine" and 30 or 8 do
        local parts = {}
        for part in real[math.random(#real)]:gmatch "[^/]+" do parts[#parts + 1] = part end
        for i = 2, #parts do
          if math.random(2) == 1 then parts[i] = blur(math.random, parts[i]) end
        end
        local pattern = "/" .. table.concat(parts, "/")
        if pattern ~= "/" then
          matched = matched + compare(kind, pattern)
        end
      end
    end
    assert.is_true(matched > 40, ("only %d matches (seed %d)"):format(matched, seed))
  end)

  it("that are relative begin where govc's begin", function()
    for _, pattern in ipairs { "lin-*", "W11-?", "w*", "vdi/W11-1", "./vdi/*", "vdi/*/*", "nope", "vdi/nope", "(1)",
      "a+b", "*", "\u{e9}t?" } do
      compare("VirtualMachine", pattern)
    end
    for _, pattern in ipairs { "esx-a-*", "gpu-a/*", "*/esx-b-1", "./gpu-?/*", "esx-[ab]-1", "esx\\-a-1" } do
      compare("HostSystem", pattern)
    end
    for _, pattern in ipairs { "ds-*", "nvme", "[a-m]s-1", "*" } do compare("Datastore", pattern) end
  end)

  it("with ** find by name at any depth, as `govc find -name` does", function()
    for kind, names in pairs { VirtualMachine = { "*1*", "lin*", "[a-w]1?-*", "nope" }, Folder = { "deep", "v*", "with*" },
      HostSystem = { "*-1" }, ResourcePool = { "*" }, ClusterComputeResource = { "gpu-[^a]" } } do
      for _, name in ipairs(names) do
        local list = {}
        for line in witness.govc("find", "-i", "/DC0", "-type", kind, "-name", name):gmatch "[^\n]+" do
          list[#list + 1] = line
        end
        table.sort(list)
        assert.are.same(list, ours(kind, "/DC0/**/" .. name), kind .. " " .. name)
      end
    end
  end)
end)
