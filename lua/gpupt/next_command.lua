--- The commands that messages tell the user to type next, so that they can be pasted as they are.
local next_command = {}

--- What --journal has to be, if not the default. The gpupt command sets it from its own --journal; a program that
-- embeds gpupt leaves it nil.
next_command.journal = nil

local function shell_word(text)
  if text:find "^[%w_./:@%%+=,-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
next_command.shell_word = shell_word

local function in_journal(journal)
  journal = journal or next_command.journal
  return journal and " --journal " .. shell_word(journal) or ""
end

--- Continues a run. `allow`: a list of the approvals that it needs; `journal` overrides next_command.journal.
function next_command.resume(run, allow, journal)
  local words = allow and #allow > 0 and " --allow " .. table.concat(allow, ",") or ""
  return ("gpupt apply --resume %s%s%s"):format(shell_word(run), words, in_journal(journal))
end

--- Frees the claims of a run; `force`: names of hosts whose claims are freed as they are.
function next_command.release(run, force, journal)
  return ("gpupt release %s%s%s"):format(shell_word(run), force and " --force " .. shell_word(force) or "",
    in_journal(journal))
end

function next_command.stop(run) return ("gpupt stop %s%s"):format(shell_word(run), in_journal()) end

function next_command.status(run) return ("gpupt status %s%s"):format(shell_word(run), in_journal()) end

return next_command
