local gpupt = require "gpupt"

-- Loads a playbook of these lines; `p` is already defined.
local function load(text, vars)
  local path = os.tmpname()
  local file = io.open(path, "w")
  file:write('local p = require "gpupt.playbook"\n', text)
  file:close()
  local results = table.pack(gpupt.playbook.load(path, vars))
  os.remove(path)
  for i = 1, results.n do
    if type(results[i]) == "string" then results[i] = results[i]:gsub(path:gsub("%p", "%%%0"), "play.lua") end
  end
  return table.unpack(results, 1, results.n)
end

local function refused(text, wanted, vars)
  local pb, message, code = load(text, vars)
  assert.is_nil(pb)
  assert.equal("EPLAYBOOK", code)
  assert.matches(wanted, message, 1, true)
  return message
end

-- A VM scope of these steps.
local function vms(steps)
  return 'return p.playbook { name = "x", p.vms { name = "vm", login = p.login("me", p.secret.env "PW"), ' .. steps .. " } }"
end

describe("a playbook", function()
  it("has a name and scopes with steps, each with its source line", function()
    local pb = assert(load [[
      local cards = p.gpus { match = "10de:20b5" }
      return p.playbook { name = "train",
        p.hosts { where = "/DC0/host/*/*", devices = cards,
          p.host.enable {} },
        p.vms { count = 2, name = "train-{n:02}", login = p.login("ops", p.secret.env "PW"),
          p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
          p.gpu.attach { devices = cards } } }]])
    assert.equal("train", pb.name)
    assert.matches("^%x+$", pb.hash)
    local hosts, vm_scope = pb.root.children[1], pb.root.children[2]
    assert.matches(":5$", hosts.children[1].source)
    assert.matches(":7$", vm_scope.children[1].source)
    assert.equal("efi", vm_scope.children[1].options.firmware)
    assert.same({ "gpu.attach" }, { vm_scope.children[2].name })
  end)

  describe("with an error is refused with file and line:", function()
    it("a Lua error", function()
      refused("return p.playbook { name = 'x' .. nil }", "play.lua:2: attempt to concatenate a nil value")
    end)
    it("a syntax error", function() refused("return p.playbook {", "play.lua:2:") end)
    it("a file that returns something else", function()
      refused("return 42", "must end with return p.playbook { ... }, but returns a number")
    end)
    it("an unknown name", function()
      refused("return p.playbok { name = 'x' }", "play.lua:2: p has no 'playbok' (did you mean 'playbook'?)")
    end)
    it("an unknown step", function()
      refused("\nreturn p.vm.creat {}", "play.lua:3: p.vm has no 'creat' (did you mean 'create'?)")
    end)
    it("an unknown option", function()
      refused(vms 'p.gpu.attach { devices = p.gpus { match = "10de:*" }, coutn = 1 }',
        "play.lua:2: p.gpu.attach: unknown option 'coutn' (did you mean 'count'?)")
    end)
    it("an option of the wrong type", function()
      refused(vms 'p.gpu.attach { devices = p.gpus { match = "10de:*" }, count = "two" }',
        "play.lua:2: p.gpu.attach: option 'count' must be an integer or function, not a string")
    end)
    it("an unknown choice", function()
      refused(vms 'p.gpu.attach { devices = p.gpus { match = "10de:*" }, backing = "dynamc" }',
        "option 'backing' cannot be 'dynamc', only one of fixed, dynamic (did you mean 'dynamic'?)")
    end)
    it("a missing option", function()
      refused("return p.playbook { p.vms {} }", "p.vms")
      refused("return p.playbook { name = 'x', p.hosts { p.host.enable {} } }", "p.hosts: option 'where' is required")
    end)
    it("an unknown global", function()
      refused("return plabook", "play.lua:2: unknown global 'plabook'")
      refused("return pirnt", "play.lua:2: unknown global 'pirnt' (did you mean 'print'?)")
    end)
    it("a global that is set", function() refused("name = 'x'", "play.lua:2: 'name' would become a global") end)
    it("a variable that was not given", function()
      refused("local x = vars.sit", "vars has no 'sit' (did you mean 'site'?): give it with --var sit=VALUE", { site = "lab" })
    end)
    it("a step instead of a scope", function()
      refused("return p.playbook { name = 'x', p.guest.verify {} }", "entry 1 is a step (guest.verify)")
    end)
    it("a step for hosts in p.vms, and the reverse", function()
      refused(vms "p.host.enable {}", "host.enable (play.lua:2) belongs in p.hosts, not in p.vms")
      refused("return p.playbook { name = 'x', p.hosts { where = '/*', p.guest.verify {} } }",
        "guest.verify (play.lua:2) belongs in p.vms, not in p.hosts")
    end)
    it("a nil in a list", function()
      refused("return p.playbook { name = 'x', p.vms { name = 'vm', p.guest.verify {}, nil, p.guest.verify {} } }",
        "entry 2 of the list is nil")
    end)
    it("compiled Lua", function()
      local path = os.tmpname()
      local file = io.open(path, "wb")
      file:write(string.dump(function() end))
      file:close()
      local pb, message, code = gpupt.playbook.load(path)
      os.remove(path)
      assert.is_nil(pb)
      assert.equal("EPLAYBOOK", code)
      assert.matches("compiled Lua", message)
    end)
    it("a missing file", function()
      local _, message, code = gpupt.playbook.load "/nowhere/play.lua"
      assert.equal("ENOENT", code)
      assert.matches("/nowhere/play.lua", message, 1, true)
    end)
  end)

  describe("must have its steps in the right order:", function()
    local install = 'p.os.install { iso = "[ds] a.iso", answer = "[ds] b.iso" }'
    local create = 'p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" }'
    local attach = 'p.gpu.attach { devices = p.gpus { match = "10de:*" } }'

    it("the operating system before the card", function()
      refused(vms(table.concat({ create, attach, install }, ", ")), "os.install must come before gpu.attach")
    end)
    it("the VM before the operating system", function()
      refused(vms(install .. ", " .. create), "vm.create must come before os.install")
    end)
    it("the card before the proof", function()
      refused(vms("p.guest.verify {}, " .. attach), "gpu.attach must come before guest.verify")
    end)
    it("Tools before the card", function()
      refused(vms(attach .. ", p.tools.ensure {}"), "tools.ensure must come before gpu.attach")
    end)
    it("each step once", function()
      refused(vms(attach .. ",\n" .. attach), "play.lua:3: gpu.attach is used twice (first at play.lua:2)")
    end)
    it("the rule of a custom step", function()
      refused([[local mine = p.step { name = "my.check", scope = "vms", after = { ["guest.verify"] = "it needs the driver" },
          observe = print, plan = print, apply = print, prove = print }
        ]] .. vms "mine {}, p.guest.verify {}", "guest.verify must come before my.check")
    end)
  end)

  describe("p.gpus", function()
    it("refuses an invalid pattern", function()
      refused('p.gpus { match = "A100" }', "match: 'A100' is not vendor:device[:subvendor:subdevice] in hexadecimal")
      refused('p.gpus { address = "slot 3" }', "p.gpus: address:")
    end)
    it("needs at least one field", function() refused("p.gpus {}", "needs at least one of match") end)
  end)

  describe("p.login", function()
    it("refuses a password in the playbook, and does not repeat it", function()
      local message = refused('p.login("ops", "hunter2")', "a password must not be written in the playbook")
      assert.is_nil(message:find "hunter2")
    end)
    it("does not print secrets", function()
      local secret = gpupt.playbook.secret.env "HOME"
      assert.equal("(secret of the variable HOME)", tostring(secret))
    end)
  end)

  describe("p.answer", function()
    it("refuses a password in the playbook, and does not repeat it", function()
      local message = refused('p.answer.cloud_init { hostname = "a", user = "ops", password = "hunter2" }',
        "a secret must not be written in the playbook")
      assert.is_nil(message:find "hunter2")
    end)
    it("is checked when the playbook is loaded", function()
      refused('p.answer.cloud_init { hostnam = "a", user = "ops", password = p.secret.env "PW" }',
        "play.lua:2: p.answer.cloud_init: unknown option 'hostnam' (did you mean 'hostname'?)")
      refused('p.answer.windows { computer_name = "a name with blanks", password = p.secret.env "PW" }',
        "play.lua:2: p.answer.windows:")
    end)
  end)

  describe("p.vms", function()
    it("needs either where or name", function()
      refused("p.vms { p.guest.verify {} }", "needs either `where` (existing VMs) or `name`")
      refused("p.vms { name = 'a', where = '/b', p.guest.verify {} }", "needs either `where` (existing VMs) or `name`")
    end)
    it("needs a number in the name of several VMs", function()
      refused("p.vms { name = 'a', count = 2, p.guest.verify {} }", "needs a number in the name, for example 'a-{n}'")
    end)
    it("checks the fields of a placement", function()
      refused("p.vms { name = 'a', place = { datstore = 'x' }, p.guest.verify {} }", "(did you mean 'datastore'?)")
    end)
  end)

  describe("p.hosts", function()
    it("checks how hosts are rolled", function()
      refused("p.hosts { where = '/*', roll = { unavailable = 'all' }, p.host.enable {} }", "is not N/cluster")
    end)
  end)

  describe("a custom step", function()
    local contract = [[local mine = { name = "my.check", scope = "vms", %s
      plan = function() return {} end, apply = function() return true end, prove = function() return true end }
      return p.playbook { name = "x", p.vms { name = "vm", mine } }]]
    it("may be a plain table in a scope", function()
      local pb = assert(load(contract:format "observe = function() return {} end,"))
      assert.equal("my.check", pb.root.children[1].children[1].name)
    end)
    it("is checked against the contract", function()
      refused(contract:format "observe = function() end, prov = 1,", "unknown option 'prov'")
    end)
    it("accepts the options that it declares", function()
      local text = [[local mine = p.step { name = "my.check", scope = "vms", options = { { "depth", "integer", default = 3 } },
        observe = print, plan = print, apply = print, prove = print }
        return p.playbook { name = "x", p.vms { name = "vm", mine { %s } } }]]
      assert.equal(3, assert(load(text:format "")).root.children[1].children[1].options.depth)
      refused(text:format "dept = 2", "p.my.check: unknown option 'dept' (did you mean 'depth'?)")
    end)
  end)

  describe("a field that is a function of the target", function()
    it("is called once for each target, and its result is checked", function()
      local pb = assert(load(vms [[p.gpu.attach { devices = p.gpus { match = "10de:*" },
        count = function(vm) return vm.name == "a" and 2 or "many" end }]]))
      local attach = pb.root.children[1].children[1]
      assert.equal(2, attach:resolve({ name = "a" }).count)
      local _, message, code = attach:resolve { name = "b" }
      assert.equal("EPLAYBOOK", code)
      assert.matches("option 'count' must be an integer, not a string (for b)", message, 1, true)
    end)
    it("is reported with its source line if it fails", function()
      local pb = assert(load(vms [[p.gpu.attach { devices = p.gpus { match = "10de:*" },
        count = function(vm) return vm.nothing.more end }]]))
      local _, message = pb.root.children[1].children[1]:resolve { name = "a" }
      assert.matches("play.lua:2: p.gpu.attach: the function of 'count' failed for a:", message:gsub("/tmp/lua_%w+", "play.lua"),
        1, true)
    end)
  end)
end)

describe("the line of a word that a playbook returns", function()
  it("is known, at the end of the file as well as in a function", function()
    local pb = assert(load [[
local function all()
  return p.hosts { where = "/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} }
end
return p.playbook { name = "x",
  all() }]])
    assert.matches(":5$", pb.root.source)
    assert.matches(":6$", pb.root.children[1].source)
  end)
  it("is in the message", function()
    refused('\nreturn p.playbook { nam = "x" }', "play.lua:3: p.playbook: unknown option 'nam'")
  end)
end)
