--- Sessions that outlive a program (persist_session), as govc keeps them: the next program uses the cookie instead of
-- logging in. One file for each server and user, readable by its owner only, in a folder that only its owner can read:
-- $XDG_RUNTIME_DIR/gpupt-sessions, else ~/.gpupt/sessions. A session lasts until the server's idle timeout or
-- vim.logout ends it.
local private = require("gpupt.net").private
local options = require "gpupt.options"
local secrets = require "gpupt.vim.secrets"
local sha256 = require "gpupt.sha256"

local kept = {}

local FIRST = "gpupt session 1"

local function folder()
  local runtime, home = os.getenv "XDG_RUNTIME_DIR", os.getenv "HOME"
  if runtime and runtime:find "^/" then return runtime .. "/gpupt-sessions" end
  if home and home:find "^/" then return home .. "/.gpupt/sessions" end
  return nil, options.spell "persist_session" .. ": neither XDG_RUNTIME_DIR nor HOME is set", "ENOENT"
end

-- The file name reveals neither server nor user. A session opened without certificate checks is not used with them, and
-- the other way round.
local function name(client)
  return sha256(table.concat({ client.url, client.username or "", secrets[client].way,
    client.trust.insecure and "insecure" or "checked" }, "\0"))
end

-- "VSPHERE.LOCAL\\Administrator" and "administrator@vsphere.local" are the same user. Gives the user, and the
-- domain if there is one.
local function parts(text)
  local domain, user = text:lower():match "^([^\\]*)\\(.*)$"
  if domain then return user, domain end
  user, domain = text:lower():match "^(.*)@([^@]*)$"
  return user or text:lower(), domain
end

--- Whether the server's name for a user is the one that was given.
function kept.same_user(one, other)
  local user, domain = parts(one)
  local user2, domain2 = parts(other)
  return user == user2 and (not domain or not domain2 or domain == domain2)
end

--- The saved cookie and the user's name; nil when there is none; nil, message, code when the file or its folder
-- is not safe.
function kept.load(client)
  local place, message, code = folder()
  if not place then return nil, message, code end
  local text
  text, message, code = private.load(place, name(client))
  if not text then
    if code == "ENOENT" then return nil end
    return nil, "the saved session is not used: " .. message, code
  end
  local first, url, user, cookie = text:match "^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n$"
  if first ~= FIRST or url ~= client.url or not cookie:find "^[\x21-\x3a\x3c-\x7e]+$" then return nil end
  return cookie, user
end

--- Saves the client's session. true, or nil, message, code.
function kept.save(client)
  local place, message, code = folder()
  if not place then return nil, message, code end
  local cookie, user = secrets[client].cookie, client.user.userName
  if not cookie or user:find "\n" then return nil, "the server's session has no cookie to save", "EPROTOCOL" end
  if not kept.same_user(user, client.username) then
    return nil, ("it is the session of %s, not of %s"):format(user, client.username), "EINVAL"
  end
  return private.save(place, name(client), ("%s\n%s\n%s\n%s\n"):format(FIRST, client.url, user, cookie))
end

--- Deletes the file. true, or nil, message, code.
function kept.forget(client)
  local place, message, code = folder()
  if not place then return nil, message, code end
  return private.remove(place, name(client))
end

return kept
