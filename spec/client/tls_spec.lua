-- Which certificates are accepted, and that a server whose certificate is not hears nothing inside the encryption.
local loop = require "gpupt.loop.engine"
local net = require "gpupt.net"
local transport = require "gpupt.rest.transport"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("a server's certificate", function()
  local dir, pipe, port
  local prints = {}

  local function openssl(line)
    local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl %s 2>&1"):format(dir, line))
    assert(ok, text)
    return text
  end

  setup(function()
    dir = vcenter.shell("mktemp -d -t gpupt-tls.XXXXXX"):match "%S+"
    local make = "req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem -days 2 -subj /CN=%s -addext subjectAltName=%s"
    openssl(make:format("good", "good", "good", "IP:127.0.0.1"))
    openssl(make:format("other", "other", "other", "IP:127.0.0.1"))
    openssl(make:format("name", "name", "name", "DNS:other.example"))
    openssl "req -newkey rsa:2048 -nodes -keyout old.key -out old.csr -subj /CN=old"
    vcenter.write(dir .. "/names", "subjectAltName=IP:127.0.0.1")
    openssl "x509 -req -in old.csr -signkey old.key -out old.pem -days -1 -extfile names"
    for _, name in ipairs { "good", "other", "name", "old" } do
      prints[name] = {}
      for _, kind in ipairs { "sha1", "sha256" } do
        prints[name][kind] = openssl(("x509 -in %s.pem -noout -fingerprint -%s"):format(name, kind)):match "=(%S+)"
      end
    end
    vcenter.shell(("cp %s/good.pem %s/cert; cp %s/good.key %s/key"):format(dir, dir, dir, dir))
    pipe, port = server.start("spec/client/tls_server.py " .. dir, dir .. "/port")
  end)
  teardown(function()
    pipe:close()
    os.execute("rm -rf " .. dir)
  end)

  local function present(name)
    vcenter.shell(("cp %s/%s.pem %s/cert; cp %s/%s.key %s/key; : >%s/heard"):format(dir, name, dir, dir, name, dir, dir))
  end

  local function ask(http)
    return transport.exchange({ http = http }, { url = ("https://127.0.0.1:%d/"):format(port), timeout = 10,
      answer = "bytes", body = "the password" }, { name = "question" })
  end

  local function asked(name, options)
    present(name)
    local http <close> = assert(net.http.client(loop.shared().core, options))
    return ask(http)
  end

  local function accepted(name, options)
    assert.are.equal("fine", (asked(name, options)))
    assert.matches("the password", vcenter.read(dir .. "/heard"))
  end

  local function refused(name, options, pattern)
    local text, message, code = asked(name, options)
    assert.is_nil(text)
    assert.are.equal("EUNTRUSTED", code)
    assert.matches(pattern, message)
    assert.matches(prints[name].sha256, message, 1, true) -- so that an operator can compare it
    vcenter.sleep(0.05)
    assert.are.equal("", vcenter.read(dir .. "/heard"))
  end

  it("signed by itself is trusted as an authority, or by its thumbprint in any spelling", function()
    refused("good", {}, "self%-signed")
    accepted("good", { ca_file = dir .. "/good.pem" })
    for _, kind in ipairs { "sha1", "sha256" } do
      local text = prints.good[kind]
      for _, spelling in ipairs { text, text:lower(), text:gsub(":", ""):lower(), (text:gsub(":", " ")), (text:gsub(":", "-")) } do
        accepted("good", { thumbprint = spelling })
      end
    end
  end)

  it("with another thumbprint is refused, whatever authority vouches for it", function()
    for _, kind in ipairs { "sha1", "sha256" } do
      refused("good", { thumbprint = prints.other[kind] }, "thumbprint does not match the given one")
      refused("good", { thumbprint = prints.other[kind], ca_file = dir .. "/good.pem" }, "thumbprint does not match the given one")
    end
  end)

  it("that has expired is refused, unless its thumbprint is given", function()
    refused("old", { ca_file = dir .. "/old.pem" }, "expired")
    accepted("old", { thumbprint = prints.old.sha256 })
  end)

  it("for another name is refused, unless its thumbprint is given", function()
    refused("name", { ca_file = dir .. "/name.pem" }, "127.0.0.1")
    accepted("name", { thumbprint = prints.name.sha256 })
  end)

  it("that changes while a client is at work is refused on its next connection", function()
    for _, options in ipairs { { thumbprint = prints.good.sha256 }, { ca_file = dir .. "/good.pem" } } do
      present "good"
      local http <close> = assert(net.http.client(loop.shared().core, options))
      assert.are.equal("fine", (ask(http)))
      present "other"
      local text, _, code = ask(http)
      assert.is_nil(text)
      assert.are.equal("EUNTRUSTED", code)
      vcenter.sleep(0.05)
      assert.are.equal("", vcenter.read(dir .. "/heard"))
      present "good"
      assert.are.equal("fine", (ask(http)))
    end
  end)
end)
