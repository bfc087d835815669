--- Answers that are each in order and never come to an end: pages without objects and a token each, more updates of
-- filters and paths that were not requested, one cookie of 90 kB, a hundred thousand headers, slow bytes. Memory and
-- time stay bounded, and the rest of the program continues.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"
local loop = require "gpupt.loop"

describe("a server that never comes to an end", function()
  local server, vc
  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    server:calm()
    vc = gpupt.check(server:connect())
  end)
  after_each(function() vc:close() end)

  local sanitized = os.getenv "GPUPT_SANITIZED" and 10 or 1

  local function bounded(kb, seconds, fn)
    collectgarbage()
    collectgarbage()
    local before, from = liar.resident(), loop.now()
    local results = table.pack(fn())
    local grown = liar.resident() - before
    assert.is_true(grown < kb * sanitized, ("grown by %d kB"):format(grown))
    assert.is_true(loop.now() - from < seconds * sanitized, ("took %.1f s"):format(loop.now() - from))
    return table.unpack(results, 1, results.n)
  end

  it("is left when page after page has no object", function()
    local empty = [[a.soap(b"<returnval><token>more</token></returnval>" if a.count() < 300 else b"")]]
    server:answer("RetrievePropertiesEx", empty)
    server:answer("ContinueRetrievePropertiesEx", empty)
    local list, message, code = bounded(16000, 10, function()
      return vc:collect_all { type = "Folder", paths = { "name" } }
    end)
    assert.is_nil(list and "a list")
    assert.are.equal("EPROTOCOL", code)
    assert.matches("100 pages without an object", message)
    assert.are.equal(99, server:requests "ContinueRetrievePropertiesEx")
    assert.are.equal(1, server:requests "CancelRetrievePropertiesEx")
    assert.are.equal(1, server:requests "DestroyView")
  end)

  it("cannot fill the memory of a list of all objects", function()
    local page = [[a.soap(b"<returnval>" + (b"<token>more</token>" if a.count() < 300 else b"")
      + b"".join(b"<objects><obj type='Folder'>f%d-%d</obj></objects>" % (a.count(), i) for i in range(1000))
      + b"</returnval>")]]
    server:answer("RetrievePropertiesEx", page)
    server:answer("ContinueRetrievePropertiesEx", page)
    vc:close()
    vc = gpupt.check(server:connect { limits = { bytes = 1 << 20 } })
    local list, message, code = bounded(64000, 10, function()
      return vc:collect_all { type = "Folder", paths = { "name" } }
    end)
    assert.is_nil(list and "a list")
    assert.are.equal("ELIMIT", code)
    assert.matches("1048576 bytes", message)
    local count = 0
    for object in vc:collect { type = "Folder", paths = { "name" } } do -- one at a time they may be any number
      count = count + (object.ref and 1 or 0)
      if count == 50000 then break end
    end
    assert.are.equal(50000, count)
  end)

  it("is asked no more than a few times for an empty token", function()
    server:answer("RetrievePropertiesEx", [[a.soap(b"<returnval><token></token></returnval>")]])
    assert.are.same({}, (gpupt.check(vc:collect_all { type = "Folder", paths = { "name" } })))
    assert.are.equal(0, server:requests "ContinueRetrievePropertiesEx")
  end)

  it("cannot fill the memory of a wait with unrequested updates", function()
    server:answer("WaitForUpdatesEx", [[
global_count = int(time.time() * 1e6)
changes = b"".join(b"<changeSet><name>info.unasked%d_%d</name><op>assign</op><val xsi:type='xsd:string'>%s</val></changeSet>"
  % (global_count, i, b"x" * 1000) for i in range(200))
others = b"".join(b"<filterSet><filter type='PropertyFilter'>other%d_%d</filter><objectSet><kind>enter</kind><obj type='Task'>o</obj>"
  b"</objectSet></filterSet>" % (global_count, i) for i in range(200))
a.soap(b"<returnval><version>1</version><filterSet><filter type='PropertyFilter'>filter</filter><objectSet><kind>modify</kind>"
  b"<obj type='Task'>t</obj>" + changes + b"</objectSet></filterSet>" + others + b"<truncated>true</truncated></returnval>")]])
    local others_went_on = 0
    local results = loop.run(function()
      local waiting = loop.spawn(function()
        return bounded(24000, 8, function() return table.pack(vc:wait(vc:ref "Task:t", { timeout = 3 })) end)
      end)
      for _ = 1, 20 do
        loop.sleep(0.1)
        others_went_on = others_went_on + 1
      end
      return waiting:join()
    end)
    assert.are.equal("ETIMEDOUT", results[3])
    assert.are.equal(20, others_went_on)
  end)

  it("is not asked without a pause when it announces more and sends nothing", function()
    server:answer("WaitForUpdatesEx", [[a.soap(b"<returnval><version>1</version><truncated>true</truncated></returnval>")]])
    local result, _, code = vc:wait(vc:ref "Task:t", { timeout = 2 })
    assert.is_nil(result)
    assert.are.equal("ETIMEDOUT", code)
    assert.is_true(server:requests "WaitForUpdatesEx" < 100)
  end)

  it("cannot make each request carry a token, a version or a reference of a megabyte", function()
    server:answer("RetrievePropertiesEx", [[a.soap(b"<returnval><token>" + b"t" * (1 << 20) + b"</token></returnval>")]])
    assert.are.equal("EPROTOCOL", select(3, vc:collect_all { type = "Folder", paths = { "name" } }))
    server:answer("WaitForUpdatesEx", [[a.soap(b"<returnval><version>" + b"v" * (1 << 20) + b"</version></returnval>")]])
    assert.are.equal("EPROTOCOL", select(3, vc:wait(vc:ref "Task:t", { timeout = 5 })))
    server:answer("CreateContainerView", [[a.soap(b"<returnval type='ContainerView'>" + b"r" * (1 << 20) + b"</returnval>")]])
    assert.are.equal("ELIMIT", select(3, vc:collect_all { type = "Folder", paths = { "name" } }))
  end)

  it("cannot make each request carry 90 kB of cookie", function()
    server:answer("Login", [[
name = a.name.encode()
a.reply(HEAD + b"<LoginResponse xmlns='urn:vim25'><returnval><key>k</key><userName>u</userName><fullName>u</fullName><loginTime>"
  b"2026-01-01T00:00:00Z</loginTime><lastActiveTime>2026-01-01T00:00:00Z</lastActiveTime><locale>en</locale><messageLocale>en"
  b"</messageLocale></returnval></LoginResponse>" + TAIL, extra="Set-Cookie: vmware_soap_session=" + "c" * 90000 + "\r\n")]])
    local other, message, code = server:connect()
    assert.is_nil(other and tostring(other))
    assert.are.equal("EPROTOCOL", code, message)
    assert.matches("cookie", message)
  end)

  it("is left in its 256 kB of headers, also of 100 answers that go before the answer", function()
    server:answer("RetrievePropertiesEx", [[
a.send(b"HTTP/1.1 200 OK\r\n")
for i in range(100000):
    a.send(b"X-%d: y\r\n" % i)]])
    assert.are.equal("ELIMIT", select(3, bounded(16000, 10, function() return vc.content.rootFolder:get { "name" } end)))
    server:answer("RetrievePropertiesEx", [[
for i in range(100000):
    a.send(b"HTTP/1.1 100 Continue\r\n\r\n")]])
    assert.are.equal("ELIMIT", select(3, bounded(16000, 10, function() return vc.content.rootFolder:get { "name" } end)))
    server:answer("RetrievePropertiesEx", [[
a.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
for i in range(100000):
    a.send(b"X-%d: y\r\n" % i)]])
    local value, message, code = bounded(16000, 10, function() return vc.content.rootFolder:get { "name" } end)
    assert.is_nil(value and "a value")
    assert.is_true(code == "ELIMIT" or code == "EPROTOCOL" or code == "ELOST", tostring(code) .. tostring(message))
  end)

  it("is timed out while it drips headers, or chunks of one byte", function()
    for _, drip in ipairs { [[
a.send(b"HTTP/1.1 200 OK\r\n")
while True:
    a.send(b"X: y\r\n")
    time.sleep(0.05)]], [[
a.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
while True:
    a.send(b"1\r\n \r\n")
    time.sleep(0.05)]], [[
a.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n1;")
while True:
    a.send(b"extension")
    time.sleep(0.05)]] } do
      server:answer("RetrievePropertiesEx", drip)
      local values, _, code = bounded(16000, 4, function()
        local collected = { vc:collect_all { type = "Folder", paths = { "name" }, timeout = 1 } }
        return collected[1], collected[2], collected[3]
      end)
      assert.is_nil(values and "values")
      assert.is_true(code == "ETIMEDOUT" or code == "EPROTOCOL" or code == "ELOST", code)
    end
  end)

  it("of 100,000 chunks of one byte costs little", function()
    server:answer("RetrievePropertiesEx", [[
body = HEAD + b"<RetrievePropertiesExResponse xmlns='urn:vim25'><returnval><objects><obj type='Folder'>f</obj><propSet><name>name</name>" \
  b"<val xsi:type='xsd:string'>" + b"n" * 100000 + b"</val></propSet></objects></returnval></RetrievePropertiesExResponse>" + TAIL
a.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
  + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")]])
    local from = os.clock()
    local values = gpupt.check(vc.content.rootFolder:get { "name" })
    assert.are.equal(100000, #values.name)
    assert.is_true(os.clock() - from < 1 * sanitized)
  end)

  it("gives paths and inventories an end", function()
    -- every folder has one more folder
    server:answer("RetrievePropertiesEx", [[
import re
out = b""
for value in re.findall(rb"<obj type=\"Folder\">([^<]*)</obj>", a.body):
    out += b"<objects><obj type='Folder'>%s</obj>" % value
    if b"<pathSet>name</pathSet>" in a.body:
        out += b"<propSet><name>name</name><val xsi:type='xsd:string'>n</val></propSet>"
    if b"<pathSet>parent</pathSet>" in a.body:
        out += b"<propSet><name>parent</name><val xsi:type='ManagedObjectReference' type='Folder'>%sx</val></propSet>" % value
    if b"<pathSet>childEntity</pathSet>" in a.body and len(value) < 300: # deep enough
        out += (b"<propSet><name>childEntity</name><val xsi:type='ArrayOfManagedObjectReference'><ManagedObjectReference type='Folder'>"
            b"%sx</ManagedObjectReference></val></propSet>" % value)
    out += b"</objects>"
a.soap(b"<returnval>" + out + b"</returnval>")]])
    local found, _, code = bounded(24000, 10, function() return vc:find "/**/desk" end)
    assert.is_nil(found)
    assert.are.equal("ELOOP", code)
    found, _, code = vc:path(vc:ref "Folder:start")
    assert.is_nil(found)
    assert.are.equal("ELOOP", code)
  end)
end)
