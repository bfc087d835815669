local vcenter = require "spec.support.vcenter"

local sim

-- What a reader has set already: the server, its certificate, an account; and a token of his.
require "spec.support.guide"("docs/guide/login.md", _ENV, function(folder)
  sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
    users = { { name = "ops@vsphere.local", password = "an0ther-secret", role = "ReadOnly" } } } }
  vcenter.write(folder .. "/token.xml", sim:post("token", { user = "ops@vsphere.local" }).token .. "\n")
  return (": ${GOVC_URL:='%s'}; GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' XDG_RUNTIME_DIR='%s'; "
    .. "export GOVC_URL GOVC_USERNAME GOVC_PASSWORD GOVC_TLS_CA_CERTS XDG_RUNTIME_DIR"):format(sim.url, sim.username,
    sim.password, sim.ca_file, folder)
end)

describe("the page on logging in", function()
  it("leaves no session behind", function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
end)
