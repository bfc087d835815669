local vcenter = require "spec.support.vcenter"

describe("the example", function()
  local sim
  setup(function() sim = vcenter.start {} end)
  teardown(function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)

  local function run(name)
    local text, ok = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
      .. "lua5.4 examples/%s.lua 2>&1"):format(sim.url, sim.username, sim.password, sim.ca_file, name))
    assert.is_true(ok, text)
    return text
  end

  it("embed_plain counts GPUs, side by side, and keeps to a deadline", function()
    local text = run "embed_plain"
    assert.matches("2 hosts", text)
    assert.matches("esx%-a%-1 +2 GPUs", text)
    assert.matches("esx%-b%-1 +2 GPUs", text)
    assert.matches("ETIMEDOUT", text)
  end)

  for _, name in ipairs { "embed_cqueues", "embed_luv" } do
    it(name .. " lets the rest of the program go on", function()
      local text = run(name)
      assert.matches("esx%-a%-1%s+connected", text)
      assert.matches("esx%-b%-1%s+connected", text)
      assert.matches("kept running", text)
    end)
  end

  it("embed_cqueues runs fibers, too", function() assert.matches("2 clusters, 1 datastores", run "embed_cqueues") end)
end)
