--- A file whose name has brackets ("[gold] ubuntu.iso") "does not exist": its name was the search's pattern, in which
-- brackets are a set of characters.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local NAMES = { "[gold] ubuntu.iso", "ubuntu [24.04].iso", "a].iso", "it's a \"b\" %20 ü.iso", "plain.iso" }

describe("a file on a datastore", function()
  local site

  setup(function()
    local files = {}
    for _, name in ipairs(NAMES) do files["iso/" .. name] = { os = "ubuntu" } end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1") } } },
      networks = { "VM Network" }, datastores = { { name = "ds-1", files = files } } } }
  end)
  teardown(function() site:stop() end)

  for _, name in ipairs(NAMES) do
    it("is found: " .. name, function()
      local path = "[ds-1] iso/" .. name
      local entry = gpupt.check(site:client().datastore:stat(path))
      assert.same({ name, path }, { entry.name, entry.path })
      local plan, message = site:plan(([[return p.playbook { name = "v", p.vms { name = "train-1",
        login = p.login("ops", p.secret.callback(function() return "Train-1-pass" end)),
        place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
        p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 4, memory = "8 GiB", disk = "60 GiB" },
        p.os.install { iso = %q, answer = p.answer.cloud_init { user = "ops",
          password = p.secret.callback(function() return "Train-1-pass" end) } } } }]]):format(path))
      assert.is_truthy(plan, message)
    end)
  end

  it("is not found by the name of another", function()
    for _, name in ipairs { "(gold) ubuntu.iso", "[gold] ubuntu.is", "xgoldx ubuntu.iso", "[a].iso" } do
      assert.is_false(site:client().datastore:stat("[ds-1] iso/" .. name))
    end
  end)
end)
