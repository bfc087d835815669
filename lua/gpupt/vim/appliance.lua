--- What vCenter's REST interface says of the appliance that it runs in. Source of the paths: vSphere Automation API
-- reference, Appliance System Time Timezone (since 6.5); reading it takes an administrator of the appliance.
local automation = require "gpupt.vim.automation"

local appliance = {}

--- The name of the appliance's time zone ("Etc/UTC"); nil, message, code.
function appliance.time_zone(client)
  if client.record then return nil, "the time zone is not read while a recording is made", "ENOTSUP" end
  local session, message, code = automation.open(client, "settings of the appliance")
  if not session then return nil, message, code end
  local name
  name, message, code = session:request("GET", (session.new and "/api" or "/rest")
    .. "/appliance/system/time/timezone", {})
  session:close()
  if name ~= nil and type(name) ~= "string" then
    return nil, "the server sent something else than the name of a time zone", "EPROTOCOL"
  end
  return name, message, code
end

return appliance
