--- What a server sends must not cost the client many times the work: 2 MB of attributes in one tag took 24 seconds, a
-- fault of 100,000 sentences half a minute (each looked for in all before it), 9,000 namespaces in force thirty times
-- the time of each element. Each takes less than a second now; times are of the CPU.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"
local net = require "gpupt.net"
local wire = require "spec.codec.wire"

local slow = os.getenv "GPUPT_SANITIZED" and 20 or 1

describe("an answer that is built to cost work", function()
  local server
  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)

  local function decoded(method, text, limits, seconds)
    local from = os.clock()
    local tape, message, code = net.codec.decode(method, text, limits)
    local result = tape and (tape:kind() == "fault" and { tape:fault() } or { tape:value() })
    local took = os.clock() - from
    assert.is_true(took < (seconds or 1) * slow, ("took %.1f s"):format(took))
    return result, message, code
  end

  local function page(xml) return wire.page { { "Folder", "f", { { "p", xml } } } } end

  local function many(count, format)
    local list = {}
    for i = 1, count do list[i] = format:gsub("@", i) end
    return table.concat(list)
  end

  it("is refused for a tag of 2 MB", function()
    local attributes = many(150000, " a@=''")
    for _, limits in ipairs { {}, { attributes = 1 << 30 } } do
      local value, message, code = decoded("RetrievePropertiesEx", page("<val" .. attributes .. "/>"), limits)
      assert.is_nil(value and "a value")
      assert.are.equal("ELIMIT", code)
      assert.matches("tag or comment", message)
    end
  end)

  it("is refused for a tag, a comment or an instruction that never ends", function()
    for _, start in ipairs { "<val a='", "<!--", "<?x ", "<val " .. ("b"):rep(100) } do
      local chunks = { (page("@"):gsub("@.*", function() return start end)) }
      for i = 2, 200 do chunks[i] = ("x "):rep(500) end
      local _, _, code = decoded("RetrievePropertiesEx", chunks)
      assert.is_true(code == "ELIMIT" or code == "EXML", code)
    end
  end)

  it("is as fast in pieces of one byte", function()
    for _, xml in ipairs { "<val>" .. ("text "):rep(20000) .. "</val>", "<val a='" .. ("x"):rep(15000) .. "'>1</val>",
      "<val><![CDATA[" .. ("x"):rep(100000) .. "]]></val>", "<val><!--" .. (" -"):rep(7000) .. " --></val>",
      "<val>" .. ("&#65;"):rep(20000) .. "</val>" } do
      local chunks, text = {}, page(xml)
      for i = 1, #text do chunks[i] = text:sub(i, i) end
      assert.is_table((decoded("RetrievePropertiesEx", chunks, nil, 3)))
    end
  end)

  it("is refused for 300 namespaces in force at once", function()
    local open = {}
    for depth = 1, 100 do open[depth] = "<a" .. many(60, (" xmlns:n%d_@='u'"):format(depth)) .. ">" end
    local value, message, code = decoded("RetrievePropertiesEx", page('<val xsi:type="X">' .. table.concat(open)
      .. ("<x/>"):rep(200000) .. ("</a>"):rep(100) .. "</val>"))
    assert.is_nil(value and "a value")
    assert.are.equal("ELIMIT", code)
    assert.matches("namespaces", message)
  end)

  it("has a message of bounded length for a fault of 100,000 sentences", function()
    local result = decoded("Login", wire.fault('InvalidLoginFault xmlns="urn:vim25" xsi:type="InvalidLogin">',
      many(100000, "<faultMessage><key>k</key><message>Sentence number @.</message></faultMessage>")
      .. "</InvalidLoginFault>", "No."), nil, 3)
    local message, code = result[1], result[2]
    assert.are.equal("InvalidLogin", code)
    assert.matches("^No%.; Sentence number 1%.; Sentence number 2%.", message)
    assert.is_true(#message < 20000)
    result = decoded("Login", wire.fault('InvalidLoginFault xmlns="urn:vim25" xsi:type="InvalidLogin">',
      "</InvalidLoginFault>", ("ä"):rep(1 << 20)))
    assert.is_true(#result[1] < 20000)
    assert.is_truthy(utf8.len(result[1]))
  end)

  it("has few sentences for a task that ends in such a fault", function()
    local vc <close> = gpupt.check(server:connect()) -- luacheck: ignore
    server:answer("WaitForUpdatesEx", [[
words = b"".join(b"<faultMessage><key>k</key><message>Sentence number %d.</message></faultMessage>" % i for i in range(100000))
a.soap(b'<returnval><version>1</version><filterSet><filter type="PropertyFilter">filter</filter><objectSet><kind>enter</kind>'
  b'<obj type="Task">t</obj><changeSet><name>info.state</name><op>assign</op><val xsi:type="TaskInfoState">error</val></changeSet>'
  b'<changeSet><name>info.error</name><op>assign</op><val xsi:type="LocalizedMethodFault"><fault xsi:type="InvalidLogin">'
  + words + b'</fault><localizedMessage>No.</localizedMessage></val></changeSet></objectSet>'
  b'</filterSet></returnval>')]])
    local result, message, code = vc:wait(vc:ref "Task:t", { timeout = 20 })
    assert.is_nil(result)
    assert.are.equal("InvalidLogin", code)
    assert.is_true(#message < 20000)
  end)
end)
