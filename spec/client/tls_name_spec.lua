-- A certificate is checked against the name that was asked for, which the server hears before it chooses one (SNI).
-- Names below .localhost are resolved by libcurl itself.
local loop = require "gpupt.loop.engine"
local net = require "gpupt.net"
local transport = require "gpupt.rest.transport"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("the name in a server's certificate", function()
  local dir, pipe, port

  local function openssl(line)
    local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl %s 2>&1"):format(dir, line))
    assert(ok, text)
    return text
  end

  -- A certificate of the one authority, for these names.
  local function certificate(file, names)
    vcenter.write(dir .. "/names", "subjectAltName=" .. names)
    openssl(("req -newkey rsa:2048 -nodes -keyout %s.key -out %s.csr -subj /CN=gpupt-test"):format(file, file))
    openssl(("x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out %s.pem"):format(file, file))
  end

  setup(function()
    dir = vcenter.shell("mktemp -d -t gpupt-tls.XXXXXX"):match "%S+"
    openssl "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=gpupt-test-ca"
    certificate("default", "DNS:default.site.localhost")
    certificate("sni-a.site.localhost", "DNS:a.site.localhost")
    certificate("sni-b.site.localhost", "DNS:a.site.localhost")
    certificate("sni-several.site.localhost", "DNS:a.site.localhost,DNS:SEVERAL.site.localhost")
    for _, name in ipairs { "one.wild.localhost", "one.two.wild.localhost", "wild.localhost" } do
      certificate("sni-" .. name, "DNS:*.wild.localhost")
    end
    certificate("sni-part.wild.localhost", "DNS:p*.wild.localhost")
    certificate("ip", "IP:127.0.0.1")
    certificate("other-ip", "IP:127.0.0.2")
    certificate("ip-as-name", "DNS:*.0.0.1")
    vcenter.shell(("cp %s/default.pem %s/cert; cp %s/default.key %s/key"):format(dir, dir, dir, dir))
    pipe, port = server.start("spec/client/tls_server.py " .. dir, dir .. "/port")
  end)
  teardown(function()
    pipe:close()
    os.execute("rm -rf " .. dir)
  end)
  before_each(function() vcenter.shell((": >%s/heard; : >%s/sni"):format(dir, dir)) end)

  local function ask(host, options)
    local http <close> = assert(net.http.client(loop.shared().core, options or { ca_file = dir .. "/ca.pem" }))
    return transport.exchange({ http = http }, { url = ("https://%s:%d/"):format(host, port), timeout = 10, answer = "bytes",
      body = "the password" }, { name = "question" })
  end

  local function heard()
    vcenter.sleep(0.05)
    return vcenter.read(dir .. "/heard")
  end

  local function accepted(host, options)
    local text, message = ask(host, options)
    assert.are.equal("fine", text, not text and message or nil)
  end

  local function refused(host, options)
    vcenter.write(dir .. "/heard", "")
    local text, message, code = ask(host, options)
    assert.is_nil(text)
    assert.are.equal("EUNTRUSTED", code, message)
    assert.matches("thumbprint is", message)
    assert.are.equal("", heard())
  end

  it("is the requested one, which is sent to the server", function()
    accepted "a.site.localhost"
    assert.are.equal("a.site.localhost\n", vcenter.read(dir .. "/sni"))
    accepted "A.SITE.localhost"
    accepted "several.site.localhost"
  end)

  it("may not be another one, though the authority is trusted", function()
    refused "b.site.localhost"
    refused "unknown.site.localhost" -- the server shows its default certificate
  end)

  it("may not be another one with the thumbprint of another certificate of the server", function()
    local print = openssl("x509 -in sni-a.site.localhost.pem -noout -fingerprint -sha256"):match "=(%S+)"
    accepted("a.site.localhost", { thumbprint = print })
    refused("unknown.site.localhost", { thumbprint = print })
  end)

  it("may have a wildcard for its first label, and for that only", function()
    accepted "one.wild.localhost"
    refused "one.two.wild.localhost"
    refused "wild.localhost"
  end)

  it("is an IP address where one was requested", function()
    for file, good in pairs { ip = true, ["other-ip"] = false, ["ip-as-name"] = false } do
      vcenter.shell(("cp %s/%s.pem %s/cert; cp %s/%s.key %s/key; : >%s/heard"):format(dir, file, dir, dir, file, dir, dir))
      if good then accepted "127.0.0.1" else refused "127.0.0.1" end
    end
    vcenter.shell(("cp %s/default.pem %s/cert; cp %s/default.key %s/key"):format(dir, dir, dir, dir))
  end)
end)
