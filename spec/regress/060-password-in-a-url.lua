--- A raw '/', '?' or '#' in the password of GOVC_URL ended the host name: gpupt connected to a part of the password
-- ("127.0.0.1:1234/x@vcenter"), and a malformed URL was repeated in the message, including the password.
local command = require "spec.support.command"
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("a URL with a user name and a password", function()
  local printable = {}
  for byte = 0x20, 0x7e do printable[#printable + 1] = string.char(byte) end
  local everything = table.concat(printable)

  local sim, decoy, decoy_port, warnings, before
  setup(function()
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      users = { { name = "ops", password = everything, role = "ReadOnly" } } } }
    decoy, decoy_port = server.start(("spec/client/decoy.py %s/met"):format(sim.dir), sim.dir .. "/decoy-port")
    warnings, before = {}, require("gpupt.loop.wait").warn
    gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
  end)
  teardown(function()
    gpupt.loop.on_warning(before)
    decoy:close()
    sim:close_all()
    sim:stop()
  end)

  local function met() return vcenter.read(sim.dir .. "/met") or "" end

  local function connect(url)
    return gpupt.vim.connect { url = url, ca_file = sim.ca_file, connect_timeout = 2, retries = 0, proxy = nil }
  end

  local function encode(text)
    return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
  end

  local function all_said(message)
    return table.concat({ tostring(message), table.concat(warnings, "\n") }, "\n")
  end

  it("logs in with a password of all printable characters if they are percent-encoded", function()
    local vc = gpupt.check(connect(("https://ops:%s@%s/sdk"):format(encode(everything), sim.host)))
    assert.are.equal("ops", vc.user.userName)
    assert.is_nil(tostring(vc):find("ops", 1, true))
    vc:close()
  end)

  it("never leads to another host than its own", function()
    local decoy_host = "127.0.0.1:" .. decoy_port
    for _, url in ipairs {
      "%s/x@%s", "%s/@%s", "https://%s/x@%s", "https://%s?@%s/sdk", "https://%s#@%s", "ops:pw@%s/x@%s", "ops:pw@%s?x@%s",
      "ops:pw@%s#x@%s", "ops@%s/x@%s", "https://ops:pw@%s/sdk/@%s/sdk", "ops:a%%2Fb@%s/@%s", "[::1]:pw@%s/@%s",
    } do
      local vc, message, code = connect(url:format(decoy_host, sim.host))
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code, url)
      assert.matches("percent%-encode", message)
      assert.is_nil(message:find(decoy_port, 1, true), url)
    end
    assert.are.equal("", met())
  end)

  it("never shows any part of a password, and connects to the intended host or to none", function()
    math.randomseed(10)
    local intended, refused = 0, 0
    for round = 1, 400 do
      local parts = {}
      for i = 1, math.random(8, 24) do parts[i] = printable[math.random(#printable)] end
      if round % 4 == 0 then table.insert(parts, math.random(#parts), ("@127.0.0.1:%d/"):format(decoy_port)) end
      local password = table.concat(parts)
      local user = round % 3 == 0 and "administrator@vsphere.local" or "some"
      for _, form in ipairs { password, encode(password) } do
        for _, prefix in ipairs { "https://", "" } do
          local vc, message, code = connect(("%s%s:%s@%s"):format(prefix, user, form, sim.host))
          assert.is_nil(vc)
          if code == "InvalidLogin" then intended = intended + 1 else refused = refused + 1 end
          assert.is_true(code == "InvalidLogin" or code == "EINVAL", code)
          if form ~= password then assert.are.equal("InvalidLogin", code, password) end
          if code == "EINVAL" then assert.matches("percent%-encode", message) end
          local said = all_said(message)
          assert.is_nil(said:find(password, 1, true), password)
          assert.is_nil(said:find(form, 1, true), password)
          -- nor a good part of it
          for at = 1, #password - 7 do
            local part = password:sub(at, at + 7)
            assert.is_true(sim.host:find(part, 1, true) ~= nil or not said:find(part, 1, true), password)
          end
        end
      end
    end
    assert.are.equal("", met())
    assert.is_true(intended >= 800)
    assert.is_true(refused > 0)
  end)

  it("is not repeated if it is malformed in another way", function()
    for _, url in ipairs { "ftp://ops:t0p-secret@vc.example", "ops://t0p-secret@vc.example", "https://ops:t0p-secret@vc.example:99999",
      "https://ops:t0p-secret@", "ops:t0p-secret@vc example", "https://ops:t0p-secret%zz@vc.example", "ops:t0p-secret",
      "https:/ops:t0p-secret@vc.example", "ops:t0p-secret@vc%2eexample", "ops:t0p-secret@[::1", "ops:t0p-secret@vc.example/a b" } do
      local vc, message, code = connect(url)
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code, url)
      assert.is_nil(message:find("t0p", 1, true), message)
      assert.is_nil(message:find("secret@", 1, true), message)
    end
  end)

  it("is not in the output of the command", function()
    for _, url in ipairs { "ops:t0p/secret@" .. sim.host, ("https://some:t0p-secret@%s/sdk"):format(sim.host),
      "https://some:t0p%2Fsecret@" .. sim.host, "ops:t0p secret@" .. sim.host } do
      local folder = command.folder()
      folder.write("environment", ("export GOVC_URL='%s' GOVC_TLS_CA_CERTS='%s'\n"):format(url, sim.ca_file))
      local pipe = assert(io.popen((". %s/environment; bin/gpupt vim CurrentTime ServiceInstance --json 2>&1; echo $?"):format(
        folder.path)))
      local text = pipe:read "a"
      pipe:close()
      folder.remove()
      assert.is_nil(text:find("t0p", 1, true), text)
      assert.matches("\n[23]\n$", text)
    end
  end)
end)
