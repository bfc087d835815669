--- Logging in without a password: by a SAML token (bearer, and holder-of-key with a signature) and by a clone ticket.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("logging in", function()
  local sim, dir
  setup(function()
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      users = { { name = "ops@vsphere.local", password = "an0ther-secret", role = "ReadOnly" } } } }
    dir = sim.dir
    for _, name in ipairs { "holder", "stranger" } do
      local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem "
        .. "-days 2 -subj /CN=%s 2>&1 && chmod 600 %s.key"):format(dir, name, name, name, name))
      assert(ok, text)
    end
  end)
  teardown(function() sim:stop() end)
  before_each(function() sim:forget() end)
  after_each(function()
    sim:close_all()
    sim:calm()
    assert.are.equal(0, sim:leftovers().sessions)
  end)

  local function private(name, text, mode)
    local path = dir .. "/" .. name
    os.remove(path)
    vcenter.write(path, text)
    vcenter.shell(("chmod %s %s"):format(mode or "600", path))
    return path
  end

  local function token(wanted)
    wanted.user = wanted.user or "ops@vsphere.local"
    return sim:post("token", wanted).token
  end

  local function connect(options)
    options.url, options.ca_file = sim.url, sim.ca_file
    options.retries = 0
    local vc, message, code, detail = gpupt.vim.connect(options)
    if vc then sim.clients[#sim.clients + 1] = vc end
    return vc, message, code, detail
  end

  describe("by a SAML token", function()
    it("of a file needs neither user name nor password", function()
      for _, text in ipairs { token {}, "\n" .. token {} .. "\n\n", '<?xml version="1.0" encoding="UTF-8"?>\n' .. token {},
        token { audience = "self" } } do
        local vc = gpupt.check(connect { token_file = private("token", text) })
        assert.are.equal("ops@vsphere.local", vc.user.userName)
        assert.is_string(vc.content.rootFolder:get "name")
        vc:close()
      end
      assert.are.equal(0, sim:calls "Login")
    end)

    it("of a command is what it prints, whole", function()
      local path = private("token", token {})
      local vc = gpupt.check(connect { token_command = "cat " .. path })
      assert.are.equal("ops@vsphere.local", vc.user.userName)
    end)

    it("of a holder-of-key is signed with the key of its certificate", function()
      local text = token { certificate = vcenter.read(dir .. "/holder.pem") }
      local vc = gpupt.check(connect { token_file = private("token", text), token_key_file = dir .. "/holder.key" })
      assert.are.equal("ops@vsphere.local", vc.user.userName)
      vc:close()
      local none, message, code = connect { token_file = dir .. "/token", token_key_file = dir .. "/stranger.key" }
      assert.is_nil(none)
      assert.are.equal("InvalidLogin", code)
      assert.matches("SAML token", message)
      none, message, code = connect { token_file = dir .. "/token" }
      assert.is_nil(none)
      assert.are.equal("ENOLOGIN", code)
      assert.matches("holder%-of%-key", message)
      assert.matches("token_key_file", message)
    end)

    it("with an invalid or encrypted key, or one of another kind, fails and sends nothing", function()
      vcenter.shell(("cd %s && env -u LD_PRELOAD openssl rsa -in holder.key -aes128 -passout pass:x -out locked.key 2>/dev/null; "
        .. "env -u LD_PRELOAD openssl ecparam -name prime256v1 -genkey -noout -out ec.key; chmod 600 locked.key ec.key"):format(dir))
      local path = private("token", token { certificate = vcenter.read(dir .. "/holder.pem") })
      for _, key in ipairs { private("no.key", "not a key"), dir .. "/locked.key", dir .. "/ec.key" } do
        local vc, message, code = connect { token_file = path, token_key_file = key }
        assert.is_nil(vc)
        assert.are.equal("EKEY", code)
        assert.matches("pass phrase", message)
      end
      assert.are.equal(0, sim:calls "LoginByToken")
    end)

    it("that is refused gives the end of its validity, and is not sent twice", function()
      local expired = token { begins = -900 }
      local vc, message, code = connect { token_file = private("token", expired) }
      assert.is_nil(vc)
      assert.are.equal("InvalidLogin", code)
      assert.matches("SAML token", message)
      assert.matches(expired:match 'Conditions [^>]*NotOnOrAfter="([^"]+)"', message, 1, true)
      assert.is_nil(message:find("Assertion", 1, true))
      assert.are.equal(1, sim:calls "LoginByToken")
      for _, wanted in ipairs { { forged = true }, { unsigned = true }, { audience = "https://other.example/sdk" },
        { user = "nobody" } } do
        vc, message, code = connect { token_file = private("token", token(wanted)) }
        assert.is_nil(vc)
        assert.are.equal("InvalidLogin", code, message)
      end
    end)

    it("is read again when the session has ended, and one that was refused is not sent again", function()
      local path = private("token", token {})
      local vc = gpupt.check(connect { token_file = path })
      sim:post("sessions/drop", {})
      assert.is_string(gpupt.check(vc.content.rootFolder:get "name"))
      assert.are.equal(2, sim:calls "LoginByToken")
      private("token", token { begins = -900 })
      sim:post("sessions/drop", {})
      for _ = 1, 3 do
        local name, _, code = vc.content.rootFolder:get "name"
        assert.is_nil(name)
        assert.are.equal("InvalidLogin", code)
      end
      assert.are.equal(3, sim:calls "LoginByToken")
    end)

    it("that is not exactly one assertion is not sent", function()
      local good = token {}
      for _, text in ipairs { "", "eyJhbGciOi", "<Envelope/>", good .. good, "<!DOCTYPE x>" .. good, good .. "<x/>",
        good:gsub("</saml2:Assertion>$", "<!-- x --></saml2:Assertion>"), "<x>" .. good .. "</x>", good:sub(1, -5) } do
        local vc, message, code = connect { token_file = private("token", text) }
        assert.is_nil(vc)
        assert.are.equal("ENOLOGIN", code, text)
        assert.is_nil(message:find("Assertion>", 1, true))
      end
      assert.are.equal(0, sim:calls "LoginByToken")
    end)
  end)

  describe("by a clone ticket", function()
    local source
    local function ticket()
      source = source and not source.closed and source or sim:connect()
      return gpupt.check(source.content.sessionManager:AcquireCloneTicket {})
    end

    it("is the same user in a session of its own", function()
      local vc = gpupt.check(connect { ticket_file = private("ticket", ticket() .. "\n") })
      assert.are.equal(sim.username, vc.user.userName)
      assert.are_not.equal(source.user.key, vc.user.key)
      source:close()
      assert.is_string(gpupt.check(vc.content.rootFolder:get "name"))
      vc:close()
      assert.are.equal(1, sim:calls "Login")
    end)

    it("works once", function()
      local path = private("ticket", ticket())
      local first = gpupt.check(connect { ticket_file = path })
      local vc, message, code = connect { ticket_file = path }
      assert.is_nil(vc)
      assert.are.equal("InvalidLogin", code)
      assert.matches("ticket", message)
      assert.is_nil(message:find(vcenter.read(path), 1, true))
      first:close()
    end)

    it("does not work when its session has ended", function()
      local path = private("ticket", ticket())
      source:close()
      local vc, _, code = connect { ticket_file = path }
      assert.is_nil(vc)
      assert.are.equal("InvalidLogin", code)
    end)

    it("is read again when the session ends: a command may print a new one; a used one from a file is not sent", function()
      local path = private("ticket", ticket())
      local vc = gpupt.check(connect { ticket_file = path })
      gpupt.check(source.content.sessionManager:TerminateSession { sessionId = { vc.user.key } })
      sim:forget()
      local name, message, code = vc.content.rootFolder:get "name"
      assert.is_nil(name)
      assert.are.equal("InvalidLogin", code)
      assert.matches("get a new ticket", message)
      assert.are.equal(0, sim:calls "CloneSession")
      private("ticket", ticket())
      assert.is_string(gpupt.check(vc.content.rootFolder:get "name"))
      vc:close()
    end)
  end)

  it("refuses a file that others can read as a secret, or one that is not a regular file", function()
    local text = token {}
    for _, mode in ipairs { "644", "640", "660", "606", "601" } do
      local vc, message, code = connect { token_file = private("token", text, mode) }
      assert.is_nil(vc)
      assert.are.equal("EUNSAFE", code)
      assert.matches("chmod 600", message)
    end
    for _, mode in ipairs { "600", "400" } do gpupt.check(connect { token_file = private("token", text, mode) }):close() end
    vcenter.shell(("mkfifo -m 600 %s/pipe; mkdir -m 700 %s/folder"):format(dir, dir))
    for name, wanted in pairs { pipe = "EUNSAFE", folder = "EUNSAFE", absent = "ENOENT" } do
      for _, option in ipairs { "token_file", "ticket_file" } do
        local vc, _, code = connect { [option] = dir .. "/" .. name }
        assert.is_nil(vc)
        assert.are.equal(wanted, code)
      end
    end
    local key = dir .. "/holder.key"
    vcenter.shell("chmod 644 " .. key)
    local vc, message, code = connect { token_file = private("token", token { certificate = vcenter.read(dir .. "/holder.pem") }),
      token_key_file = key }
    vcenter.shell("chmod 600 " .. key)
    assert.is_nil(vc)
    assert.are.equal("EUNSAFE", code, message)
  end)

  it("reports a failed command, without its output", function()
    for _, option in ipairs { "token_command", "ticket_command" } do
      local vc, message, code = connect { [option] = "echo s3cret; exit 3" }
      assert.is_nil(vc)
      assert.are.equal("ENOLOGIN", code)
      assert.is_nil(message:find("s3cret", 1, true))
    end
  end)

  it("accepts one way only", function()
    for _, options in ipairs { { token_file = "a", token_command = "b" }, { token_file = "a", ticket_file = "b" },
      { token_key_file = "a" }, { ticket_command = "a", persist_session = true } } do
      local vc, message, code = connect(options)
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code, message)
    end
  end)

  it("shows no token, ticket or key in a trace, or in a client that is printed or whose fields are listed", function()
    local events = {}
    local text = token { certificate = vcenter.read(dir .. "/holder.pem") }
    local by_token = gpupt.check(connect { token_file = private("token", text), token_key_file = dir .. "/holder.key",
      trace = function(event) events[#events + 1] = event end })
    local given = gpupt.check(by_token.content.sessionManager:AcquireCloneTicket {})
    local by_ticket = gpupt.check(connect { ticket_file = private("ticket", given), trace = dir .. "/trace" })
    local seen, texts = {}, {}
    local function walk(value)
      if type(value) == "string" then texts[#texts + 1] = value
      elseif type(value) == "table" and not seen[value] then
        seen[value] = true
        for key, inner in next, value do walk(key) walk(inner) end
      end
    end
    walk(events)
    walk(by_token)
    walk(by_ticket)
    texts[#texts + 1] = vcenter.read(dir .. "/trace")
    local all = table.concat(texts, "\n")
    assert.matches("<wsse:Security missing=\"secret\"/>", all, 1, true)
    assert.matches("<cloneTicket missing=\"secret\"/>", all, 1, true)
    assert.is_nil(all:find("saml2:", 1, true))
    assert.is_nil(all:find(given, 1, true))
    assert.is_nil(all:find("SignatureValue", 1, true))
  end)

  it("by the command: --token-file, --ticket-command", function()
    private("token", token {})
    local environment = ("env -u GOVC_USERNAME -u GOVC_PASSWORD GOVC_URL='%s' GOVC_TLS_CA_CERTS='%s' "):format(sim.url, sim.ca_file)
    local text = vcenter.shell(("%s bin/gpupt vim CurrentTime ServiceInstance --token-file %s/token 2>&1"):format(environment, dir))
    assert.matches("^%d%d%d%d%-", text)
    local source = sim:connect()
    private("ticket", gpupt.check(source.content.sessionManager:AcquireCloneTicket {}))
    for _, pattern in ipairs { "^%d%d%d%d%-", "clone ticket.*\n3\n$" } do
      text = vcenter.shell(("%s bin/gpupt vim CurrentTime ServiceInstance --ticket-command 'cat %s/ticket' 2>&1; echo $?"):format(
        environment, dir))
      assert.matches(pattern, text)
    end
    source:close()
  end)
end)
