-- host.disable with apply = "stage", and the undo of a host.enable that had not rebooted, waited for a slot although the
-- host stays in service: beside a host in maintenance mode they were deferred. host.enable did not wait.
local lab = require "spec.support.lab"

describe("cards that are disabled without a reboot", function()
  local l, journal
  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { cards = {
      lab.card("0000:3b:00.0", { enabled = true }), lab.card "0000:5e:00.0" } }), lab.host("esx-2", { maintenance = true }) } } } } }
    journal = l.dir .. "/journal.db"
  end)
  teardown(function() l:stop() end)

  local function play(address, step)
    return l:write(([[return p.playbook { name = "stage", p.hosts { where = "/DC0/host/a/esx-1",
      devices = p.gpus { address = "%s" }, roll = { claim_within = "1s" }, %s } }]]):format(address, step))
  end

  it("need no slot of the cluster", function()
    local done = l:command { "apply", play("0000:3b:00.0", 'p.host.disable { apply = "stage" }'), "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.is_nil(done.err:find "waiting for a free slot")
  end)

  it("nor does the undo of cards that were enabled without one", function()
    local done = l:command { "apply", play("0000:5e:00.0", 'p.host.enable { apply = "stage" }'), "--journal", journal }
    assert.equal(0, done.status, done.err)
    local undone = l:command { "undo", done.err:match "run (stage%-%S+)", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    for _, card in ipairs(l:truth("hosts", "esx-1").cards) do
      if card.address == "0000:5e:00.0" then assert.is_false(card.enabled) end
    end
  end)
end)
