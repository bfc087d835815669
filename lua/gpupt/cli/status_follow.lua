--- gpupt status --follow: the rows of a run as they are written, and then the outcome. The lines are the same on a
-- terminal and in a pipe, and each is written at once.
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"

local follow = {}

local function time_of(row) return os.date("!%H:%M:%SZ", math.floor(row.at)) end

local function detail_of(row)
  local detail = row.detail and require("gpupt.json").decode(row.detail)
  return type(detail) == "table" and detail or {}
end

local function reason(text, detail) return detail.message and ("%s: %s"):format(text, detail.message) or text end

-- What a row says, by its kind; rows of other kinds are not shown.
local says = {
  change = function(row) return row.operation and row.what end,
  result = function(row, detail)
    if detail.ok == nil then return nil end
    return detail.ok and row.what .. ": done" or reason(row.what .. ": failed", detail)
  end,
  target = function(row, detail) return reason(row.what, detail) end,
  skip = function(row, detail) return detail.away and "skipped: " .. row.what end,
  event = function(row) return row.what end,
  stop = function(_, detail) return ("stopped by %s (gpupt stop)"):format(detail.who or "?") end,
  resume = function() return "the run was resumed" end,
  ["end"] = function(row, detail) return reason("the run has ended: " .. row.what, detail) end,
}

local function print_row(row)
  local say = says[row.kind]
  local text = say and say(row, detail_of(row))
  if not text then return end
  printer.out("%s  %s %s %s", time_of(row), visible.pad(row.target or "", 12), visible.pad(row.step or "", 12), text)
end

local function print_state(state, runner, record)
  local words = { stopped = "is stopped by a signal; it goes on after: kill -CONT " .. (runner and runner.pid or "?") }
  printer.out("%s  %s  process %d on %s %s", record.id, record.playbook, runner.pid, runner.client_host or "?",
    words[state] or "works on it")
end

local function json_row(row)
  row.detail = row.detail and require("gpupt.json").decode(row.detail) or nil
  printer.event(row)
end

--- Follows the run. Returns its id and what its end was; nil, message, code.
function follow.run(options, id)
  return require("gpupt.playbook").follow(options.journal, id, {
    on_row = options.json and json_row or print_row,
    on_state = not options.json and print_state or nil,
    looked = function() return printer.flush() ~= nil end,
  })
end

return follow
