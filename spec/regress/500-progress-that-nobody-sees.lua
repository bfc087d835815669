-- A run read the progress of its tasks from the server once a second, also when nobody was told: without on_event, or
-- when the command printed the events alone because its stderr was no terminal.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local fleet = { steady = true, clusters = { { name = "c", hosts = { { name = "h-1", cards = { lab.card "0000:3b:00.0" },
  enter_seconds = 3, boot_seconds = 1, exit_seconds = 0 }, { name = "h-2" } } } } }

-- The requests of a roll of one host beside what it costs without tasks that take longer than a second, and its
-- progress events.
local function roll(options)
  local site = lab.start { speed = 1, patience = 60, fleet = fleet }
  local plan = gpupt.check(site:load(requests.playbook(requests.hosts "/DC0/host/*")):plan(site:client()))
  local events = 0
  options.journal, options.allow = site:journal(), { "reboot" }
  if options.on_event then
    options.on_event = function(event) if event.kind == "progress" then events = events + 1 end end
  end
  local counts = requests.during(site.sim, function()
    assert.equal("done", gpupt.check(plan:apply(options)):result().status)
  end)
  site:stop()
  return requests.of(counts, "RetrievePropertiesEx"), events
end

describe("the progress of a run's tasks", function()
  it("is read only if it is shown", function()
    local shown, events = roll { on_event = true }
    local alone = roll {}
    assert.is_true(events >= 2, events .. " events")
    assert.is_true(alone < shown, ("%d reads, %d with progress"):format(alone, shown))
    local hidden, none = roll { on_event = true, progress = false }
    assert.equal(0, none)
    assert.equal(alone, hidden)
  end)
end)
