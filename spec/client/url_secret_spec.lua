--- A password that came in GOVC_URL (percent-encoded) is in nothing that a program or a command writes: standard output
-- and error, --json, events, plan files, the journal, a trace, an object that is printed.
local command_lab = require "spec.support.lab"
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a password in GOVC_URL", function()
  local password = "N0t/to?be#seen@all:ever"
  local encoded = password:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
  local lab, url, state

  setup(function()
    lab = command_lab.start { speed = 400, fleet = { clusters = { { name = "c", hosts = { command_lab.host "h1" } } },
      users = { { name = "admin@vsphere.local", password = password, role = "Admin" } } } }
    url = ("https://admin@vsphere.local:%s@%s/sdk"):format(encoded, lab.sim.host)
    state = lab.dir .. "/state"
  end)
  teardown(function() lab:stop() end)

  local function seen(text)
    for _, secret in ipairs { password, encoded, encoded:lower(), "N0t" } do
      if text:find(secret, 1, true) then return text end
    end
  end

  local function run(words)
    local result = lab:command(words, { env = { GOVC_URL = url, GOVC_USERNAME = false, GOVC_PASSWORD = false } })
    assert.are.equal(0, result.status, result.err)
    assert.is_nil(seen(result.out))
    assert.is_nil(seen(result.err))
    return result
  end

  it("is in nothing that a rollout writes", function()
    local play = lab:write [[
      return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]
    run { "gpus", "--json" }
    run { "plan", play, "--json", "--out", lab.dir .. "/plan" }
    run { "apply", play, "--allow", "reboot", "--events" }
    assert.matches("x%-", run({ "status", "--json" }).out)
    local files = vcenter.shell(("find %s %s/plan -type f"):format(state, lab.dir))
    assert.matches("journal.db", files)
    for path in files:gmatch "[^\n]+" do assert.is_nil(seen(vcenter.read(path)), path) end
  end)

  it("is in no trace and no object", function()
    local texts = {}
    local vc = gpupt.check(gpupt.vim.connect { url = url, ca_file = lab.sim.ca_file, trace = lab.dir .. "/trace" })
    local again = gpupt.check(gpupt.vim.connect { url = url, ca_file = lab.sim.ca_file, trace = function(event)
      for key, value in pairs(event) do texts[#texts + 1] = tostring(key) .. "=" .. tostring(value) end
    end })
    vc.content.rootFolder:get "name"
    local walked = {}
    local function walk(value)
      if type(value) == "string" then texts[#texts + 1] = value end
      if type(value) ~= "table" or walked[value] then return end
      walked[value] = true
      texts[#texts + 1] = tostring(value)
      for key, inner in next, value do walk(key) walk(inner) end
    end
    walk(vc)
    walk(again)
    vc:close()
    again:close()
    texts[#texts + 1] = vcenter.read(lab.dir .. "/trace")
    local all = table.concat(texts, "\n")
    assert.matches("Login", all)
    assert.is_nil(seen(all))
  end)
end)
