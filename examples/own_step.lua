-- A step of your own: advanced settings of VMs (ExtraConfig), with what a step of gpupt has as well: options, a plan
-- that only computes, a change that is journalled, a proof, and an undo. docs/guide/playbook.md has the contract.
--
--   gpupt plan examples/own_step.lua --diff
local p = require "gpupt.playbook"

local function sorted(settings)
  local keys = {}
  for key in pairs(settings) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function reconfigure(ctx, target, vm, list, text, detail)
  return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { changeVersion = vm.change_version,
    extraConfig = list } }, { action = "advanced", text = text, detail = detail })
end

local advanced = p.step {
  name = "vm.advanced", scope = "vms",
  options = { { "settings", "table", required = true, late = true, doc = "{ ['key'] = 'value' }; '' removes a key" } },
  needs = { "VirtualMachine.Config.AdvancedConfig" },

  -- reads, and changes nothing. A VM that a step before will create has no reference while the plan is made
  observe = function(ctx, target)
    return { vm = target.ref and ctx.fleet:vm(target.ref) or nil }
  end,

  -- computes only: what differs, one change each; none if all is as wanted
  plan = function(_, target, seen)
    local changes = {}
    for _, key in ipairs(sorted(target.options.settings)) do
      local wanted = target.options.settings[key]
      local now = seen.vm and seen.vm.extra[key:lower()]
      if (now or "") ~= wanted then
        changes[#changes + 1] = { sign = "~", verb = "reconfigure", what = ("%s %s -> %s"):format(key,
          now or "(not set)", wanted), settings = { { name = key, before = now, after = wanted } } }
      end
    end
    return changes
  end,

  -- one call; its row in the journal, written before it is sent, has the values before for undo
  apply = function(ctx, target, changes, seen)
    local list, before = {}, {}
    for i, change in ipairs(changes) do
      local one = change.settings[1]
      list[i] = { key = one.name, value = one.after }
      before[i] = { name = one.name, before = one.before or "", after = one.after }
    end
    return reconfigure(ctx, target, seen.vm, list, "ReconfigVM (advanced settings)", { advanced = before })
  end,

  -- reads again: the task's success is no proof
  prove = function(ctx, target)
    local vm = ctx.fleet:vm(target.ref)
    for key, wanted in pairs(target.options.settings) do
      if (vm.extra[key:lower()] or "") ~= wanted then
        return nil, ("%s: %s is %s"):format(target.name, key, tostring(vm.extra[key:lower()])), "EPROOF"
      end
    end
    return "set as wanted"
  end,

  -- what is still as the run left it gets its value from before; what was changed since stays
  undo = function(ctx, target, done)
    local vm, result, list = ctx.fleet:vm(target.ref), { changes = {}, left = {} }, {}
    for i = #done, 1, -1 do
      for _, one in ipairs(done[i].detail.advanced or {}) do
        local now = vm.extra[one.name:lower()] or ""
        if now == one.after then
          list[#list + 1] = { key = one.name, value = one.before }
          result.changes[#result.changes + 1] = { sign = "~", verb = "reconfigure", what = ("%s %s -> %s"):format(
            one.name, now, one.before ~= "" and one.before or "(not set)") }
        elseif now ~= one.before then
          result.left[#result.left + 1] = ("%s is %s, and was changed since"):format(one.name, now)
        end
      end
    end
    local first = result.changes[1] -- the others belong to it: one call
    if first then
      first.make = function(ctx_, target_)
        return reconfigure(ctx_, target_, vm, list, "ReconfigVM (advanced settings as before)")
      end
    end
    return result
  end,
}

return p.playbook { name = "advanced settings",
  p.vms { where = p.find { path = "/DC0/vm/**", has = "passthrough" },
    advanced { settings = function(vm)
      return { ["numa.vcpu.preferHT"] = vm.cpus > 8 and "TRUE" or "FALSE", ["svga.guestBackedPrimaryAware"] = "TRUE" }
    end } },
}
