--- A vim25 call that only reads and returns the tape itself, for answers that are read page by page.
local attempt = require "gpupt.vim.attempt"
local codec = require("gpupt.net").codec
local outage = require "gpupt.vim.outage"

--- nil, message, code, detail on a fault.
return function(client, object, name, arguments, options)
  local safe = attempt.safe(name)
  local what = { name = name, object = object, operation_id = client:next_operation_id(), once = not safe }
  local tries, relogged = outage.tries(client, options), false
  while true do
    local body, message, code = codec.encode(name, object.type, object.value, arguments,
      { version = client.version, operation_id = what.operation_id })
    if not body then return nil, message, code, attempt.detail_of(what) end
    local generation = client.generation
    local tape, why, failed, info = attempt.send(client, body, what, options, tries:limit())
    body:release()
    if tape and tape:kind() ~= "fault" then return tape end
    if tape then
      local _, text, kind, detail = attempt.fault_of(client, tape, what)
      if kind ~= "NotAuthenticated" or relogged or not safe or not client.session_open then
        return nil, text, kind, detail
      end
      relogged = true
      local ok, no, refused = tries:renew(generation)
      if not ok then return nil, no, refused, detail end
    elseif tries:again(failed, info, safe) then
      relogged = false -- a server that restarts may end the new session too
    else
      return nil, why, failed, attempt.detail_of(what, { status = info.status })
    end
  end
end
