-- examples/own_step.lua: a step that a user wrote. Its plan, its run and its proof are those of any step; its undo takes
-- back what is still as the run left it. (spec/regress/173 applies the example with the privileges of its role.)
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local snapshot = require "gpupt.fleet.snapshot"
local vcenter = require "spec.support.vcenter"

describe("a step of the user's own", function()
  local l, pb
  setup(function()
    l = lab.start { speed = 500, fleet = json.decode(vcenter.read "examples/fleets/own_step.json") }
    pb = gpupt.check(gpupt.playbook.load "examples/own_step.lua")
  end)
  teardown(function() l:stop() end)

  local function extra(key) return snapshot.new(l:client()):vm(gpupt.check(l.vc:one "/DC0/vm/cad-01")).extra[key:lower()] end

  it("is planned with the values before and after, by a function of the VM", function()
    local plan = gpupt.check(pb:plan(l:client()))
    assert.matches("~ cad-01  vm.advanced  numa.vcpu.preferHT (not set) -> TRUE", tostring(plan), 1, true)
    assert.matches("      numa.vcpu.preferHT: (not set) -> TRUE", plan:text { diff = true }, 1, true)
    assert.matches("examples/own_step.lua:%d+$", plan:changes()[1].source)
  end)

  it("checks the options that it declares, with their line", function()
    local path = l.dir .. "/wrong.lua"
    vcenter.write(path, (vcenter.read "examples/own_step.lua":gsub("advanced { settings", "advanced { setings")))
    local _, message = gpupt.playbook.load(path)
    assert.matches("wrong.lua:%d+: p.vm.advanced: unknown option 'setings' %(did you mean 'settings'%?%)", message)
  end)

  it("is applied in one journalled call, proved, and finds nothing to change then", function()
    local journal = l:journal()
    local run = gpupt.check(gpupt.check(pb:plan(l:client())):apply { journal = journal })
    assert.equal("done", run:result().status)
    assert.equal("set as wanted", run:result().targets[1].proofs["vm.advanced"])
    assert.equal("TRUE", extra "numa.vcpu.preferHT")
    local changes = {}
    for row in journal:rows(run:result().id) do
      if row.kind == "change" then changes[#changes + 1] = row end
    end
    assert.equal(1, #changes)
    assert.equal("", json.decode(changes[1].detail).advanced[1].before)
    assert.equal(0, #gpupt.check(pb:plan(l:client())):changes())
  end)

  it("is undone where the value was not changed since, and reports the rest", function()
    local vm = gpupt.check(l:client():one "/DC0/vm/cad-01")
    local step = pb.root.children[1].children[1].step
    gpupt.check(l.vc:wait(gpupt.check(vm:ReconfigVM_Task { spec = { extraConfig = {
      { key = "svga.guestBackedPrimaryAware", value = "other" } } } })))
    local ctx = { fleet = snapshot.new(l.vc), task = function(_, _, ref, method, args)
      return l.vc:wait(gpupt.check(ref[method](ref, args)))
    end }
    ctx.fleet:planned()
    local target = { ref = vm, name = "cad-01" }
    local done = { { action = "advanced", ended = true, detail = { advanced = {
      { name = "numa.vcpu.preferHT", before = "", after = "TRUE" },
      { name = "svga.guestBackedPrimaryAware", before = "", after = "TRUE" } } } } }
    local result = step.undo(ctx, target, done)
    assert.same({ "svga.guestBackedPrimaryAware is other, and was changed since" }, result.left)
    assert.equal(1, #result.changes)
    assert.equal("numa.vcpu.preferHT TRUE -> (not set)", result.changes[1].what)
    assert.is_true(result.changes[1].make(ctx, target) ~= nil)
    assert.is_true((extra "numa.vcpu.preferHT" or "") == "")
    assert.equal("other", extra "svga.guestBackedPrimaryAware")
    assert.equal(0, #step.undo(ctx, target, done).changes)
  end)
end)
