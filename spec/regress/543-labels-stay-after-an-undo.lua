-- An undo said "cannot be undone: the label vdi of 3b:00.0" and not what that means. The label stays on the card, because
-- the API reference says how a label is set (HostPciPassthruConfig.hardwareLabel), and of none that is taken away; the
-- plan of the undo says so, and what to do.
local lab = require "spec.support.lab"

describe("a hardware label that a run set", function()
  local l
  teardown(function() l:stop() end)

  it("stays after its undo, whose plan says so; a label of another user is none of its business", function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { rebind_without_reboot = true,
      cards = { lab.card "0000:3b:00.0", lab.card("0000:5e:00.0", { label = "ml" }) } }) } } } } }
    local journal = l.dir .. "/journal.db"
    local done = l:command { "apply", l:write [[return p.playbook { name = "label", p.hosts { where = "/DC0/host/a",
      devices = p.gpus { match = "10de:20b5", label = "vdi" }, p.host.enable {} } }]], "--journal", journal }
    assert.equal(0, done.status, done.err)
    local id = done.err:match "run (label%-%S+)"
    local plan = l:command { "undo", id, "--dry-run", "--journal", journal }
    assert.matches("! esx-1: cannot be undone: the label vdi of 3b:00.0 stays: the vSphere API documents no way to take a "
      .. "hardware label away. Change it in the client of the host", (plan.out:gsub("%s+", " ")), 1, true)
    assert.is_nil(plan.out:find("label ml", 1, true))
    local undone = l:command { "undo", id, "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    for _, card in ipairs(l:truth("hosts", "esx-1").cards) do
      if card.address == "0000:3b:00.0" then assert.same({ false, "vdi" }, { card.enabled == true, card.label }) end
    end
  end)
end)
