local net = require "gpupt.net"
local wire = require "spec.codec.wire"
local values = require "spec.codec.values"
local codec = net.codec

local function decode(method, inside)
  return assert(codec.decode(method, wire.answer(method, inside)))
end

--- One property's value.
local function property(xml)
  local tape = assert(codec.decode("RetrievePropertiesEx", wire.page { { "Folder", "f", { { "p", xml } } } }))
  local _, _, step = tape:page()
  local _, properties = step()
  return properties.p
end

local function same(expected, actual)
  assert.is_nil(values.difference(expected, actual))
end

describe("an answer", function()
  it("is true for a method without result", function()
    assert.is_true(decode("Logout"):value())
  end)

  it("is false for an absent optional result, {} for an absent list", function()
    assert.is_false(decode("FindByUuid"):value())
    same({}, decode("QueryOptions"):value())
    same({}, decode("FindAllByUuid"):value())
  end)

  it("is the value itself: scalar, object, list, reference", function()
    assert.equal("2026-11-22T17:00:00.123456Z",
      decode("CurrentTime", "<returnval>2026-11-22T17:00:00.123456Z</returnval>"):value())
    same({ type = "VirtualMachine", value = "vm-9" },
      decode("FindByUuid", '<returnval type="VirtualMachine">vm-9</returnval>'):value())
    same({ { type = "VirtualMachine", value = "vm-9" }, { type = "VirtualMachine", value = "vm-10" } },
      decode("FindAllByUuid", '<returnval type="VirtualMachine">vm-9</returnval>'
        .. '<returnval type="VirtualMachine">vm-10</returnval>'):value())
  end)

  it("is read once", function()
    local tape = decode("Logout")
    tape:value()
    assert.is_nil(tape:kind())
    assert.has_error(function() tape:value() end)
  end)

  it("can be any document when no method is given", function()
    local tape = assert(codec.decode(nil, '<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25'
      .. "</name><version>8.0.3.0</version><priorVersions><version>8.0.2.0</version><version>8.0.1.0</version>"
      .. "</priorVersions></namespace></namespaces>"))
    assert.equal("document", tape:kind())
    same({ namespace = { name = "urn:vim25", version = "8.0.3.0",
      priorVersions = { version = { "8.0.2.0", "8.0.1.0" } } } }, tape:value())
  end)

  it("to something else is refused", function()
    local tape, message, code = codec.decode("Logout", wire.answer("Login"))
    assert.same({ nil, "expected the response to Logout, got <LoginResponse>", "EPROTOCOL" }, { tape, message, code })
    for _, text in ipairs { "<html><body>Bad gateway</body></html>", "<Envelope/>", wire.answer("LogoutTwice") } do
      tape, _, code = codec.decode("Logout", text)
      assert.is_nil(tape)
      assert.equal("EPROTOCOL", code)
    end
    local empty = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>'
    assert.equal("EPROTOCOL", select(3, codec.decode("Logout", empty)))
  end)
end)

