--- However an answer is cut into pieces, it decodes to the same value; and cut short it is ETRUNCATED.
-- Answers beyond 32 KiB are cut at 200 random places, in `make soak` at 20,000.
local net = require "gpupt.net"
local values = require "spec.codec.values"
local wire = require "spec.codec.wire"
local codec = net.codec

--- Answers of our own making: small ones of every kind, and one beyond 32 KiB.
local answers = {}

local function add(method, text)
  answers[#answers + 1] = { method = method, text = text }
end

add("Logout", wire.answer "Logout")
add("CurrentTime", wire.answer("CurrentTime", "<returnval>2026-11-22T17:00:00Z</returnval>"))
add("PowerOnVM_Task", wire.fault('InvalidPowerStateFault xmlns="urn:vim25" xsi:type="InvalidPowerState">',
  "<faultMessage><key>k</key><message>Grüße &amp; mehr</message></faultMessage><requestedState>poweredOn"
  .. "</requestedState><existingState>poweredOff</existingState></InvalidPowerStateFault>", "no"))
add("RetrievePropertiesEx", wire.page({ { "VirtualMachine", "vm-1", {
  { "name", '<val xsi:type="xsd:string">日本語 &lt;&#233;&gt; <![CDATA[a]]b]]></val>' },
  { "config.hardware.device", '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualQAT"><key>13</key>'
    .. '<odd>1</odd><odd>2</odd></VirtualDevice><VirtualDevice xsi:type="VirtualDisk"><key>2000</key>'
    .. "<capacityInKB>5</capacityInKB></VirtualDevice></val>" },
  { "config.certificate", '<val xsi:type="ArrayOfByte"><byte>-1</byte><byte>200</byte></val>' },
  { "x", '<val xsi:type="xsd:base64Binary">AAEC\nAwQ=</val>' } } } }, "9"))

--- A page of generated VMs, from our own encoder.
local function large()
  local objects = {}
  for i = 1, 4 do
    local value = values.of("VirtualMachineConfigInfo", "8.0.3.0", 3)
    local body = assert(codec.encode("UpdateOptions", "OptionManager", "x",
      { changedValue = { { key = "k", value = value } } }, { version = "8.0.3.0" }))
    local xml = body:bytes():match("<value xsi:type=.*</value>"):gsub("^<value", "<val"):gsub("</value>$", "</val>")
    objects[i] = { "VirtualMachine", "vm-" .. i, { { "config", xml } } }
  end
  return wire.page(objects)
end
add("RetrievePropertiesEx", large())

local function read(method, chunks)
  local tape, message, code = codec.decode(method, chunks)
  if not tape then return nil, message, code end
  if tape:kind() == "fault" then
    local text, word, detail = tape:fault()
    return { text, word, detail }
  end
  return tape:value()
end

local function pieces(text, size)
  local chunks = {}
  for i = 1, #text, size do chunks[#chunks + 1] = text:sub(i, i + size - 1) end
  return chunks
end

describe("an answer in pieces", function()
  for number, answer in ipairs(answers) do
    it(("is the same value: answer %d, %s, %d bytes"):format(number, answer.method, #answer.text), function()
      local whole = read(answer.method, answer.text)
      assert.is_truthy(whole)
      for _, size in ipairs { 1, 7, 300, 16384 } do
        assert.is_nil(values.difference(whole, read(answer.method, pieces(answer.text, size))), size)
      end
    end)

    it(("is ETRUNCATED when cut: answer %d"):format(number), function()
      local text = answer.text
      math.randomseed(number)
      local function cut_at(at)
        local value, _, code = read(answer.method, { text:sub(1, at) })
        assert.is_nil(value, at)
        assert.equal("ETRUNCATED", code, at)
        -- in two pieces it is whole again
        return { text:sub(1, at), text:sub(at + 1) }
      end
      if #text <= 32768 then
        local whole = read(answer.method, text)
        for at = 0, #text - 1 do
          assert.is_nil(values.difference(whole, read(answer.method, cut_at(at))), at)
        end
      else
        for _ = 1, package.loaded["spec.codec.soak"] and 20000 or 200 do cut_at(math.random(#text) - 1) end
      end
    end)
  end

  it("includes one beyond 32 KiB", function()
    assert.is_true(#answers[#answers].text > 32768)
  end)
end)
