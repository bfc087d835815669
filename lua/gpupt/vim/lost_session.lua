--- A session that has ended, seen in the properties of an answer: the server may answer the call and put the properties
-- in missingSet with NotAuthenticated (of hosts: github.com/vmware/pyvmomi/issues/294, with an empty message; of
-- SessionManager and ServiceInstance: github.com/vmware/govmomi/issues/1149). A server may also answer so for a missing
-- right: with a new session it does so again, and then the caller gets the faults.
local fault = require "gpupt.vim.fault"
local outage = require "gpupt.vim.outage"

local lost_session = {}

--- Whether a fault is that of a client without a session.
function lost_session.says(one) return select(2, fault.read(one)) == "NotAuthenticated" end

--- Whether these faults by path (nil: none) are those of a client without a session.
function lost_session.among(client, missing)
  if not (missing and client.session_open) then return false end
  for _, one in pairs(missing) do
    if lost_session.says(one) then return true end
  end
  return false
end

--- Logs in again, unless another fiber has done so since `generation`. true, or nil, message, code, detail.
function lost_session.renew(client, generation, opts)
  return outage.tries(client, opts or {}):renew(generation)
end

return lost_session
