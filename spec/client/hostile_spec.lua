-- Servers that answer badly: an error with a code, bounded memory and time, and the others go on.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("a hostile server", function()
  local dir, pipe, port
  setup(function()
    dir = vcenter.shell("mktemp -d -t gpupt-hostile.XXXXXX"):match "%S+"
    local text, ok = vcenter.shell(("env -u LD_PRELOAD openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert "
      .. "-days 2 -subj /CN=hostile -addext subjectAltName=IP:127.0.0.1 2>&1"):format(dir, dir))
    assert(ok, text)
    pipe, port = server.start(("spec/client/hostile.py %s/cert %s/key %s/log"):format(dir, dir, dir), dir .. "/port")
  end)
  teardown(function()
    pipe:close()
    os.execute("rm -rf " .. dir)
  end)

  -- A client of the server that misbehaves as in `how`, created without connecting.
  local function client(how, more)
    local o = { url = ("https://127.0.0.1:%d/%s"):format(port, how), ca_file = dir .. "/cert", username = "u",
      password = "p", retries = 0, timeout = 10, login = false }
    for key, value in pairs(more or {}) do o[key] = value end
    return gpupt.vim.connect(o)
  end

  local function resident()
    for line in io.lines "/proc/self/status" do
      local kb = line:match "^VmRSS:%s*(%d+)"
      if kb then return tonumber(kb) end
    end
  end

  -- connect's own first call meets the answer. Whatever it is, our memory hardly grows: the largest answers here
  -- would be gigabytes. (A sanitizer keeps what was freed.)
  local most = os.getenv "GPUPT_SANITIZED" and 400000 or 48000
  local function refused(how, wanted, pattern, more)
    local before = loop.now()
    collectgarbage()
    local memory = resident()
    local vc, message, code = client(how, more)
    local grown = resident() - memory
    assert.is_true(grown < most, ("%s: grown by %d kB"):format(how, grown))
    assert.is_nil(vc)
    assert.is_string(message)
    assert.are.equal(wanted, code, message)
    if pattern then assert.matches(pattern, message) end
    assert.is_true(loop.now() - before < 12)
    return message
  end

  it("with a gzip bomb of 2 GiB is stopped at the ceiling, in little memory", function()
    refused("bomb", "ELIMIT", nil, { limits = { bytes = 16 << 20 } })
    refused("bomb", "ELIMIT", nil, { limits = { text = 1 << 20 } })
  end)
  it("with bytes that are no gzip", function() refused("badgzip", "EPROTOCOL") end)
  it("with an endless answer", function() refused("endless", "ELIMIT", nil, { limits = { bytes = 8 << 20 } }) end)
  it("with an endless page of HTML is left after its beginning", function()
    refused("endless-html", "EHTTP", "please log in")
  end)
  it("with endless headers", function() refused("endless-headers", "ELIMIT", "headers") end)
  it("with a document type", function() refused("doctype", "EENTITY") end)
  it("with entities", function() refused("entities", "EENTITY") end)
  it("with elements 5,000 deep", function() refused("deep", "ELIMIT") end)
  it("with a text beyond the limit", function() refused("long-text", "ELIMIT", nil, { limits = { text = 1 << 20 } }) end)
  it("with 300 attributes", function() refused("attributes", "ELIMIT") end)
  it("with a body shorter than announced", function() refused("short-body", "ELOST") end)
  it("with XML that ends in the middle", function() refused("cut-xml", "ETRUNCATED") end)
  it("with bytes that are no UTF-8", function() refused("not-utf8", "EXML") end)
  it("with the answer to another question", function() refused("other-answer", "EPROTOCOL") end)
  it("with JSON", function() refused("json", "EHTTP", "application/json") end)
  it("with nothing", function() refused("empty", "ETRUNCATED") end)
  it("with garbage instead of HTTP", function()
    local _, _, code = client "garbage"
    assert.is_true(code == "EPROTOCOL" or code == "ELOST", code)
  end)
  it("that closes without an answer", function() refused("closed", "ELOST") end)
  it("that drips", function() refused("drip", "ETIMEDOUT", "reading the response", { timeout = 1 }) end)
  it("that is silent", function() refused("silent", "ETIMEDOUT", "waiting for the response", { timeout = 0.5 }) end)
  it("that stalls in mid-answer is noticed by the stall time-out", function()
    refused("silent", "ETIMEDOUT", nil, { timeout = 10, stall_timeout = 1 })
  end)

  it("that redirects is not followed", function()
    refused("redirect", "EHTTP", "302")
    assert.is_nil(vcenter.read(dir .. "/log"):find("/good", 1, true))
  end)

  it("that answers with another type", function() refused("wrong-type", "EPROTOCOL", "is HostPciDevice, but") end)

  it("does not keep the others from going on", function()
    local sim = vcenter.start {}
    local results = {}
    local all = { "drip", "silent", "endless", "bomb", "badgzip", "endless-html", "endless-headers", "doctype", "entities",
      "deep", "long-text", "attributes", "short-body", "cut-xml", "not-utf8", "closed", "garbage", "redirect" }
    loop.run(function()
      for _, how in ipairs(all) do
        loop.spawn(function()
          results[how] = select(3, client(how, { timeout = 2, limits = { bytes = 2 << 20 } }))
        end)
      end
      local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
      local count, from = 0, loop.now()
      while loop.now() - from < 1.5 do
        gpupt.check(vc.content.rootFolder:get "name")
        count = count + 1
      end
      results.count = count
    end)
    sim:stop()
    for _, how in ipairs(all) do assert.is_string(results[how], how) end
    assert.are.equal("ETIMEDOUT", results.drip)
    assert.are.equal("ETIMEDOUT", results.silent)
    assert.are.equal("ELIMIT", results.endless)
    assert.are.equal("ELIMIT", results.bomb)
    assert.is_true(results.count > 20, tostring(results.count))
  end)

  it("without 100-continue gets no Expect header, however large the request is", function()
    local net = require "gpupt.net"
    local core = require("gpupt.loop.engine").shared().core
    local http <close> = assert(net.http.client(core, { ca_file = dir .. "/cert" }))
    vcenter.write(dir .. "/log", "")
    local text, info = require("gpupt.rest.transport").exchange({ http = http }, { timeout = 10, answer = "bytes",
      url = ("https://127.0.0.1:%d/json"):format(port), body = ("x"):rep(3 << 20) }, { name = "large" })
    assert.are.equal('{"no": "xml"}', text)
    assert.are.equal(200, info.status)
    assert.are.equal("POST /json\n", vcenter.read(dir .. "/log"))
  end)

  describe("that never answers sees the connection end, at once,", function()
    local function hung_up()
      for _ = 1, 40 do
        if vcenter.read(dir .. "/log"):find "hung%-up" then return true end
        loop.sleep(0.05)
      end
    end
    before_each(function() vcenter.write(dir .. "/log", "") end)

    it("when the time is up", function()
      assert.are.equal("ETIMEDOUT", select(3, client("watching", { timeout = 0.3 })))
      assert.is_true(hung_up())
    end)
    it("when a deadline around the call is up", function()
      assert.are.equal("ETIMEDOUT", select(3, loop.deadline(0.3, client, "watching")))
      assert.is_true(hung_up())
    end)
    it("when the fiber is cancelled", function()
      loop.run(function()
        local fiber = loop.spawn(function() return client "watching" end)
        loop.sleep(0.3)
        assert.is_nil(vcenter.read(dir .. "/log"):find "hung%-up")
        fiber:cancel "enough"
        assert.is_false((pcall(fiber.join, fiber)))
      end)
      assert.is_true(hung_up())
    end)
  end)

  it("cannot make us leak descriptors", function()
    local function count()
      local list = io.popen "sleep 0.05; ls /proc/$PPID/fd | wc -l"
      local number = list:read "n"
      list:close()
      return number
    end
    collectgarbage()
    local before = count()
    for _, how in ipairs { "cut-xml", "closed", "garbage", "doctype", "endless-html", "badgzip" } do client(how) end
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, count())
  end)

  it("that does not speak TLS at all is a TLS error", function()
    -- like sshd: a plain socket with another protocol
    vcenter.write(dir .. "/plain.py", [[
import socket, sys, threading
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
def run():
    while True:
        c, _ = s.accept(); c.sendall(b"SSH-2.0-nonsense\r\n"); c.recv(100); c.close()
threading.Thread(target=run, daemon=True).start(); sys.stdin.read()
]])
    local plain, number = server.start(dir .. "/plain.py", dir .. "/plain-port")
    local vc, message, code = gpupt.vim.connect { url = ("https://127.0.0.1:%d/sdk"):format(number), username = "u",
      password = "p", retries = 0, timeout = 5 }
    plain:close()
    assert.is_nil(vc)
    assert.are.equal("ETLS", code)
    assert.is_string(message)
  end)
end)
