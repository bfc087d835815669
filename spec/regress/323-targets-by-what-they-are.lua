-- `where` took inventory paths only: VMs with a card, or those of one guest, had to be listed by hand. What a function
-- of the playbook gave was asked for again at each step and each resume, and could differ.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("targets of a playbook", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = {
      lab.host("esx-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }), lab.card "0000:86:00.0" } }),
      lab.host("esx-2", { cards = { lab.card("0000:3b:00.0", { device = "20f1" }) } }) } } },
    vms = {
      { name = "cad-1", host = "esx-1", guest = "windows2022srvNext_64Guest", power = "poweredOn" },
      { name = "cad-2", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", devices = { "0000:3b:00.0" } },
      { name = "cad-3", host = "esx-2", guest = "ubuntu64Guest", firmware = "bios" },
      { name = "vCLS-1", host = "esx-2", guest = "ubuntu64Guest" },
    } } }
  end)
  teardown(function() l:stop() end)

  local noop = [[local mark = p.step { name = "my.mark", scope = "%s", observe = function() return {} end,
    plan = function(_, target) return { { what = "mark" } } end,
    apply = function() return true end, prove = function() return "marked" end }
  ]]
  local function names(scope, where)
    local plan, message = l:plan(noop:format(scope) .. ('return p.playbook { name = "x", p.%s { where = %s, mark {} } }')
      :format(scope, where))
    if not plan then return message:gsub("^[^:]*/play", "play") end
    local list = {}
    for i, change in ipairs(plan:changes()) do list[i] = change.target end
    table.sort(list)
    return table.concat(list, " ")
  end

  it("are VMs with a card, of a guest, a power state, a firmware, a name", function()
    assert.equal("cad-2", names("vms", 'p.find { path = "/DC0/vm/**", has = "passthrough" }'))
    assert.equal("cad-2", names("vms", 'p.find { path = "/DC0/vm/**", has = p.gpus { match = "10de:20b5" } }'))
    assert.equal("cad-2", names("vms", 'p.find { path = "/DC0/vm/**", has = { "fixed", "passthrough" } }'))
    assert.equal("cad-1", names("vms", 'p.find { path = "/DC0/vm/**", guest = "windows" }'))
    assert.equal("cad-2 cad-3", names("vms", 'p.find { path = "/DC0/vm/*", guest = "ubuntu*" }'))
    assert.equal("cad-1", names("vms", 'p.find { path = "/DC0/vm/*", power = "on" }'))
    assert.equal("cad-3", names("vms", 'p.find { path = "/DC0/vm/*", firmware = "bios", guest = "linux" }'))
    assert.equal("cad-1 cad-3", names("vms", 'p.find { path = "/DC0/vm/*", name = "cad-*,!cad-2" }'))
    assert.equal("cad-1 cad-2", names("vms", '{ "/DC0/vm/cad-1", p.find { path = "/DC0/vm/*", has = "fixed" } }'))
  end)
  it("are hosts with a card, with passthrough, of a release", function()
    assert.equal("esx-1 esx-2", names("hosts", 'p.find { path = "/DC0/host/*", has = "gpu" }'))
    assert.equal("esx-1", names("hosts", 'p.find { path = "/DC0/host/*", has = "passthrough" }'))
    assert.equal("esx-2", names("hosts", 'p.find { path = "/DC0/host/*/*", has = p.gpus { match = "10de:20f1" } }'))
    assert.equal("esx-1 esx-2", names("hosts", 'p.find { path = "/DC0/host/c", version = "8.*" }'))
    assert.equal("esx-2", names("hosts", 'p.find { path = "/DC0/host/*/*", filter = function(h) return #h.cards == 1 end }'))
  end)
  it("are those that a function of the playbook chooses", function()
    assert.equal("cad-3", names("vms", [[p.find { path = "/DC0/vm/*", filter = function(vm)
      return vm.host == "esx-2" and vm.cluster == "c" and vm.power == "off" and vm.path == "/DC0/vm/" .. vm.name end }]]))
    assert.matches("filter failed for cad%-1: .*play%-%d+.lua:5: a VM has no 'hots' %(did you mean 'host'%?%)",
      names("vms", [[p.find { path = "/DC0/vm/*", filter = function(vm) return vm.hots end }]]))
  end)
  it("may be none, and the plan says so", function()
    local plan = gpupt.check(l:plan(noop:format "vms" .. [[return p.playbook { name = "x",
      p.vms { where = "/DC0/vm/cad-1", mark {} },
      p.vms { where = p.find { path = "/DC0/vm/**", guest = "netware*" }, mark {} } }]]))
    assert.matches("play%-%d+.lua:7: p.find found none of 4 objects", tostring(plan))
  end)
  it("are refused with their lines if two scopes have one", function()
    local _, message, code = l:plan(noop:format "vms" .. [[return p.playbook { name = "x",
      p.vms { where = "/DC0/vm/cad-1", mark {} },
      p.vms { where = "/DC0/vm/cad-*", mark {} } }]])
    assert.equal("EPLAYBOOK", code)
    assert.matches("play%-%d+.lua:7: p.vms: cad%-1 is a target of p.vms %(.*play%-%d+.lua:6%) as well. Put all steps", message)
  end)

  describe("of p.find are checked when the playbook is loaded:", function()
    local function refused(scope, where, wanted)
      local path = l:write(noop:format(scope) .. ('return p.playbook { name = "x",\n p.%s { where = %s, mark {} } }')
        :format(scope, where))
      local pb, message = gpupt.playbook.load(path)
      assert.is_nil(pb)
      assert.matches(wanted, message, 1, true)
      assert.matches("play%-%d+.lua:6: ", message)
    end
    it("an unknown word or field", function()
      refused("vms", 'p.find { path = "/", has = "passtrough" }', "has = 'passtrough' is not known (did you mean 'passthrough'?)")
      refused("vms", 'p.find { pth = "/" }', "p.find: unknown option 'pth' (did you mean 'path'?)")
      refused("vms", "p.find {}", "p.find: option 'path' is required")
      refused("vms", "{ 7 }", "where must be an inventory path, p.find { ... }, or a list of them, not a number")
      refused("vms", "{}", "where is empty")
    end)
    it("what is for the other kind of target", function()
      refused("hosts", 'p.find { path = "/", power = "on" }', "p.hosts: where: p.find (")
      refused("hosts", 'p.find { path = "/", power = "on" }', "power is for p.vms")
      refused("vms", 'p.find { path = "/", version = "8*" }', "version is for p.hosts")
      refused("vms", 'p.find { path = "/", has = "pending" }', "has = 'pending' is for p.hosts")
    end)
  end)

  describe("and the functions of a playbook", function()
    -- each call leaves a line in this file
    local log
    local function playbook(body)
      return noop:format "vms" .. ([[local function called(text)
        local f = io.open(%q, "a"); f:write(text, "\n"); f:close() end
      local count = p.step { name = "my.count", scope = "vms", options = { { "depth", "integer", late = true },
          { "label", "string", late = true } },
        observe = function() return {} end,
        plan = function(_, t) return { { what = ("depth %%s %%s"):format(t.options.depth, t.options.label) } } end,
        apply = function(ctx, t) if t.options.label == "bad" then return nil, "broken", "EBROKEN" end return true end,
        prove = function(_, t) return ("depth %%d"):format(t.options.depth) end }
      ]]):format(log) .. body
    end
    local function calls()
      local f = io.open(log)
      if not f then return 0 end
      local text = f:read "a"
      f:close()
      os.remove(log)
      return select(2, text:gsub("\n", ""))
    end
    before_each(function() log = os.tmpname() os.remove(log) end)
    after_each(function() os.remove(log) end)

    it("are called once for each target of a plan and its run, and see it as it is", function()
      local result, _, rows = l:apply(playbook [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/cad-[12]",
        count { depth = function(vm) called(vm.name) return vm.memory_mb * 0 + (vm.guest == "windows" and 2 or 3) end,
          label = "x" } } }]])
      assert.equal("done", result.status)
      assert.equal(2, calls())
      local values = {}
      for _, row in ipairs(rows) do
        if row.kind == "value" then values[#values + 1] = row.target .. ": " .. row.what end
      end
      assert.same({ "cad-1: depth = 2", "cad-2: depth = 3" }, values)
    end)
    it("are not called again when the run is resumed", function()
      local text = playbook [[return p.playbook { name = "x", p.vms {
        where = p.find { path = "/DC0/vm/*", filter = function(vm) called "filter" return vm.name == "cad-3" end },
        count { depth = function(vm) called "depth" return 4 end,
          label = function(vm) called "label" return io.open(]] .. ("%q"):format(log .. ".fixed") .. [[) and "good" or "bad" end } } }]]
      local journal, path = l:journal(), l:write(text)
      local pb = gpupt.check(gpupt.playbook.load(path))
      local run = gpupt.check(gpupt.check(pb:plan(l:client(), {})):apply { journal = journal })
      assert.equal("broken", run:result().targets[1].message)
      assert.equal(5, calls()) -- the filter for three VMs, and two functions
      local again = gpupt.check(gpupt.playbook.open { journal = journal, resume = run:result().id })
      local plan = gpupt.check(again:plan(l:client(), { journal = journal }))
      assert.equal("depth 4 bad", plan:changes()[1].what)
      assert.equal(1, #plan:changes())
      assert.equal(0, calls())
    end)
    it("are not called again when a saved plan is applied", function()
      local path = l:write(playbook [[return p.playbook { name = "x", p.vms { where = "/DC0/vm/cad-1",
        count { depth = function(vm) called "depth" return 5 end, label = "x" } } }]])
      gpupt.check(gpupt.check(gpupt.check(gpupt.playbook.load(path)):plan(l:client())):save(l.dir .. "/saved.plan"))
      assert.equal(1, calls())
      local plan = gpupt.check(gpupt.check(gpupt.playbook.open { path = l.dir .. "/saved.plan" }):plan(l:client()))
      assert.equal("depth 5 x", plan:changes()[1].what)
      assert.equal(0, calls())
    end)
    it("may give the cards and the place of each VM", function()
      local plan = gpupt.check(l:plan [[return p.playbook { name = "x", p.vms { count = 2, name = "n-{n}",
        place = function(vm) return { host = "esx-" .. vm.number, datastore = "ds-1", network = "VM Network" } end,
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" } } }]])
      assert.matches("on esx%-1", plan:changes()[1].what)
      assert.matches("on esx%-2", plan:changes()[2].what)
      local _, message = l:plan [[return p.playbook { name = "x", p.vms { count = 2, name = "n-{n}",
        place = function(vm) return { hst = "esx-1" } end,
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" } } }]]
      assert.matches("play%-%d+.lua:2: p.vms place: unknown option 'hst' %(did you mean 'host'%?%) %(for n%-1%)", message)
    end)
  end)
end)
