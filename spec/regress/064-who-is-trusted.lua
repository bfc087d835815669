--- `insecure` and a CA file overrode an entry of the known-hosts file, which is a thumbprint too. The order: the option
-- thumbprint; the known-hosts entry; insecure; the CA file; the system's CAs.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a vCenter's certificate is verified", function()
  local sim, other, warnings, before
  setup(function()
    sim = vcenter.start()
    other = vcenter.start()
    before = require("gpupt.loop.wait").warn
    gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
    warnings = {}
  end)
  teardown(function()
    gpupt.loop.on_warning(before)
    sim:stop()
    other:stop()
  end)

  local which = { right = function() return sim end, wrong = function() return other end }

  local function options(insecure, thumbprint, ca, known)
    local o = { url = sim.url, login = false, insecure = insecure, retries = 0 }
    if thumbprint then o.thumbprint = which[thumbprint]().thumbprint_sha256 end
    if ca then o.ca_file = which[ca]().ca_file end
    if known then
      o.known_hosts = sim.dir .. "/known"
      vcenter.write(o.known_hosts, known == "absent" and ("%s %s\n"):format(other.host, other.thumbprint_sha256)
        or ("%s %s\n"):format(sim.host, which[known]().thumbprint_sha256))
    end
    return o
  end

  local function by(insecure, thumbprint, ca, known)
    local pin = thumbprint or (known == "right" or known == "wrong") and known
    if pin then return pin == "right", thumbprint and "the thumbprint" or "the known-hosts entry" end
    if insecure then return true, "insecure" end
    return ca == "right", ca and "the CA file" or "the system's authorities"
  end

  for _, insecure in ipairs { false, true } do
    for _, thumbprint in ipairs { false, "right", "wrong" } do
      for _, ca in ipairs { false, "right", "wrong" } do
        for _, known in ipairs { false, "absent", "right", "wrong" } do
          local good, why = by(insecure, thumbprint, ca, known)
          it(("insecure %s, thumbprint %s, CA file %s, known-hosts entry %s: %s by %s"):format(insecure, thumbprint or "-",
            ca or "-", known or "-", good and "accepted" or "refused", why), function()
            local vc, message, code = gpupt.vim.connect(options(insecure, thumbprint or nil, ca or nil, known or nil))
            if good then
              assert.is_table(vc, message)
              vc:close()
            else
              assert.is_nil(vc)
              assert.are.equal("EUNTRUSTED", code)
              assert.matches(sim.thumbprint_sha256, message, 1, true)
            end
          end)
        end
      end
    end
  end

  it("by the variables in the same order: an entry of GOVC_TLS_KNOWN_HOSTS overrides GOVC_INSECURE", function()
    for known, pattern in pairs { right = "^%d%d%d%d%-", wrong = "not trusted" } do
      options(true, nil, nil, known)
      local text = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_INSECURE=1 GOVC_TLS_KNOWN_HOSTS=%s/known "
        .. "bin/gpupt vim CurrentTime ServiceInstance 2>&1"):format(sim.url, sim.username, sim.password, sim.dir))
      assert.matches(pattern, text)
    end
  end)

  it("not at all over http://, where a thumbprint has no effect", function()
    local vc, message, code = gpupt.vim.connect { url = sim.url:gsub("^https", "http"), thumbprint = sim.thumbprint_sha256,
      insecure = true, username = "u", password = "p", retries = 0 }
    assert.is_nil(vc)
    assert.are.equal("ETLS", code)
    assert.matches("thumbprint", message)
  end)
end)
