-- p.answer.windows, .cloud_init, .kickstart and .autoyast in a playbook: made of options, or a file of the user's own.
local answers = require "gpupt.step.answers"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local BOOK = [[
local p = require "gpupt.playbook"
local password = p.secret.callback(function() return "pw" end)
%s
return p.playbook { name = "answers",
  p.vms { name = "vm-1", place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = %s } } }]]

local KICKSTART = [[
lang en_US.UTF-8
keyboard us
timezone Etc/UTC
user --name=ops --iscrypted --password=$6$a$b
autopart
reboot
%packages
open-vm-tools
%end
]]

local AUTOYAST = [[
<?xml version="1.0"?>
<!DOCTYPE profile>
<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">
  <general><mode><confirm config:type="boolean">false</confirm></mode></general>
  <software><packages config:type="list"><package>open-vm-tools</package></packages></software>
  <users config:type="list"><user><username>ops</username><user_password>x</user_password></user></users>
</profile>
]]

describe("p.answer", function()
  local dir

  setup(function() dir = vcenter.shell "mktemp -d -t gpupt-answers.XXXXXX":match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function load(answer, before)
    vcenter.write(dir .. "/play.lua", BOOK:format(before or "", answer))
    return gpupt.playbook.load(dir .. "/play.lua")
  end

  -- The answer of the playbook, as os.install gets it.
  local function answer_of(text)
    local pb = assert(load(("(function(a) debug.getregistry()['spec.found'](a) return a end)(%s)"):format(text)))
    return debug.getregistry()["spec.answer"], pb
  end

  setup(function()
    debug.getregistry()["spec.found"] = function(a) debug.getregistry()["spec.answer"] = a end
  end)

  it("makes a medium of each kind of the file and label that its installer looks for", function()
    local of = { windows = { "autounattend.xml", "OEMDRV", "password = password, image = 2" },
      cloud_init = { "user-data", "CIDATA", "user = 'ops', password = password" },
      kickstart = { "ks.cfg", "OEMDRV", "user = 'ops', password = password" } }
    for kind, want in pairs(of) do
      local made = answer_of(("p.answer.%s { %s }"):format(kind, want[3]))
      local files, label = made:text(false, { name = "vm-7" })
      assert.is_truthy(files[want[1]], kind)
      assert.equal(want[2], label)
      assert.is_truthy((files["meta-data"] or files[want[1]]):find("vm-7", 1, true)) -- the VM's name
      assert.equal("vm-7", answers.host_name(made, { name = "vm-7" }))
      assert.matches("answer medium for %a+, .*play%.lua:", tostring(made))
      assert.equal("a generated answer medium", answers.describe(made))
    end
  end)

  it("takes a file of the user's own, next to the playbook", function()
    vcenter.write(dir .. "/ks.cfg", KICKSTART)
    vcenter.write(dir .. "/autoinst.xml", AUTOYAST)
    for kind, want in pairs { kickstart = { "ks.cfg", KICKSTART }, autoyast = { "autoinst.xml", AUTOYAST } } do
      local made, pb = answer_of(("p.answer.%s { file = '%s' }"):format(kind, want[1]))
      local files, label = made:text(false, { name = "vm-7" })
      assert.same({ [want[1]] = want[2] }, files)
      assert.equal("OEMDRV", label)
      assert.is_nil(answers.host_name(made, { name = "vm-7" }))
      assert.equal("a medium with " .. want[1], answers.describe(made))
      assert.equal(dir .. "/" .. want[1], pb.files[2].path) -- hashed, like the playbook
    end
  end)

  it("refuses what its installer would, with file and line", function()
    local function refused(answer, ...)
      local pb, message = load(answer)
      assert.is_nil(pb)
      for _, words in ipairs { "play.lua:7: ", ... } do assert.is_truthy(message:find(words, 1, true), message) end
    end
    vcenter.write(dir .. "/broken.cfg", (KICKSTART:gsub("autopart\nreboot", "autoprat")))
    refused("p.answer.kickstart { file = 'broken.cfg' }", "p.answer.kickstart: broken.cfg:1 neither autopart", "broken.cfg:1 no reboot",
      "broken.cfg:5 Anaconda has no command 'autoprat' (did you mean 'autopart'?)")
    refused("p.answer.kickstart { file = 'none.cfg' }", "none.cfg: No such file")
    refused("p.answer.autoyast { user = 'ops' }", "p.answer.autoyast: ", "unknown option 'user'")
    refused("p.answer.autoyast {}", "p.answer.autoyast: ", "'file'")
    refused("p.answer.autoyast { file = 'broken.cfg' }", "broken.cfg")
    refused("p.answer.kickstart { user = 'ops', password = 'x' }", "a secret must not be written in the playbook")
    refused("p.answer.kickstart { user = 'ops', password_hash = '$6$a$b' }", "a secret must not be written in the playbook")
    refused("p.answer.kickstart { user = 'Ops', password = password }", "lower-case")
    refused("p.answer.kickstart { usr = 'ops', password = password }", "did you mean 'user'")
    refused("p.answer.kickstrat {}", "did you mean 'kickstart'")
    refused("p.answer.kickstart 'x'", "options must be a table")
  end)

  it("shows the warnings about a file in the plan, and refuses a saved plan when the file changes", function()
    local l = lab.start { speed = 200 }
    vcenter.write(l.dir .. "/user-data", "#cloud-config\nhostname: x\npackages: [ open-vm-tools ]\n")
    local path = l:write(BOOK:gsub("^[^\n]*\n", ""):format("", 'p.answer.cloud_init { file = "user-data" }'))
    local plan = l:command { "plan", path }
    assert.matches("user-data:1 no users, password or chpasswd", plan.err .. plan.out, 1, true)
    assert.equal(0, l:command({ "plan", path, "--out", l.dir .. "/saved" }).status)
    vcenter.write(l.dir .. "/user-data", vcenter.read(l.dir .. "/user-data") .. "# other\n")
    local applied = l:command { "apply", l.dir .. "/saved" }
    assert.equal(1, applied.status)
    assert.matches("user-data changed since the plan was created", applied.err, 1, true)
    assert.same({}, l:changing())
    l:stop()
  end)
end)
