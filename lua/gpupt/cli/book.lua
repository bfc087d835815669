--- The journal of a command that writes about runs which are in it already: it is never created.
local book = {}

--- Opens the journal of --journal; nil, message, code ("ENOENT" if there is none yet).
function book.open(options)
  local path, message, code = require "gpupt.playbook".journal_path(options.journal)
  if not path then return nil, message, code end
  local folder = require "gpupt.core".folder -- does not open it: opening a FIFO would wait
  if not folder.kind(path) then return nil, ("there is no journal at %s yet"):format(path), "ENOENT" end
  return require "gpupt.playbook".open_journal(options.journal)
end

return book
