-- An undo left pciPassthru.64bitMMIOSizeGB, which somebody had changed since, and removed pciPassthru.use64bitMMIO, without which
-- it has no effect: a card that needs the window did not start any more. Both are left and reported.
local lab = require "spec.support.lab"

describe("undo of settings that only work together", function()
  local l, journal
  after_each(function() if l then l:stop() end end)

  local KEYS = { "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB" }
  local function keys()
    local extra, list = l:truth("vms", "vm-1").extra_config, {}
    for i, key in ipairs(KEYS) do list[i] = extra[key] or "-" end
    return list
  end

  local function run(changed)
    l = lab.start { speed = 400, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("esx-1",
      { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } }, vms = { { name = "vm-1", host = "esx-1",
      guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, installed = "ubuntu" } } } }
    journal = l.dir .. "/journal.db"
    local done = l:command { "apply", l:write [[return p.playbook { name = "keys", p.vms { where = "/DC0/vm/vm-1",
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]], "--journal", journal }
    assert.equal(0, done.status, done.err)
    assert.same({ "TRUE", "256" }, keys())
    local vm = assert(l:client():one "/DC0/vm/vm-1")
    for key, value in pairs(changed) do
      assert(l:client():wait(assert(vm:ReconfigVM_Task { spec = { extraConfig = { { key = key, value = value } } } })))
    end
    local undone = l:command { "undo", done.err:match "run (keys%-%S+)", "--journal", journal }
    assert.equal(0, undone.status, undone.err)
    assert.same({}, l:truth("vms", "vm-1").devices or {})
    return undone.err
  end

  it("leaves both when the size was changed since", function()
    local text = run { [KEYS[2]] = "1024" }
    assert.same({ "TRUE", "1024" }, keys())
    assert.matches("pciPassthru.64bitMMIOSizeGB: it is 1024 now", text, 1, true)
    assert.matches("pciPassthru.use64bitMMIO: it stays with pciPassthru.64bitMMIOSizeGB, which was changed since", text, 1, true)
  end)

  it("leaves both when the switch was changed since", function()
    local text = run { [KEYS[1]] = "FALSE" }
    assert.same({ "FALSE", "256" }, keys())
    assert.matches("pciPassthru.64bitMMIOSizeGB: it stays with pciPassthru.use64bitMMIO, which was changed since", text, 1, true)
  end)

  it("takes both back when neither was, and the other one when one is as before again", function()
    run {}
    assert.same({ "-", "-" }, keys())
    l:stop()
    run { [KEYS[2]] = "" }
    assert.same({ "-", "-" }, keys())
  end)
end)
