--- What is to be applied: a playbook, a saved plan, or a run to resume. The files are compared with the plan file or
-- the journal before any of them is executed.
local journal = require "gpupt.playbook.journal"
local load_playbook = require "gpupt.playbook.load"
local regular = require "gpupt.regular"
local saved = require "gpupt.playbook.saved"
local vcenters = require "gpupt.playbook.vcenters"

local function is_plan(path)
  local file = regular.open(path)
  if not file then return false end
  -- a pipe can be read only once, and what was read here would be missing in the playbook: it is not a plan
  local start = file:seek "cur" and file:read(64) or ""
  file:close()
  return start:find '^%s*{%s*"' ~= nil
end

-- The run to resume, and what its journal contains; nil, message, code.
local function earlier(o)
  if not o.resume then return {} end
  local record, message, code = journal.resumable(o.journal, o.resume)
  if not record then return nil, message, code end
  return { record = record, note = journal.read_note(o.journal, record) }
end

--- o: path, vars, argv, journal, resume. Returns the playbook's tree with `saved` (a plan file), `run` (the run to
-- resume) and `limit`; nil, message, code.
return function(o, finish)
  local run, message, code = earlier(o)
  if not run then return nil, message, code end
  local note = run.note
  local path = o.path or run.record and run.record.playbook
  local tree
  if is_plan(path) then
    tree, message, code = saved.load(path, function(file, vars, more)
      local made, why, failed = load_playbook.file(file, vars, more)
      if not made then return nil, why, failed end
      return finish(made)
    end, o.vars, { argv = o.argv, expect = note and note.expect })
  else
    local vars = note and note.vars or {}
    for name, value in pairs(o.vars or {}) do vars[name] = value end
    tree, message, code = load_playbook.file(path, vars, { argv = o.argv, expect = note and note.expect,
      since = note and note.since })
    if tree then tree = finish(tree) end
  end
  if not tree then return nil, message, code end
  if note and note.vcenter then tree = vcenters.part(tree, note.vcenter) end
  tree.run = run.record and run.record.id
  tree.limit = note and note.limit or tree.saved and tree.saved.limit
  return tree
end
