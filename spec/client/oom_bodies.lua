--- What csrc/test/oomhost.c runs while memory fails: requests from the engine to the answer (see oom_spec.lua).
-- A function ends normally, or raises anything but WRONG: a result that is not what it should be. Which code a request
-- ends with is libcurl's choice (it may call a failed allocation a lost connection); that it ends is not.
local net = require "gpupt.net"

local base = os.getenv "GPUPT_OOM_SERVER" -- without one (build-support/apicheck) only what needs no network

local function expect(condition, what)
  if not condition then error("WRONG: " .. tostring(what), 0) end
end

local function got(value, message, code)
  if value ~= nil then return value end
  expect(type(message) == "string" and type(code) == "string", "a failure without words")
  error(message, 0)
end

-- Runs the operation to its end on the engine; gives its result, or raises its failure.
local function finish(engine, op)
  got(op:start())
  local limit = net.engine.now() + 5
  while not op:done() do
    got(engine:step(1))
    while engine:take() do end
    expect(net.engine.now() < limit, "it hangs")
  end
  return op:result()
end

local function with_client(fn)
  local engine <close> = got(net.engine.new())
  local client <close> = got(net.http.client(engine, { insecure = true, connections = 2 }))
  return fn(engine, client)
end

local bodies = {}

bodies["trust"] = function()
  local engine <close> = got(net.engine.new())
  local client <close> = got(net.http.client(engine, { thumbprint = ("ab"):rep(32), proxy = "http://127.0.0.1:9" }))
  local op <close> = got(client:request { url = "https://127.0.0.1:1/sdk", headers = { "A: b", "C: d" }, timeout = 1 })
  expect(op:id() > 0 and not op:done(), "the operation")
end

bodies["digest"] = function()
  expect(got(net.digest.sha256 "abc"):find "^ba7816bf8f01cfea" and #net.digest.sha256 "" == 64, "sha256")
  expect(got(net.digest.crypt("secret", "$6$saltsalt")):find("$6$saltsalt$", 1, true) == 1, "crypt")
end

local folder = os.tmpname()
os.remove(folder)

bodies["private"] = function()
  local text = ("a cookie\n"):rep(1000)
  got(net.private.save(folder, "one", text))
  expect(got(net.private.load(folder, "one")) == text, "the private file")
  expect(got(net.private.read(folder .. "/one")) == text, "the private file")
  got(net.private.remove(folder, "one"))
  os.remove(folder)
end

if base then
  bodies["soap"] = function()
    with_client(function(engine, client)
      -- closed, not left to the collector: a finalizer that Lua calls while its memory is out is lost for good
      local body <close> = got(net.codec.encode("CurrentTime", "ServiceInstance", "ServiceInstance", {}))
      local op <close> = got(client:request { url = base .. "/sdk", body = body, answer = "soap", timeout = 3,
        headers = { 'Content-Type: text/xml; charset="utf-8"', "SOAPAction: " .. body:action() } })
      local tape = got(finish(engine, op))
      expect(tape:value() == "2026-11-22T17:00:00Z", "the time")
      expect(op:status() == 200 and op:header "set-cookie":find("vmware_soap_session", 1, true), "the answer's head")
    end)
  end

  bodies["bytes, queued"] = function()
    with_client(function(engine, client)
      local list = {}
      for i = 1, 3 do
        list[i] = got(client:request { url = base .. "/x", answer = "bytes", timeout = 3, max_bytes = 1 << 20 })
        got(list[i]:start())
      end
      local limit = net.engine.now() + 5
      while not (list[1]:done() and list[2]:done() and list[3]:done()) do
        got(engine:step(1))
        expect(net.engine.now() < limit, "it hangs")
      end
      for i = 1, 3 do expect(#got(list[i]:result()) == 70000, "the bytes") end
    end)
  end

  bodies["upload, cancelled"] = function()
    local file <close> = assert(io.open("spec/client/oom_bodies.lua", "rb"))
    with_client(function(engine, client)
      local op <close> = got(client:request { url = base .. "/y", method = "PUT", file = file, length = 1000,
        timeout = 3, answer = "bytes" })
      expect(got(finish(engine, op)) == "", "an empty answer")
      local other <close> = got(client:request { url = base .. "/z", timeout = 3 })
      got(other:start())
      other:cancel("ECANCELLED", "enough")
      expect(other:done() and select(3, other:result()) == "ECANCELLED", "cancelled")
    end)
  end
end

-- Everything twice: a block lost at one place of the code then shows four times (see oom_spec.lua).
local twice = {}
for name, body in pairs(bodies) do twice[name], twice[name .. " again"] = body, body end

return twice
