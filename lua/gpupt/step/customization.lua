--- Customization of a clone's guest by a specification that is stored in vCenter, and the wait for its end.
--
-- The specification goes with CloneVM_Task, and Tools apply it at the first start, with a restart of the guest. Guest
-- operations are ready before that restart, so nothing may be done in the guest before the end. The clone is marked
-- (ExtraConfig gpupt.customization) until then, so that an interrupted run waits for it when it is resumed.
local clock = require "gpupt.clock"
local guest_family = require "gpupt.facts.guest_family"
local schema = require "gpupt.vim".schema
local units = require "gpupt.units"

local customization = {}

customization.MARK = "gpupt.customization"
--- Seconds within which the restart after the customization is seen to begin; it may be over already.
customization.RESTART = 60

--- The stored specification: a CustomizationSpecItem; nil, message, code.
function customization.read(ctx, name)
  return ctx.fleet:once("customization\0" .. name, function()
    local manager = ctx.vc.content.customizationSpecManager
    if not manager then
      return nil, ("customization = '%s': this server stores no customization specifications (it is a host)")
        :format(name), "ENOENT"
    end
    local item, message, code, detail = ctx.vc:call(manager, "GetCustomizationSpec", { name = name })
    if item then return item end
    if code == "NotFound" then
      local info = manager:get "info"
      local names = {}
      for _, one in ipairs(info or {}) do names[#names + 1] = one.name end
      return nil, ("customization = '%s': vCenter has no customization specification of this name%s"):format(name,
        #names > 0 and " (it has " .. table.concat(names, ", ") .. ")" or ""), "ENOENT"
    end
    if code == "NoPermission" then
      message = "the account may not read it: it lacks VirtualMachine.Provisioning.ReadCustSpecs on the vCenter"
    end
    return nil, ("customization = '%s': %s"):format(name, message), code, detail
  end)
end

-- The name in the guest: fixed, that of the VM, or made otherwise (nil).
local function name_of(identity)
  local kind, maker = identity._type, nil
  if kind == "CustomizationSysprep" then maker = identity.userData.computerName end
  if kind == "CustomizationLinuxPrep" then maker = identity.hostName end
  if not maker then return nil end
  if maker._type == "CustomizationFixedName" then return maker.name, true end
  if maker._type == "CustomizationVirtualMachineName" then return nil, false end
end

--- The name that the guest of this VM will have, if the specification says it: a text or nil.
function customization.guest_name(item, vm_name)
  local fixed, given = name_of(item.spec.identity)
  if fixed then return fixed end
  return given == false and vm_name or nil
end

local most = { windows = 15, linux = 63 }

local function bad_name(name, family)
  if #name > most[family] then
    return ("is longer than %d characters, which is what %s allows"):format(most[family],
      family == "windows" and "a Windows computer name" or "a host name")
  end
  if not (name:find "^[%w-]+$" and name:find "^%w" and name:find "%w$") then
    return "has other characters than letters, digits and - (which is not the first or last)"
  end
  if not name:find "%D" then return "has only digits" end
end

--- Why a specification does not fit the clones of a source; or nil. `networks`: the number of its network adapters.
function customization.misfit(item, source, vm_name)
  local name, guest, id = item.info.name, source.vm.guest, source.as.guest_id
  -- "Other (64-bit)" may be anything
  local known = not id:find "^otherGuest" or guest.version_status ~= "guestToolsNotInstalled"
  local family = known and guest_family(guest.family, guest.id, id)
  local kind = tostring(item.info.type):lower()
  if family and kind ~= family then
    return ("customization = '%s' is for %s, and %s is %s (%s)"):format(name, item.info.type, source.path,
      family == "windows" and "Windows" or "Linux", id)
  end
  if guest.version_status == "guestToolsNotInstalled" then
    return ("customization = '%s' needs VMware Tools, and %s has none"):format(name, source.path)
  end
  local adapters = #(item.spec.nicSettingMap or {})
  if adapters ~= source.networks then
    return ("customization = '%s' is for %s, and %s has %d"):format(name, units.count(adapters, "network adapter"),
      source.path, source.networks)
  end
  local guest_name = customization.guest_name(item, vm_name)
  local why = guest_name and most[kind] and bad_name(guest_name, kind)
  if why then return ("customization = '%s': the name '%s' %s"):format(name, guest_name, why) end
end

--- Whether clones get one and the same name from the specification.
function customization.same_name(item)
  return (name_of(item.spec.identity))
end

-- Whether the server reports guest.customizationInfo.
local function reported(vc)
  local since, position = nil, {}
  for _, field in ipairs(schema.type "GuestInfo".fields) do
    if field.name == "customizationInfo" then since = field.version end
  end
  for i, version in ipairs(schema.versions()) do position[version] = i end
  return (position[vc.version] or 0) >= (position[since] or math.huge)
end

local RUNNING, READY = "guest.toolsRunningStatus", "guest.guestOperationsReady"

local function is_ready(props) return props[RUNNING] == "guestToolsRunning" and props[READY] == true end

-- A server before 7.0.2 does not say how it goes: the guest's new name does.
local function wait_for_name(ctx, target, item, seconds)
  local name = customization.guest_name(item, target.name)
  if not name then
    return nil, ("vSphere %s does not say when a customization has ended, and the specification does not give the "
      .. "guest's name, by which it could be seen. Use one that does"):format(ctx.vc.about.version), "EVERSION"
  end
  return ctx:wait_for(target.ref, { "guest.hostName", RUNNING, READY }, function(props)
    local now = (props["guest.hostName"] or ""):match "^[^.]*":lower()
    return now == name:lower() and is_ready(props)
  end, { timeout = seconds })
end

local function wait_for_status(ctx, target, _, seconds)
  local failed, stopped
  local function done(props)
    local info = props["guest.customizationInfo"]
    local status = info and info.customizationStatus
    if status == "TOOLSDEPLOYPKG_FAILED" then
      failed = info.errorMsg or "vCenter gives no reason"
      return true
    end
    if status ~= "TOOLSDEPLOYPKG_SUCCEEDED" then return false end
    if not is_ready(props) then stopped = true end
    return true
  end
  local paths = { "guest.customizationInfo", RUNNING, READY }
  local deadline = clock.now() + seconds
  local ok, message, code, detail = ctx:wait_for(target.ref, paths, done, { timeout = seconds })
  if not ok then return nil, message, code, detail end
  if failed then
    return nil, ("%s: the customization failed: %s. Correct the specification or the source, delete the VM and resume "
      .. "the run"):format(target.name, failed), "EGUEST"
  end
  -- the guest restarts now, or has done so
  if not stopped then
    ctx:wait_for(target.ref, paths, function(props) return not is_ready(props) end,
      { timeout = customization.RESTART })
  end
  return ctx:wait_for(target.ref, paths, is_ready, { timeout = math.max(60, deadline - clock.now()) })
end

--- Waits until the guest of a VM that runs is customized and ready again: true; nil, message, code, detail.
function customization.wait(ctx, target, item, seconds)
  ctx:note(target, ("waiting until the guest is customized by '%s'"):format(item.info.name))
  local wait = reported(ctx.vc) and wait_for_status or wait_for_name
  local ok, message, code, detail = wait(ctx, target, item, seconds)
  if ok then return true end
  if code == "ETIMEDOUT" then
    message = ("%s: the customization has not ended after %s. VMware Tools in the source apply it; see the guest's "
      .. "console"):format(target.name, units.span(seconds))
  end
  return nil, message, code, detail
end

return customization
