local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("connecting to a vCenter", function()
  local sim
  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)
  before_each(function() sim:forget() end)
  after_each(function()
    sim:close_all()
    sim:calm()
    local left = sim:leftovers()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)

  local function connect(more) return gpupt.vim.connect(sim:options(more)) end

  it("logs in, identifies itself and logs out", function()
    local vc = sim:connect()
    assert.are.equal("8.0.3.0", vc.version)
    assert.are.equal("VirtualCenter", vc.about.apiType)
    assert.are.equal(1, sim:get("sessions").sessions)
    assert.is_true(vc:close())
    assert.are.equal(0, sim:get("sessions").sessions)
    assert.is_true(vc:close())
    assert.are.equal(1, sim:calls "Logout")
  end)

  it("shows neither password nor session cookie when it is printed or walked through", function()
    local vc = sim:connect()
    local seen, found = {}, false
    local function walk(value)
      if type(value) == "string" then
        local cookie = require("gpupt.vim.secrets")[vc].cookie
        found = found or value:find(sim.password, 1, true) ~= nil or value:find(cookie, 1, true) ~= nil
      elseif type(value) == "table" and not seen[value] then
        seen[value] = true
        for key, inner in next, value do walk(key) walk(inner) end
      end
    end
    walk(vc)
    assert.is_false(found)
    assert.are.equal("vSphere client of https://" .. sim.host, tostring(vc))
  end)

  it("logs out when the scope is left by an error", function()
    local ok = pcall(function()
      local vc <close> = gpupt.check(connect())
      assert.is_not_nil(vc)
      error "something else"
    end)
    assert.is_false(ok)
    assert.are.equal(0, sim:get("sessions").sessions)
  end)

  it("refuses calls after close", function()
    local vc = sim:connect()
    local root = vc.content.rootFolder
    vc:close()
    local value, message, code = root:get "name"
    assert.is_nil(value)
    assert.are.equal("ECLOSED", code)
    assert.matches("closed", message)
  end)

  it("warns when a client was forgotten, and does not talk to the server for it", function()
    local warnings = {}
    local before = require("gpupt.loop.wait").warn
    gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
    local vc = gpupt.check(connect())
    local root, manager = vc.content.rootFolder, vc.content.sessionManager
    assert.is_not_nil(root)
    assert.is_not_nil(manager)
    vc:__gc()
    gpupt.loop.on_warning(before)
    assert.are.equal(1, #warnings)
    assert.matches("never closed", warnings[1])
    assert.are.equal(0, sim:calls "Logout")
    -- the session that was left on purpose
    local other = sim:connect()
    assert.is_true(manager.value == other.content.sessionManager.value)
    assert.is_true(gpupt.check(other.content.sessionManager:TerminateSession { sessionId = { vc.user.key } }))
  end)

  describe("with a wrong password", function()
    it("gives InvalidLogin, names server and user but not the password, and tries once", function()
      local vc, message, code = connect { password = "wr0ng-secret" }
      assert.is_nil(vc)
      assert.are.equal("InvalidLogin", code)
      assert.matches("administrator@vsphere.local", message, 1, true)
      assert.is_nil(message:find("wr0ng-secret", 1, true))
      assert.are.equal(1, sim:calls "Login")
    end)
  end)

  it("asks for what is missing", function()
    local vc, message, code = gpupt.vim.connect { url = sim.url, ca_file = sim.ca_file, password = "x", username = "" }
    assert.is_nil(vc)
    assert.is_string(message)
    assert.are.equal("InvalidLogin", code)
    vc, message, code = gpupt.vim.connect { url = sim.url, ca_file = sim.ca_file, username = "someone" }
    assert.is_nil(vc)
    assert.matches("GOVC_PASSWORD", message)
    assert.are.equal("ENOLOGIN", code)
    vc, message, code = gpupt.vim.connect { url = sim.url, ca_file = sim.ca_file, password = "x" }
    assert.is_nil(vc)
    assert.matches("GOVC_USERNAME", message)
    assert.are.equal("ENOLOGIN", code)
    vc, message, code = gpupt.vim.connect { username = "a", password = "b" }
    assert.is_nil(vc)
    assert.matches("GOVC_URL", message)
    assert.are.equal("ENOLOGIN", code)
  end)

  it("raises for an unknown option and names the nearest", function()
    local ok, message = pcall(gpupt.vim.connect, { url = sim.url, pasword = "x" })
    assert.is_false(ok)
    assert.matches("did you mean 'password'", message)
  end)

  it("reads the password from a function, a file, a command or a variable", function()
    local path = sim.dir .. "/password"
    vcenter.write(path, sim.password .. "\n")
    for _, password in ipairs { function() return sim.password end, { file = path }, { command = "cat " .. path },
      { read = function() return sim.password end } } do
      local vc = sim:connect { password = password }
      assert.is_true(vc:close())
    end
    local vc, message, code = connect { password = { file = path .. ".nope" } }
    assert.is_nil(vc)
    assert.matches("nope", message)
    assert.are.equal("ENOLOGIN", code)
  end)

  it("reads govc's variables; the password's may name a file", function()
    vcenter.write(sim.dir .. "/pw", sim.password .. "\n")
    local script = [[local gpupt = require "gpupt"
      local vc <close> = gpupt.check(gpupt.vim.connect {})
      print(vc.user.userName, gpupt.check(vc:one "host/gpu-a/*-a-1"))]]
    vcenter.write(sim.dir .. "/env.lua", script)
    local text = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD=%s/pw GOVC_TLS_CA_CERTS=%s "
      .. "GOVC_DATACENTER=DC0 lua5.4 %s/env.lua 2>&1"):format(sim.host, sim.username, sim.dir, sim.ca_file, sim.dir))
    assert.matches("administrator", text)
    assert.matches("HostSystem:", text)
    text = vcenter.shell(("GOVC_URL='%s:%s@%s' GOVC_INSECURE=1 lua5.4 %s/env.lua 2>&1"):format(
      sim.username:gsub("@", "%%40"), sim.password:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end),
      sim.host, sim.dir))
    assert.matches("administrator@vsphere.local\tHostSystem:", text)
    assert.matches("not checked %(insecure%)", text)
  end)

  describe("trust", function()
    it("refuses a certificate of an unknown authority and shows its thumbprint; the password never leaves", function()
      local vc, message, code = connect { ca_file = false }
      assert.is_nil(vc)
      assert.are.equal("EUNTRUSTED", code)
      assert.matches(sim.thumbprint_sha256, message, 1, true)
      assert.are.equal(0, #sim:calls())
    end)

    it("accepts the right thumbprint, SHA-256 or SHA-1, in any spelling", function()
      for _, text in ipairs { sim.thumbprint_sha256, sim.thumbprint_sha1, (sim.thumbprint_sha256:gsub(":", ""):lower()) } do
        local vc = sim:connect { ca_file = false, thumbprint = text }
        assert.is_true(vc:close())
      end
    end)

    it("refuses another thumbprint in the handshake, even when the CA is trusted", function()
      for _, text in ipairs { (sim.thumbprint_sha256:gsub("^..", "00")), ("AB:"):rep(19) .. "AB" } do
        local vc, message, code = connect { thumbprint = text }
        assert.is_nil(vc)
        assert.are.equal("EUNTRUSTED", code)
        assert.matches("thumbprint does not match the given one", message)
      end
      assert.are.equal(0, #sim:calls())
    end)

    it("reports an invalid thumbprint", function()
      local vc, message, code = connect { thumbprint = "AB:CD" }
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code)
      assert.matches("40 %(SHA%-1%) or 64", message)
      vc, message, code = connect { thumbprint = "zz" }
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code)
      assert.matches("'zz'", message)
    end)

    it("reads govc's known-hosts file", function()
      local path = sim.dir .. "/known"
      vcenter.write(path, sim.host .. " " .. sim.thumbprint_sha1 .. "\n")
      local vc = sim:connect { ca_file = false, known_hosts = path }
      assert.is_true(vc:close())
    end)

    it("reports a CA file that cannot be read", function()
      local vc, message, code = connect { ca_file = "/nonexistent/ca.pem" }
      assert.is_nil(vc)
      assert.are.equal("ETLS", code)
      assert.matches("CA file", message)
    end)

    it("checks the name in the certificate too", function()
      local vc, message, code = connect { url = sim.url:gsub("//[^:]+", "//0.0.0.0") }
      assert.is_nil(vc)
      assert.are.equal("EUNTRUSTED", code)
      assert.matches("0.0.0.0", message, 1, true)
    end)

    it("warns once when nothing is checked", function()
      local warnings = {}
      local before = require("gpupt.loop.wait").warn
      gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
      for _ = 1, 2 do
        local vc = sim:connect { ca_file = false, insecure = true }
        vc:close()
      end
      gpupt.loop.on_warning(before)
      assert.are.equal(1, #warnings)
      assert.matches("not checked", warnings[1])
    end)

    it("does not send a password unencrypted", function()
      local vc, message, code = connect { url = "http://" .. sim.host .. "/sdk" }
      assert.is_nil(vc)
      assert.are.equal("ETLS", code)
      assert.matches("unencrypted", message)
    end)
  end)

  describe("an address that is not a vCenter", function()
    it("reports that nothing listens there", function()
      local vc, message, code = connect { url = "https://127.0.0.1:1/sdk", retries = 0 }
      assert.is_nil(vc)
      assert.are.equal("ECONNECT", code)
      assert.matches("127.0.0.1:1", message, 1, true)
    end)

    it("reports an unknown name", function()
      local vc, message, code = connect { url = "https://no-such-host.invalid/sdk", retries = 0, connect_timeout = 10 }
      assert.is_nil(vc)
      assert.are.equal("ECONNECT", code)
      assert.matches("no%-such%-host.invalid", message)
    end)

    it("reports an invalid URL, without printing a password in it", function()
      local vc, message, code = connect { url = "ftp://host/sdk" }
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code)
      assert.matches("https://HOST/sdk", message)
      vc, message, code = connect { url = "https://user:hidden@ho st/sdk" }
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code)
      assert.is_nil(message:find("hidden", 1, true))
    end)

    it("reports the path of another service", function()
      local vc, message, code = connect { url = "https://" .. sim.host .. "/nothing/here" }
      assert.is_nil(vc)
      assert.are.equal("ECONNECT", code)
      assert.matches("HTTP 404", message)
    end)
  end)

  it("keeps an idle session alive while the loop runs", function()
    local vc = sim:connect { keep_alive = 0.2 }
    sim:forget()
    gpupt.loop.sleep(0.7)
    assert.is_true(sim:calls "CurrentTime" >= 1)
    vc:close()
  end)
end)
