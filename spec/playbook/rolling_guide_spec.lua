local lab = require "spec.support.lab"

local l

-- Three hosts, one with a VM that holds a card.
local function start()
  local function host(name, more)
    return lab.host(name, { boot_seconds = 200, cards = { lab.card "0000:3b:00.0", more } })
  end
  l = lab.start { speed = 300, fleet = { clusters = { { name = "vdi", drs = "fullyAutomated", hosts = { host "vdi-1",
    host("vdi-2", lab.card("0000:86:00.0", { enabled = true })), host "vdi-3" } } },
    vms = { { name = "web-1", host = "vdi-1", memory_mb = 1024, power = "poweredOn" },
      { name = "web-2", host = "vdi-1", memory_mb = 1024, power = "poweredOn" },
      { name = "W11-OLD7", host = "vdi-2", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192, memory_lock = true,
        devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu", extra_config = {
          ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
  assert(l:client():wait_for(assert(l.vc:one "/DC0/vm/W11-OLD7"), { "guest.toolsRunningStatus" }, function(v)
    return v["guest.toolsRunningStatus"] == "guestToolsRunning"
  end, { timeout = 20 }))
end

local function masked(text)
  text = text:gsub("vdi%-%d%d%d%d%d%d%d%d%d%d%d%d%d%d%-%x%x%x%x%x%x", "vdi-RUN"):gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%dZ?", "TIME")
    :gsub("%d%d:%d%d:%d%dZ", "TIMEZ"):gsub(" by %S+ at %S+", " by USER at COMPUTER")
  return (("\n" .. text):gsub("\n ?%d+:%d%d ", "\n T "):gsub("%d+ s%f[%W]", "N s"):sub(2))
end

require "spec.support.guide"("docs/guide/rolling.md", _ENV, function(folder)
  start()
  local ready = l.sim.ready
  return ("export GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' XDG_STATE_HOME='%s' TERM=dumb\n"
    .. "RUN=$(gpupt status --journal roll.db 2>/dev/null | grep -o 'vdi-[0-9]*-[0-9a-f]*' | tail -n 1)"):format(ready.url,
    ready.username, ready.password, ready.ca_file, folder)
end, masked)

describe("the page on rolling reboots", function()
  it("leaves the hosts ready, and no violation", function()
    for _, name in ipairs { "vdi-1", "vdi-2", "vdi-3" } do
      assert.is_false(l:truth("hosts", name).maintenance)
      for _, card in ipairs(l:truth("hosts", name).cards) do
        if card.address == "0000:3b:00.0" then assert.is_true(card.active) end
      end
    end
    assert.same({}, l.sim:get "truth".violations)
    l:stop()
  end)
end)
