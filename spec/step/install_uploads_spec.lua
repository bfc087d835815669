-- Answer media are uploaded beside other work: while one upload is slow, the other VMs of the run are created, get theirs and
-- start to install. Counted in the order of the requests, not by the clock.
local lab = require "spec.support.lab"

local PLAY = [[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "uploads",
  p.vms { name = "vm-{n}", count = 4, place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = p.answer.cloud_init { user = "ops", password = password } } } }]]

describe("a slow upload of an answer medium", function()
  it("holds up its own VM and no other", function()
    local l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = { ["iso/ubuntu-24.04.iso"] = { os = "ubuntu" } } } } } }
    l.sim:trouble({ method = "HTTP PUT", count = 1 }, { kind = "hold", seconds = 3 })
    local result, events = l:apply(PLAY)
    local journal = l.sim:get "journal"
    l:stop()
    assert.equal("done", result.status)
    local complete = {}
    for _, event in ipairs(events) do
      if event.kind == "progress" and event.text:find "^upload %[ds%-1%]" and event.percent == 100 then complete[event.target] = true end
    end
    assert.same({ ["vm-1"] = true, ["vm-2"] = true, ["vm-3"] = true, ["vm-4"] = true }, complete)
    local puts, slow = {}, nil
    for _, entry in ipairs(journal.requests or journal) do
      if entry.method == "HTTP PUT" then
        puts[#puts + 1] = entry
        if entry.trouble and entry.trouble ~= "" then slow = entry end
      end
    end
    assert.equal(4, #puts)
    assert.is_truthy(slow)
    local finished, started = 0, 0 -- while the slow one was under way
    for _, entry in ipairs(journal.requests or journal) do
      if entry.t0 >= slow.t0 and entry.t0 < slow.t1 then
        if entry.method == "HTTP PUT" and entry ~= slow and entry.t1 < slow.t1 then finished = finished + 1 end
        if entry.method == "PowerOnVM_Task" then started = started + 1 end
      end
    end
    assert.equal(3, finished)
    assert.equal(3, started)
  end)
end)
