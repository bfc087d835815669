--- --check-logins: whether running guests accept the login of their scope. ValidateCredentialsInGuest is called in one
-- guest for each account and password first, and a refused password is tried on no other VM (gpupt.logins).
local registry = require "gpupt.logins"
local secret = require "gpupt.secret"

-- Seconds for the answer of a guest.
local ANSWER = 120

local function running(target)
  local vm = target.vm
  return vm and vm.power == "poweredOn" and vm.guest.running and vm.guest.ready
end

return function(plan, needs, found, o)
  if not o.check_logins then return end
  local logins, seen = registry.new(plan.vc.logins), {}
  for _, need in ipairs(needs) do
    local target = need.target
    if need.instance.step.login and not seen[target] then
      seen[target] = true
      local scope = target.scope:resolve(target)
      local login = scope and scope.login
      local one = { source = login and login.source, target = target.name, code = "InvalidGuestLogin" }
      if login and running(target) then
        local password, message = secret.reveal(login.options.password)
        local ok, code, detail
        if password then
          ok, message, code, detail = plan.vc.guest:validate(target.ref, { username = login.options.user,
            password = password, logins = logins }, { timeout = ANSWER })
        end
        detail = type(detail) == "table" and detail or {}
        if not password then
          one.text, one.code = "p.login: " .. message, "ESECRET"
          found:problem(one)
        elseif not ok and code == "NoPermission" then
          one.text, one.needs, one.on = "p.login", "VirtualMachine.GuestOperations.Query", target.name
          found:cannot(one)
        elseif not ok and (code == "InvalidGuestLogin" or detail.untried) then
          one.text = ("%s: %s"):format(target.name, detail.untried and message
            or ("the guest does not accept the account '%s': %s"):format(login.options.user, detail.cause or message))
          found:problem(one)
        elseif not ok then
          one.text, one.why = "p.login", message
          found:open(one)
        end
      elseif login then
        one.text, one.why = "p.login", "the guest does not run"
        found:open(one)
      end
    end
  end
end