describe("references", function()
  it("are interned through the caller's table", function()
    local made, refs = {}, {}
    local function make(type, value)
      made[#made + 1] = type .. "/" .. value
      return { ref = #made }
    end
    local xml = '<returnval type="VirtualMachine">vm-9</returnval><returnval type="VirtualMachine">vm-9</returnval>'
      .. '<returnval type="Folder">group:with:colons</returnval>'
    local list = decode("FindAllByUuid", xml):value(refs, make)
    assert.same({ "VirtualMachine/vm-9", "Folder/group:with:colons" }, made)
    assert.is_true(rawequal(list[1], list[2]))
    assert.is_true(rawequal(list[1], decode("FindAllByUuid", xml):value(refs, make)[1]))
    assert.is_true(rawequal(list[1], refs["VirtualMachine:vm-9"]))
  end)

  it("survive a make that raises", function()
    local tape = decode("FindByUuid", '<returnval type="VirtualMachine">vm-9</returnval>')
    assert.has_error(function() tape:value({}, function() error("no", 0) end) end, "no")
    same({ type = "VirtualMachine", value = "vm-9" }, tape:value())
  end)
end)

describe("a typed table", function()
  local function result()
    return decode("RetrieveServiceContent", '<returnval><rootFolder type="Folder">group-d1</rootFolder>'
      .. '<propertyCollector type="PropertyCollector">pc</propertyCollector><viewManager type="ViewManager">v'
      .. "</viewManager><about><name>vCenter</name><fullName>f</fullName><vendor>v</vendor><version>8.0.3</version>"
      .. "<build>1</build><osType>linux</osType><productLineId>vpx</productLineId><apiType>VirtualCenter</apiType>"
      .. "<apiVersion>8.0.3.0</apiVersion></about></returnval>"):value()
  end

  it("has its type in its metatable, and raw only where the slot is polymorphic", function()
    local content = result()
    assert.is_nil(rawget(content, "_type"))
    assert.equal("ServiceContent", content._type)
    assert.equal("ServiceContent", codec.typeof(content))
    assert.equal("AboutInfo", codec.typeof(content.about))
    local device = property('<val xsi:type="VirtualDisk"><key>1</key><capacityInKB>2</capacityInKB></val>')
    assert.equal("VirtualDisk", rawget(device, "_type"))
    assert.is_nil(codec.typeof("text"))
    assert.is_nil(codec.typeof({}))
  end)

  it("gives nil for a field that is absent, and raises for one that its type does not have", function()
    local content = result()
    assert.is_nil(content.fileManager)
    assert.has_error(function() return content.rootFoldr end)
    local ok, message = pcall(function() return content.rootFoldr end)
    assert.is_false(ok)
    assert.matches("ServiceContent has no field 'rootFoldr' (did you mean 'rootFolder'?)", message, 1, true)
    assert.is_nil(content[1])
  end)

  it("can be walked, copied and written to", function()
    local content = result()
    local n = 0
    for _ in pairs(content) do n = n + 1 end
    assert.equal(4, n)
    content.extra = 5
    assert.equal(5, content.extra)
  end)

  it("shares one metatable per type", function()
    assert.equal(getmetatable(result()), getmetatable(result()))
  end)
end)

describe("values", function()
  it("have the type of their xsi:type", function()
    assert.equal("a & b < c", property '<val xsi:type="xsd:string">a &amp; b &lt; c</val>')
    assert.equal("é", property '<val xsi:type="xsd:string">&#233;</val>')
    assert.equal("<raw>", property '<val xsi:type="xsd:string"><![CDATA[<raw>]]></val>')
    assert.equal(math.mininteger, property '<val xsi:type="xsd:long">-9223372036854775808</val>')
    assert.equal("integer", math.type(property '<val xsi:type="xsd:int">5</val>'))
    assert.equal(0.5, property '<val xsi:type="xsd:double">0.5</val>')
    assert.equal(2.0, property '<val xsi:type="xsd:float">2</val>')
    assert.equal("float", math.type(property '<val xsi:type="xsd:float">2</val>'))
    assert.equal(math.huge, property '<val xsi:type="xsd:double">INF</val>')
    local nan = property '<val xsi:type="xsd:double">NaN</val>'
    assert.is_true(nan ~= nan)
    assert.equal("\0\1\2", property '<val xsi:type="xsd:base64Binary">\nAAEC\n</val>')
    assert.equal("", property '<val xsi:type="xsd:string"></val>')
    assert.equal("", property '<val xsi:type="xsd:string"/>')
    assert.equal("some", property "<val>some</val>")
    assert.equal("x", property '<val xsi:type="xsd:somethingNew">x</val>')
    assert.equal(nil, property '<val xsi:nil="true"/>')
  end)

  it("may be booleans as words or digits", function()
    for text, expected in pairs { ["true"] = true, ["1"] = true, ["false"] = false, ["0"] = false } do
      assert.equal(expected, property('<val xsi:type="xsd:boolean">' .. text .. "</val>"))
    end
  end)

  it("may be signed bytes and shorts written unsigned", function()
    assert.equal(-122, property '<val xsi:type="xsd:byte">134</val>')
    assert.equal(-122, property '<val xsi:type="xsd:byte">-122</val>')
    assert.equal(-32634, property '<val xsi:type="xsd:short">32902</val>')
    assert.equal(-32634, property '<val xsi:type="xsd:short">-32634</val>')
  end)

  it("that are not valid are an error, not a guess", function()
    for _, case in ipairs { { "int", "five" }, { "int", "5.5" }, { "int", "--5" }, { "boolean", "yes" },
      { "long", "12345678901234567890x" }, { "double", "1,5" }, { "base64Binary", "A*==" }, { "double", "0x10" } } do
      local tape, message, code = codec.decode("RetrievePropertiesEx", wire.page { { "Folder", "f",
        { { "p", ('<val xsi:type="xsd:%s">%s</val>'):format(case[1], case[2]) } } } })
      assert.is_nil(tape, case[2])
      assert.equal("EPROTOCOL", code)
      assert.matches(("val: '%s' is not a valid %s"):format(case[2], case[1]), message, 1, true)
    end
  end)

  it("may be enums and numbers left empty", function()
    local device = property('<val xsi:type="VirtualMachineRuntimeInfo"><connectionState></connectionState>'
      .. "<powerState/><faultToleranceState></faultToleranceState><maxCpuUsage/></val>")
    assert.equal("", device.powerState)
    assert.is_nil(device.maxCpuUsage)
  end)

  it("that are times can be turned into seconds", function()
    for text, seconds in pairs { ["1970-01-01T00:00:00Z"] = 0, ["2026-11-22T17:00:00Z"] = 1795366800,
      ["2026-11-22T17:00:00"] = 1795366800, ["2026-11-22T18:30:00.5+01:30"] = 1795366800.5,
      ["2026-11-22T12:00:00-05:00"] = 1795366800, ["2024-02-29T00:00:00.000000Z"] = 1709164800,
      ["0001-01-01T00:00:00Z"] = -62135596800, ["1969-12-31T23:59:59.250Z"] = -0.75 } do
      assert.equal(seconds, codec.time(text))
    end
    assert.equal("integer", math.type(codec.time "2026-11-22T17:00:00Z"))
    local seconds, message, code = codec.time "soon"
    assert.same({ nil, "'soon' is not a dateTime (2026-01-31T23:59:59Z)", "EVALUE" }, { seconds, message, code })
  end)

  it("in lists of ArrayOfX are plain lists that still know their type", function()
    local list = property '<val xsi:type="ArrayOfString"><string>a</string><string>b</string></val>'
    assert.same({ "a", "b" }, { table.unpack(list) })
    assert.is_nil(rawget(list, "_type"))
    assert.equal("ArrayOfString", codec.typeof(list))
    same({ 1, -2 }, property '<val xsi:type="ArrayOfByte"><byte>1</byte><byte>254</byte></val>')
    same({ { type = "HostSystem", value = "h" } }, property('<val xsi:type="ArrayOfManagedObjectReference">'
      .. '<ManagedObjectReference xsi:type="ManagedObjectReference" type="HostSystem">h</ManagedObjectReference></val>'))
    same({}, property '<val xsi:type="ArrayOfVirtualDevice"/>')
  end)

  it("are found by namespace, whatever the prefix", function()
    local text = wire.page({ { "Folder", "f", { { "p", '<val xmlns:_XMLSchema-instance='
      .. '"http://www.w3.org/2001/XMLSchema-instance" _XMLSchema-instance:type="xsd:int">7</val>' } } } })
    local tape = assert(codec.decode("RetrievePropertiesEx", text))
    local _, _, step = tape:page()
    assert.equal(7, select(2, step()).p)
    assert.equal(7, property('<v:val xmlns:v="urn:vim25" xmlns:q="http://www.w3.org/2001/XMLSchema" '
      .. 'xsi:type="q:int">7</v:val>'))
  end)
end)

describe("what a newer server sends", function()
  it("keeps unknown fields, a repeated one as a list", function()
    local value = property('<val xsi:type="OptionValue"><brandNew>5</brandNew><key>k</key><value xsi:type="xsd:int">1'
      .. "</value><many>a</many><many>b</many><deep><x>1</x><y><z>2</z></y></deep></val>")
    same({ _type = "OptionValue", key = "k", value = 1, brandNew = "5", many = { "a", "b" },
      deep = { x = "1", y = { z = "2" } } }, value)
  end)

  it("keeps an unknown type with its name, and reads what it inherits by the slot's type", function()
    local list = property('<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualQAT"><key>13</key>'
      .. '<backing xsi:type="VirtualQATBacking"><id>x</id></backing><size>5</size></VirtualDevice></val>')
    same({ { _type = "VirtualQAT", key = 13, backing = { _type = "VirtualQATBacking", id = "x" }, size = "5" } }, list)
    assert.is_nil(list[1].anythingElse)
    same({ _type = "BrandNewThing" }, property '<val xsi:type="BrandNewThing"/>')
    same({ { _type = "BrandNewThing", a = "1" } }, property('<val xsi:type="ArrayOfBrandNewThing"><BrandNewThing '
      .. 'xsi:type="BrandNewThing"><a>1</a></BrandNewThing></val>'))
  end)

  it("keeps unknown enum values", function()
    assert.equal("hibernated", property '<val xsi:type="VirtualMachinePowerState">hibernated</val>')
  end)

  it("joins a list whose elements do not stand together", function()
    local value = property('<val xsi:type="VirtualMachineConfigInfo"><extraConfig xsi:type="OptionValue"><key>a</key>'
      .. '</extraConfig><name>n</name><extraConfig xsi:type="OptionValue"><key>b</key></extraConfig><odd>1</odd>'
      .. "<name>m</name><odd>2</odd><odd>3</odd></val>")
    assert.equal("m", value.name)
    same({ "1", "2", "3" }, value.odd)
    assert.equal("a", value.extraConfig[1].key)
    assert.equal("b", value.extraConfig[2].key)
  end)
end)

describe("a page of objects", function()
  local answer = wire.page({
    { "VirtualMachine", "vm-1", { { "name", '<val xsi:type="xsd:string">one</val>' },
      { "runtime.powerState", '<val xsi:type="VirtualMachinePowerState">poweredOn</val>' } } },
    { "VirtualMachine", "vm-2", {}, "<missingSet><path>config</path><fault><fault xsi:type=\"NoPermission\">"
      .. '<object type="VirtualMachine">vm-2</object><privilegeId>System.Read</privilegeId></fault>'
      .. "<localizedMessage>no</localizedMessage></fault></missingSet>" },
  }, "17")

  it("gives its count, the token and one object per step", function()
    local tape = assert(codec.decode("RetrievePropertiesEx", answer))
    local count, token, step = tape:page()
    assert.same({ 2, "17" }, { count, token })
    local ref, properties, missing = step()
    assert.equal("vm-1", ref.value)
    same({ name = "one", ["runtime.powerState"] = "poweredOn" }, properties)
    assert.is_nil(missing)
    ref, properties, missing = step()
    assert.equal("vm-2", ref.value)
    same({}, properties)
    assert.equal("NoPermission", missing.config.fault._type)
    assert.equal("System.Read", missing.config.fault.privilegeId)
    assert.is_nil(step())
    assert.is_nil(step())
    assert.is_nil(tape:kind())
  end)

  it("may be empty, and may come from RetrieveProperties", function()
    local count, token, step = assert(codec.decode("RetrievePropertiesEx", wire.answer("RetrievePropertiesEx"))):page()
    assert.equal(0, count)
    assert.is_nil(token)
    assert.is_nil(step())
    local old = wire.answer("RetrieveProperties",
      '<returnval><obj type="Folder">f</obj><propSet><name>name</name><val xsi:type="xsd:string">x</val></propSet>'
      .. "</returnval>")
    count, token, step = assert(codec.decode("RetrieveProperties", old)):page()
    assert.equal(1, count)
    assert.is_nil(token)
    assert.equal("x", select(2, step()).name)
  end)

  it("is refused of another answer", function()
    assert.has_error(function() decode("Logout"):page() end)
  end)
end)

describe("a fault", function()
  local power_on = wire.fault('InvalidPowerStateFault xmlns="urn:vim25" xsi:type="InvalidPowerState">',
    "<faultMessage><key>msg.a</key><arg><key>1</key><value xsi:type=\"xsd:string\">x</value></arg><message>Module "
    .. "'DevicePowerOn' power on failed.</message></faultMessage><faultMessage><key>msg.b</key><message>Device is in "
    .. "use by desk-007.\n</message></faultMessage><requestedState>poweredOn</requestedState><existingState>poweredOff"
    .. "</existingState></InvalidPowerStateFault>", "The operation is not allowed.")

  it("gives every faultMessage, its type as the code, and the tree", function()
    local tape = assert(codec.decode("PowerOnVM_Task", power_on))
    assert.equal("fault", tape:kind())
    local message, code, detail = tape:fault()
    assert.equal("The operation is not allowed.; Module 'DevicePowerOn' power on failed.; Device is in use by "
      .. "desk-007.", message)
    assert.equal("InvalidPowerState", code)
    assert.equal("poweredOff", detail.fault.existingState)
    assert.equal("The operation is not allowed.", detail.string)
  end)

  it("includes its causes", function()
    local message, code, detail = assert(codec.decode("Login", wire.fault('HostConfigFaultFault xmlns="urn:vim25" '
      .. 'xsi:type="PlatformConfigFault">', "<faultCause><fault xsi:type=\"SystemError\"><reason>r</reason></fault>"
      .. "<localizedMessage>A deeper reason.</localizedMessage></faultCause><text>t</text></HostConfigFaultFault>",
      "Top."))):fault()
    assert.equal("Top.; A deeper reason.", message)
    assert.equal("PlatformConfigFault", code)
    assert.equal("SystemError", detail.fault.faultCause.fault._type)
  end)

  it("is named by its element when xsi:type is missing", function()
    local cases = { { "InvalidLoginFault", "InvalidLogin" }, { "HostConfigFaultFault", "HostConfigFault" },
      { "HostConfigFault", "HostConfigFault" }, { "BrandNewTroubleFault", "BrandNewTrouble" } }
    for _, case in ipairs(cases) do
      local message, code = assert(codec.decode("Login",
        wire.fault(case[1] .. ">", "</" .. case[1] .. ">", ""))):fault()
      assert.same({ case[2], case[2] }, { code, message })
    end
  end)

  it("of a newer server keeps its name and its messages", function()
    local message, code, detail = assert(codec.decode("Login", wire.fault('XFault xmlns="urn:vim25" '
      .. 'xsi:type="QuantumFlux">', "<faultMessage><key>k</key><message>Flux.</message></faultMessage><level>9</level>"
      .. "</XFault>"))):fault()
    assert.same({ "Flux.", "QuantumFlux", "9" }, { message, code, detail.fault.level })
  end)

  it("may have no detail at all", function()
    local message, code, detail = assert(codec.decode("Login", wire.envelope("<soapenv:Fault><faultcode>Server"
      .. "</faultcode><faultstring>Something broke</faultstring></soapenv:Fault>"))):fault()
    assert.same({ "Something broke", "SoapFault" }, { message, code })
    assert.is_nil(detail.fault)
  end)

  it("may have an undeclared prefix in its detail", function()
    local text = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultstring>f'
      .. '</faultstring><detail><InvalidLoginFault xsi:type="InvalidLogin"/></detail></e:Fault></e:Body></e:Envelope>'
    local _, code = assert(codec.decode("Login", text)):fault()
    assert.equal("InvalidLogin", code)
  end)

  it("is not read as a fault from a result", function()
    assert.has_error(function() decode("Logout"):fault() end)
  end)
end)
