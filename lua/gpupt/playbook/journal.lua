--- Where the journal is, and what its notes contain. The store itself is gpupt.store.
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"
local next_command = require "gpupt.next_command"
local options = require "gpupt.options"
local process = require "gpupt.process"
local saved = require "gpupt.playbook.saved"

local journal = {}

--- The path for a --journal value; without one, the user's own file. nil, message, code.
function journal.path(url)
  if url == nil or url == "" then
    local base = os.getenv "XDG_STATE_HOME"
    if not base or base == "" then
      local home = os.getenv "HOME"
      if not home or home == "" then
        return nil, "neither XDG_STATE_HOME nor HOME is set: set " .. options.word "journal", "ENOENT"
      end
      base = home .. "/.local/state"
    end
    return base .. "/gpupt/journal.db"
  end
  local scheme, rest = url:match "^(%a[%w+.-]*):(.*)$"
  if not scheme then return url end
  local function refuse(format, ...)
    return nil, options.spell "journal" .. ": " .. format:format(...), "EUSAGE"
  end
  -- the text is not repeated: it may be a URL with a password
  if rest:find "^//[^/]*@" then return refuse "a URL with a user name is not supported, use sqlite:FILE" end
  if scheme == "sqlite" or scheme == "file" then
    rest = rest:gsub("^//", "")
    if rest == "" then return refuse("'%s': the file name is missing", url) end
    return rest
  end
  return refuse("'%s' is not supported, use sqlite:FILE", scheme)
end

local cannot_write = { EACCES = true, ENOENT = true, EPERM = true, EROFS = true, ENOTDIR = true }

--- Opens the journal of a --journal value. A message about it says that it is the journal.
function journal.open(url)
  local path, message, code = journal.path(url)
  if not path then return nil, message, code end
  local store
  store, message, code = require "gpupt.store".open(path)
  if store then return store end
  if message:find(path, 1, true) == 1 then message = "the journal " .. message end
  if cannot_write[code] then
    message = ("%s. Make it and its folder writable for this account, or name another file with %s"):format(message,
      options.spell "journal")
  end
  return nil, message, code
end

--- Opens the existing journal of a --journal value for reading only: nothing of it changes, and nothing has to be
-- writable.
function journal.read(url)
  local path, message, code = journal.path(url)
  if not path then return nil, message, code end
  local folder = require "gpupt.core".folder -- does not open it: opening a FIFO would wait
  if not folder.kind(path) then return nil, ("there is no journal at %s yet"):format(path), "ENOENT" end
  return require "gpupt.store".read(path)
end

--- A table as the text that is stored in rows.
function journal.note(value) return (kept.encode(value)) end

--- The note of a run's own row: the playbook's variables and files, and `more`.
function journal.begin_note(pb, more)
  local note = { kept = 2, vars = kept.variables(pb.vars), files = pb.files }
  for name, value in pairs(more) do note[name] = value end
  return json.encode(note, { invalid = "replace" }) or "{}"
end

--- What the run's own row and its other rows contain: { vars = (with stand-ins), limit =, expect = for playbook.load }.
function journal.read_note(store, record)
  local note = record.note and json.decode(record.note)
  if type(note) ~= "table" then note = {} end
  local since, advice = ("run %s was started"):format(record.id), "apply it again, without --resume"
  local expect = { since = since, advice = advice, files = note.files }
  if not saved.is_files(note.files) then
    -- earlier releases stored only the playbook's own hash
    expect.files, expect.first_line_left_out = { { path = record.playbook, hash = record.hash } }, true
  end
  for row in store:rows(record.id) do
    if row.kind == "load" and row.what then
      local detail = json.decode(row.detail or "{}")
      expect.files[#expect.files + 1] = { path = row.what, hash = type(detail) == "table" and detail.hash or "" }
    end
  end
  return { vars = kept.restore(note.vars, note.kept == 2), limit = type(note.limit) == "string" and note.limit or nil,
    vcenter = type(note.vcenter) == "string" and note.vcenter or nil,
    since = since, expect = { expect } }
end

--- Whether a client is connected to another server than the run worked on: nil, or what to say about it. A vCenter has
-- an id of its own, whatever the name by which it is reached; ESXi, and runs of earlier releases, have the name only.
function journal.elsewhere(record, vc)
  local note = record.note and json.decode(record.note)
  local known = type(note) == "table" and note or {}
  local now = vc.about and vc.about.instanceUuid
  local other
  if known.instance and now then
    other = known.instance ~= now
  else
    other = record.endpoint ~= nil and record.endpoint ~= vc.host
  end
  if not other then return nil end
  local named = type(known.vcenter) == "string" and (" (p.vcenter '%s')"):format(known.vcenter) or ""
  local this = record.endpoint ~= vc.host and vc.host or "another server of that name"
  return ("run %s worked on %s%s, and this is %s"):format(record.id, record.endpoint or "?", named, this)
end

function journal.host_name() return process.host_name() end

--- The user, for the journal. Without USER (cron, containers), the name of the process's user id.
function journal.who()
  for _, name in ipairs { "USER", "LOGNAME" } do
    local value = os.getenv(name)
    if value and value ~= "" then return value end
  end
  local pipe = io.popen "id -un 2>/dev/null || id -u 2>/dev/null"
  local said = pipe and pipe:read "l"
  if pipe then pipe:close() end
  return said and said ~= "" and said or "?"
end

--- The run with this id or this beginning of an id; without one, the newest run. nil, message, code.
function journal.find(store, id)
  local found = {}
  for record in store:runs() do
    if id == nil then return record end
    if record.id == id then return record end
    if record.id:sub(1, #id) == id then found[#found + 1] = record end
  end
  if #found == 1 then return found[1] end
  if #found > 1 then
    return nil, ("'%s' is ambiguous: %d runs begin with it"):format(id, #found), "EAMBIGUOUS"
  end
  return nil, id and ("the journal contains no run '%s'; list its runs with: %s"):format(id, next_command.status())
    or "the journal contains no run", "ENOENT"
end

--- The run that undoes run `id`, or nil.
function journal.undo_of(store, id)
  for record in store:runs() do
    if record.kind == "undo" and record.undoes == id then return record end
  end
end

--- The same for a run to resume: its journal must contain what is needed for that.
function journal.resumable(store, id)
  local record, message, code = journal.find(store, id)
  if not record then return nil, message, code end
  local undone = journal.undo_of(store, record.id)
  if undone then
    return nil, ("run %s cannot be resumed, because run %s has undone it%s. Apply the playbook again"):format(record.id,
      undone.id, undone.status == "done" and "" or " in part"), "EREFUSED"
  end
  if (record.format or 1) < 2 then
    return nil, ("run %s was started by an earlier release of gpupt, whose journal is not detailed enough to resume "
      .. "it. Check the fleet with 'gpupt plan', and apply the playbook again"):format(record.id), "EVERSION"
  end
  return record
end

return journal
