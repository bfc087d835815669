-- `gpupt plan DIR` failed with "Is a directory": a fleet that several files describe needed a run for each of them.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("a folder of playbooks", function()
  local l, count = nil, 0
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      vms = { { name = "cad-1", host = "esx-1", guest = "ubuntu64Guest" },
        { name = "cad-2", host = "esx-1", guest = "ubuntu64Guest" } } } }
  end)
  teardown(function() l:stop() end)

  local head = [[local p = require "gpupt.playbook"
local mark = p.step { name = "my.mark", scope = "vms", options = { { "word", "string", default = "x" } },
  observe = function() return {} end, plan = function(_, t) return { { what = "mark " .. t.options.word } } end,
  apply = function(_, t) if t.options.word == "bad" then return nil, "broken", "EBROKEN" end return true end,
  prove = function() return "marked" end }
]]
  local function folder(files)
    count = count + 1
    local dir = ("%s/fleet-%d"):format(l.dir, count)
    assert(os.execute("mkdir -p " .. dir))
    for name, text in pairs(files) do vcenter.write(dir .. "/" .. name, head .. text) end
    return dir
  end
  local function one(name, more)
    return ('return p.playbook { name = "%s", p.vms { where = "/DC0/vm/%s", mark { %s } } }'):format(name, name, more or "")
  end
  local function short(message, dir) return (message:gsub(dir:gsub("%p", "%%%0") .. "/", "")) end

  it("is one plan and one run of all its *.lua files, in order", function()
    local dir = folder { ["20-b.lua"] = one "cad-1", ["10-a.lua"] = one "cad-2", ["notes.txt"] = "no Lua",
      [".hidden.lua"] = "no Lua" }
    local plan = gpupt.check(gpupt.check(gpupt.playbook.load(dir)):plan(l:client()))
    local changes = plan:changes()
    assert.same({ "cad-2", "cad-1" }, { changes[1].target, changes[2].target })
    assert.matches("10%-a.lua:6$", changes[1].source)
    local journal = l:journal()
    local run = gpupt.check(plan:apply { journal = journal })
    assert.equal("done", run:result().status)
    assert.equal(2, #run:result().targets)
    assert.matches("^fleet-", run:result().id)
  end)
  it("refuses a target that two files have, with both lines", function()
    local dir = folder { ["a.lua"] = one "cad-1", ["b.lua"] = "\n" .. one "cad-1" }
    local _, message, code = gpupt.check(gpupt.playbook.load(dir)):plan(l:client())
    assert.equal("EPLAYBOOK", code)
    assert.equal("b.lua:7: p.vms: cad-1 is a target of p.vms (a.lua:6) as well. Put all steps of a target into one scope",
      short(message, dir))
  end)
  it("refuses two files that create the same VM", function()
    local new = [[return p.playbook { name = "n", p.vms { name = "new-1", place = { cluster = "c", datastore = "ds-1" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" } } }]]
    local dir = folder { ["a.lua"] = new, ["b.lua"] = new }
    local _, message = gpupt.check(gpupt.playbook.load(dir)):plan(l:client())
    assert.equal("b.lua:6: p.vms: new-1 is a target of p.vms (a.lua:6) as well. Put all steps of a target into one scope",
      short(message, dir))
  end)
  it("gives its variables to all files, and refuses those that no file has", function()
    local dir = folder { ["a.lua"] = 'local vars = p.vars { word = { default = "a" } }\n' .. one("cad-1", "word = vars.word"),
      ["b.lua"] = 'local vars = p.vars { word = { default = "b" }, other = { default = 1 } }\n'
        .. one("cad-2", "word = vars.word") }
    local plan = gpupt.check(gpupt.check(gpupt.playbook.load(dir, { word = "w", other = "2" })):plan(l:client()))
    assert.same({ "mark w", "mark w" }, { plan:changes()[1].what, plan:changes()[2].what })
    local _, message, code = gpupt.playbook.load(dir, { wrod = "w" })
    assert.equal("EUSAGE", code)
    assert.equal("the playbooks have no variable 'wrod' (did you mean 'word'?)", message)
  end)
  it("counts the failures of each file against its own max_failures", function()
    local dir = folder { ["a.lua"] = one("cad-1", 'word = "bad"'):gsub("p.vms", "max_failures = 1, p.vms", 1), ["b.lua"] = one "cad-2" }
    local plan = gpupt.check(gpupt.check(gpupt.playbook.load(dir)):plan(l:client()))
    assert.matches("stops starting targets after 1 failure in a.lua (max_failures = 1), or 2 failures in b.lua (max_failures = 2)",
      tostring(plan), 1, true)
    local result = gpupt.check(plan:apply { journal = l:journal() }):result()
    assert.same({ "failed", "not started" }, { result.targets[1].status, result.targets[2].status })
    assert.equal("1 target of a.lua failed, and max_failures = 1: no further targets will be started", result.targets[2].message)
  end)
  it("is resumed and applied from a plan file only if all its files are as they were, and no other came", function()
    local dir = folder { ["a.lua"] = one "cad-1", ["b.lua"] = one "cad-2" }
    local file = dir .. ".plan"
    gpupt.check(gpupt.check(gpupt.check(gpupt.playbook.load(dir)):plan(l:client())):save(file))
    assert.truthy(gpupt.check(gpupt.playbook.open { path = file }):plan(l:client()))
    vcenter.write(dir .. "/c.lua", "error 'executed'")
    local _, message, code = gpupt.playbook.open { path = file }
    assert.equal("ESTALE", code)
    assert.equal("c.lua was not loaded when the plan was created: create a new plan", short(message, dir))
    os.remove(dir .. "/c.lua")
    os.remove(dir .. "/b.lua")
    _, message, code = gpupt.playbook.open { path = file }
    assert.equal("ESTALE", code)
    assert.matches("b.lua was loaded when the plan was created, but cannot be read now", message, 1, true)
    vcenter.write(dir .. "/b.lua", head .. "error 'executed'")
    _, message, code = gpupt.playbook.open { path = file }
    assert.equal("ESTALE", code)
    assert.equal("b.lua changed since the plan was created: create a new plan", short(message, dir))
  end)
  it("needs playbooks, and names a file that is not a playbook", function()
    local dir = folder { ["notes.txt"] = "" }
    local _, message, code = gpupt.playbook.load(dir)
    assert.equal("ENOENT", code)
    assert.equal(dir .. ": the folder has no playbooks (*.lua)", message)
    dir = folder { ["a.lua"] = one "cad-1", ["cards.lua"] = 'return p.gpus { match = "10de:*" }' }
    _, message, code = gpupt.playbook.load(dir)
    assert.equal("EPLAYBOOK", code)
    assert.equal("cards.lua: must end with return p.playbook { ... }, but returns a p.gpus. Put files that playbooks "
      .. "include into a folder of their own", short(message, dir))
  end)
  it("is planned and applied by the command", function()
    local dir = folder { ["a.lua"] = one "cad-1", ["b.lua"] = one "cad-2" }
    local done = l:command { "plan", dir }
    assert.equal(0, done.status, done.err)
    assert.matches("cad-1  my.mark  mark x\n~ cad-2  my.mark  mark x", done.out, 1, true)
    done = l:command { "apply", dir, "--json" }
    assert.equal(0, done.status, done.err)
  end)
end)
