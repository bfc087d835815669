-- Scenario 7: a host never returns. Hosts in progress finish, no other is started, the exit status is 1; revived later,
-- a resume completes everything, and no host reboots twice.
local lab = require "spec.support.lab"

describe("a run with a host that does not return", function()
  local l
  after_each(function() l:stop() end)

  it("finishes what is in progress, starts nothing new, exits with 1, and is completed by a resume", function()
    l = lab.start { speed = 200, fleet = { clusters = {
      { name = "gpu-a", hosts = { lab.host("a-1", { boot_fault = "never" }), lab.host "a-2" } },
      { name = "gpu-b", hosts = { lab.host("b-1", { boot_seconds = 900 }), lab.host "b-2" } } } } }
    local path, journal = l:write [[return p.playbook { name = "lost", p.hosts { where = "/DC0/host/*",
      devices = p.gpus { match = "10de:20b5" }, roll = { back_within = "8s", claim_within = "2s" }, p.host.enable {} } }]],
      l.dir .. "/j.db"
    local first = l:command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(1, first.status, first.err)
    assert.matches("a-1 did not reconnect within 8 s of the reboot", first.err, 1, true)
    local run = first.err:match "run (lost%-%S+)"
    local done = l:command { "status", run, "--journal", journal }.out
    assert.matches("a%-1 +failed", done)
    assert.matches("b%-1 +changed", done) -- was away at the same time
    assert.matches("a%-2 +not started", done)
    assert.matches("gpupt apply --resume " .. run, first.err .. done, 1, true)
    l.sim:post("set", { host = "a-1", boot = "", revive = true })
    local second = l:command { "apply", "--resume", run, "--allow", "reboot", "--journal", journal }
    assert.equal(0, second.status, second.err)
    local reboots = {}
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "reboot" then reboots[event.host] = (reboots[event.host] or 0) + 1 end
    end
    assert.same({ ["a-1"] = 1, ["a-2"] = 1, ["b-1"] = 1, ["b-2"] = 1 }, reboots)
    for _, name in ipairs { "a-1", "a-2", "b-1", "b-2" } do assert.is_false(l:truth("hosts", name).maintenance) end
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
