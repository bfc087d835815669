--- The commands that messages tell the user to type next, so that they can be pasted as they are.
local shell = require "gpupt.shell"

local next_command = {}

--- What --journal has to be, if not the default. The gpupt command sets it from its own --journal; a program that
-- embeds gpupt leaves it nil.
next_command.journal = nil

local function in_journal(journal)
  journal = journal or next_command.journal
  return journal and " --journal " .. shell.word(journal) or ""
end

--- Continues a run. `allow`: a list of the approvals that it needs; `journal` overrides next_command.journal.
function next_command.resume(run, allow, journal)
  local words = allow and #allow > 0 and " --allow " .. table.concat(allow, ",") or ""
  return ("gpupt apply --resume %s%s%s"):format(shell.word(run), words, in_journal(journal))
end

--- Frees the claims of a run; `force`: names of hosts whose claims are freed as they are.
function next_command.release(run, force, journal)
  return ("gpupt release %s%s%s"):format(shell.word(run), force and " --force " .. shell.word(force) or "",
    in_journal(journal))
end

--- Takes back what a run did, or goes on with that.
function next_command.undo(run) return ("gpupt undo %s%s"):format(shell.word(run), in_journal()) end

function next_command.stop(run) return ("gpupt stop %s%s"):format(shell.word(run), in_journal()) end

--- Lists the privileges that a playbook needs.
function next_command.role(path) return "gpupt role " .. shell.word(path) end

--- Shows a run, or lists all of them.
function next_command.status(run)
  return ("gpupt status%s%s"):format(run and " " .. shell.word(run) or "", in_journal())
end

return next_command
