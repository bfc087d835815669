-- A canary of p.vms beside p.host.disable was ignored without a word: the hosts wait for their VMs, and these would wait
-- for the canary. It is refused when the playbook is loaded; a canary of the hosts works.
local lab = require "spec.support.lab"

local GPUS = 'p.gpus { match = "10de:20b5" }'

describe("a canary in a playbook that takes cards away", function()
  local l
  after_each(function() l:stop() end)

  local function playbook(hosts, vms)
    return ([[return p.playbook { name = "away",
      p.hosts { where = "/DC0/host/*", devices = %s, %s p.host.disable {} },
      p.vms { where = "/DC0/vm/*", %s p.gpu.detach {} } }]]):format(GPUS, hosts, vms)
  end

  it("is refused for the VMs, and kept for the hosts and the VMs on them", function()
    local hosts, vms = {}, {}
    for i = 1, 2 do
      hosts[i] = lab.host("a-" .. i, { cards = { lab.card("0000:3b:00.0", { enabled = true }) } })
      vms[i] = { name = "vm-" .. i, host = "a-" .. i, firmware = "efi", memory_mb = 4096, memory_lock = true,
        devices = { "0000:3b:00.0" } }
    end
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = hosts } }, vms = vms } }
    local ok, err = pcall(l.load, l, playbook("", "canary = 1,"))
    assert.is_false(ok)
    assert.matches("canary of p.vms (.*) cannot be kept: the hosts of .* wait for all of their VMs. Set canary in p.hosts",
      tostring(err.message or err))
    local journal, text = l:journal(), playbook("canary = 1,", "")
    local first = l:apply(text, { journal = journal, allow = { "reboot" } })
    assert.equal("paused", first.status)
    local of = {}
    for _, one in ipairs(first.targets) do of[one.target] = one.status end
    assert.equal("changed", of["a-1"])
    assert.equal("not started", of["a-2"])
    local second = l:apply(text, { journal = journal, resume = first.id, allow = { "reboot" } })
    assert.equal("done", second.status, second.targets[1].message)
    for _, name in ipairs { "a-1", "a-2" } do
      for _, card in ipairs(l:truth("hosts", name).cards) do
        if card.address == "0000:3b:00.0" then assert.same({ false, false }, { card.enabled, card.active }) end
      end
    end
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
