--- The examples that are playbooks, each with a fleet for it, and accounts for them.
--   for _, example in ipairs(role.examples()) do local l = role.start(example, privileges) l:apply_example() l:stop() end
local customization = require "spec.support.customization"
local desktops = require "spec.support.horizon_desktops"
local first_light = require "spec.support.first_light"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

local role = {}

local ACCOUNT, PASSWORD = "roller@vsphere.local", "Least-1-privilege"

--- What an account has beside the privileges of a role.
role.BASE = { "System.Anonymous", "System.Read", "System.View" }

--- The paths of the playbooks in examples/.
function role.examples()
  local list = {}
  for path in vcenter.shell "ls examples/*.lua":gmatch "%S+" do
    if vcenter.read(path):find "return p.playbook {" then list[#list + 1] = path end
  end
  return list
end

--- What `gpupt role PLAYBOOK` lists.
function role.privileges(path)
  local text, ok = vcenter.shell(("bin/gpupt role %s --json"):format(path))
  assert(ok, text)
  local list = {}
  for i, one in ipairs(assert(json.decode(text)).privileges) do list[i] = one.privilege end
  return list
end

--- A test vCenter with the example's fleet and an account with these privileges (and BASE).
function role.start(path, privileges)
  local name = path:match "([%w_]+)%.lua$"
  local own = name ~= "first_light" and vcenter.read(("examples/fleets/%s.json"):format(name))
  local list = table.move(role.BASE, 1, #role.BASE, #privileges + 1, table.move(privileges, 1, #privileges, 1, {}))
  local l = first_light.start { speed = 300, change = function(fleet)
    if own then
      for key in pairs(fleet) do fleet[key] = nil end
      for key, value in pairs(assert(json.decode(own))) do fleet[key] = value end
      fleet.datastores[1].files = { ["iso/ubuntu-24.04.iso"] = { os = "ubuntu" } }
    end
    fleet.users = { { name = ACCOUNT, password = PASSWORD, privileges = list } }
  end }
  if name == "clone_rollout" then customization.create(l:client()) end
  l.example = path
  l.env = { GOVC_USERNAME = ACCOUNT, GOVC_PASSWORD = PASSWORD, TRAIN_PASSWORD = l.secrets.linux, CAD_PASSWORD = "builtin",
    GUEST_PASSWORD = "builtin", GOLD_PASSWORD = "Gold-1-pass", LUA_INIT = customization.INIT }
  -- waits until the Tools of the VMs that run from the start are ready.
  for _, vm in ipairs(l:client():find "/DC0/vm/*" or {}) do
    if vm.type == "VirtualMachine" and vm:get "runtime.powerState" == "poweredOn" then
      assert(l.vc:wait_for(vm, { "guest.guestOperationsReady" }, function(props)
        return props["guest.guestOperationsReady"] == true
      end, { timeout = 60 }))
    end
  end
  l.words = {}
  if name == "horizon_desktops" then
    l.words = desktops.prepare(l, 2)
    l.env.HORIZON_PASSWORD = desktops.ENV.HORIZON_PASSWORD
  end
  l.sim:close_all()
  l.vc = nil
  function l.as_account(_, words, more)
    local env = {}
    for key, value in pairs(l.env) do env[key] = value end
    for key, value in pairs(more or {}) do env[key] = value end
    return l:run_command(table.move(l.words, 1, #l.words, #words + 1, table.move(words, 1, #words, 1, {})), { env = env })
  end
  --- Applies a playbook; a run that pauses for a look at its canary goes on.
  function l.apply_as_account(_, file, allow, more)
    local result = l:as_account({ "apply", file, "--allow", allow }, more)
    local paused = result.status == 5 and result.err:match "apply %-%-resume (%S+)"
    if not paused then return result end
    return l:as_account({ "apply", "--resume", paused, "--allow", allow }, more)
  end
  return l
end

return role
