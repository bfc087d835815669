local net = require "gpupt.net"
local wire = require "spec.codec.wire"
local codec = net.codec

local function encode(method, type, args, options)
  return codec.encode(method, type, "obj-1", args, options)
end

--- The request's parameters as XML.
local function xml(method, type, args, options)
  local body = assert(encode(method, type, args, options))
  return (wire.body(body:bytes()):match("</_this>(.*)</" .. method .. ">$"))
end

local function reconfigure(spec, options)
  return encode("ReconfigVM_Task", "VirtualMachine", { spec = spec }, options)
end

local function refusal(message, code, ...)
  local body, text, word = ...
  assert.is_nil(body)
  assert.equal(message, text)
  assert.equal(code, word)
end

local function option(value)
  return xml("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = value } } })
    :match("<value.*</value>")
end

describe("a request", function()
  it("is an envelope with the method in urn:vim25, this and the parameters in declared order", function()
    local body = assert(codec.encode("Login", "SessionManager", "SessionManager",
      { password = "p", userName = "u" }, { version = "8.0.3.0" }))
    assert.equal('<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
      .. "<userName>u</userName><password>p</password></Login>", wire.body(body:bytes()))
    assert.equal("urn:vim25/8.0.3.0", body:action())
    assert.equal("Login", body:method())
    assert.equal(#body:bytes(), #body)
  end)

  it("carries an operation id in its header when one is given", function()
    local body = assert(encode("CurrentTime", "ServiceInstance", nil, { operation_id = "run<1>" }))
    assert.matches("<soapenv:Header><operationID>run&lt;1&gt;</operationID></soapenv:Header>", body:bytes(), 1, true)
    assert.is_nil(encode("CurrentTime", "ServiceInstance"):bytes():match("Header"))
  end)

  it("writes fields in the schema's order, base fields first, whatever the table's order", function()
    assert.equal('<spec><name>n</name><memoryMB>4096</memoryMB><deviceChange xsi:type="VirtualDeviceConfigSpec">'
      .. '<operation>add</operation><device xsi:type="VirtualPCIPassthrough"><key>-100</key>'
      .. '<backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><deviceName></deviceName><allowedDevice>'
      .. "<vendorId>4318</vendorId><deviceId>7864</deviceId></allowedDevice></backing></device></deviceChange>"
      .. "<firmware>efi</firmware></spec>",
      xml("ReconfigVM_Task", "VirtualMachine", { spec = { firmware = "efi", memoryMB = 4096.0, name = "n",
        deviceChange = { { operation = "add", device = { _type = "VirtualPCIPassthrough", key = -100, backing = {
          _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "",
          allowedDevice = { { vendorId = 4318, deviceId = 7864 } } } } } } } }))
  end)

  it("escapes text so that an XML parser gives it back", function()
    local spec = xml("ReconfigVM_Task", "VirtualMachine", { spec = { annotation = "a & b < c > \"d\" ]]>\r\n\t" } })
    assert.equal("<spec><annotation>a &amp; b &lt; c &gt; &quot;d&quot; ]]&gt;&#13;\n\t</annotation></spec>", spec)
  end)

  it("leaves out what is absent, and empty lists", function()
    assert.equal("<spec></spec>", xml("ReconfigVM_Task", "VirtualMachine", { spec = { extraConfig = {} } }))
  end)

  it("writes managed objects from anything with a raw type and value", function()
    assert.equal('<host type="HostSystem">host-9</host>',
      xml("MigrateVM_Task", "VirtualMachine", { host = { type = "HostSystem", value = "host-9", client = {} },
        priority = "defaultPriority" }):match("<host.*</host>"))
  end)

  it("accepts what was decoded: the metatable has the type", function()
    local answer = wire.page { { "VirtualMachine", "vm-1", { { "config.hardware.device",
      '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualPCIPassthrough"><key>13000</key>'
      .. "</VirtualDevice></val>" } } } }
    local _, _, step = assert(codec.decode("RetrievePropertiesEx", answer)):page()
    local _, properties = step()
    local device = properties["config.hardware.device"][1]
    assert.matches('<device xsi:type="VirtualPCIPassthrough"><key>13000</key></device>',
      xml("ReconfigVM_Task", "VirtualMachine",
        { spec = { deviceChange = { { operation = "remove", device = device } } } }), 1, true)
    assert.equal('<value xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualPCIPassthrough">'
      .. "<key>13000</key></VirtualDevice></value>", option(properties["config.hardware.device"]))
  end)

  it("runs no metamethod of the tables that it reads", function()
    local trap = setmetatable({ firmware = "efi" }, {
      __index = function() error "__index ran" end, __pairs = function() error "__pairs ran" end,
      __len = function() error "__len ran" end })
    assert.equal("<spec><firmware>efi</firmware></spec>", xml("ReconfigVM_Task", "VirtualMachine", { spec = trap }))
  end)
end)

describe("a value in an anyType slot", function()
  it("maps strings, booleans and floats by itself", function()
    assert.equal('<value xsi:type="xsd:string">a&amp;b</value>', option "a&b")
    assert.equal('<value xsi:type="xsd:boolean">true</value>', option(true))
    assert.equal('<value xsi:type="xsd:double">0.1</value>', option(0.1))
  end)

  it("needs the type of an integer", function()
    refusal("changedValue[1].value: an integer in an anyType field needs a type: vim.int(5), vim.long(5), "
      .. "vim.short(5) or vim.byte(5)", "EARGUMENT",
      encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = 5 } } }))
    assert.equal('<value xsi:type="xsd:int">5</value>', option(codec.wrap("int", 5)))
    assert.equal('<value xsi:type="xsd:long">5</value>', option(codec.wrap("long", 5)))
    assert.equal('<value xsi:type="xsd:short">-5</value>', option(codec.wrap("short", -5)))
    assert.equal('<value xsi:type="xsd:dateTime">1970-01-01T00:00:00Z</value>', option(codec.wrap("dateTime", 0)))
    assert.equal('<value xsi:type="xsd:base64Binary">AP9h</value>', option(codec.wrap("base64Binary", "\0\255a")))
    assert.equal('<value xsi:type="VirtualMachinePowerState">poweredOn</value>',
      option(codec.wrap("VirtualMachinePowerState", "poweredOn")))
  end)

  it("is a managed object, a typed object or a typed list", function()
    assert.equal('<value xsi:type="ManagedObjectReference" type="Folder">group-v3</value>',
      option { type = "Folder", value = "group-v3" })
    assert.equal('<value xsi:type="OptionValue"><key>a</key><value xsi:type="xsd:string">b</value></value>',
      option { _type = "OptionValue", key = "a", value = "b" })
    assert.equal('<value xsi:type="ArrayOfString"><string>a</string><string>b</string></value>',
      option { _type = "ArrayOfString", "a", "b" })
    assert.equal('<value xsi:type="ArrayOfInt"><int>1</int></value>', option { _type = "ArrayOfInt", 1 })
    for _, kind in ipairs { "void", "ArrayOfVoid", "ArrayOfArrayOfString" } do -- a name of the table, and no type
      local _, message, code = encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k",
        value = { _type = kind, value = "x" } } } })
      assert.equal("EARGUMENT", code)
      assert.matches("vim25 has no type '" .. kind .. "'", message, 1, true)
    end
    refusal("changedValue[1].value: a table in an anyType field needs _type", "EARGUMENT",
      encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = { a = 1 } } } }))
  end)

  it("is wrapped only when it can be", function()
    assert.has_error(function() codec.wrap("VirtualDisk", 5) end)
    assert.has_error(function() codec.wrap("int") end)
    assert.equal("int(5)", tostring(codec.wrap("int", 5)))
    assert.is_true(codec.wrap("int", 5) == codec.wrap("int", 5))
    assert.is_false(codec.wrap("int", 5) == codec.wrap("long", 5))
  end)
end)

describe("a refusal names the path and", function()
  local remove_disk = { operation = "remove", device = { _type = "VirtualDisk", key = 2000, capacityInKB = 0 } }

  it("the nearest name for an unknown field, argument or type", function()
    refusal("spec: VirtualMachineConfigSpec has no field 'firmwar' (did you mean 'firmware'?)", "EARGUMENT",
      reconfigure { firmwar = "efi" })
    refusal("ReconfigVM_Task has no argument 'spek' (did you mean 'spec'?)", "EARGUMENT",
      encode("ReconfigVM_Task", "VirtualMachine", { spec = {}, spek = {} }))
    refusal("spec.deviceChange[2].device: vim25 has no type 'VirtualDisc' (did you mean 'VirtualDisk'?)",
      "EARGUMENT", reconfigure { deviceChange = { remove_disk, { device = { _type = "VirtualDisc" } } } })
  end)

  it("the wrong Lua type", function()
    refusal("spec.deviceChange[2].device.backing.deviceId: expects string, got an integer", "EARGUMENT",
      reconfigure { deviceChange = { remove_disk, { device = { _type = "VirtualPCIPassthrough", key = 1, backing = {
        _type = "VirtualPCIPassthroughDeviceBackingInfo", deviceName = "", id = "0000:3b:00.0", deviceId = 8373,
        systemId = "x", vendorId = 4318 } } } } })
    refusal("spec.memoryMB: expects long, got a string", "EARGUMENT", reconfigure { memoryMB = "4096" })
    refusal("spec.files: expects an object of type VirtualMachineFileInfo, got a boolean", "EARGUMENT",
      reconfigure { files = true })
    refusal("spec.firmware: expects string, got a table", "EARGUMENT", reconfigure { firmware = {} })
    refusal("spec.files: got function", "EARGUMENT", reconfigure { files = print })
    refusal("host: expects a managed object (HostSystem), got a string", "EARGUMENT",
      encode("MigrateVM_Task", "VirtualMachine", { host = "host-9", priority = "defaultPriority" }))
  end)

  it("a list where one is expected, one where a list is expected, a list with holes", function()
    refusal("spec.files: expects one VirtualMachineFileInfo, got a list", "EARGUMENT",
      reconfigure { files = { { vmPathName = "x" } } })
    refusal("spec.extraConfig: expects a list of OptionValue, got one table with names: put it in braces",
      "EARGUMENT", reconfigure { extraConfig = { key = "a", value = "b" } })
    refusal("spec.extraConfig: expects a list of OptionValue, got string: put it in braces", "EARGUMENT",
      reconfigure { extraConfig = "a" })
    local holes = { { key = "a", value = "b" }, [3] = { key = "c", value = "d" } }
    local body, message = reconfigure { extraConfig = holes }
    assert.is_nil(body)
    assert.matches("spec.extraConfig: expects a list of OptionValue", message, 1, true)
  end)

  it("what is missing", function()
    refusal("required argument 'spec' is missing", "EARGUMENT", encode("ReconfigVM_Task", "VirtualMachine"))
    refusal("spec.deviceChange[1]: required field 'device' is missing", "EARGUMENT",
      reconfigure { deviceChange = { { operation = "add" } } })
    refusal("required argument 'config' is missing", "EARGUMENT",
      encode("UpdatePassthruConfig", "HostPciPassthruSystem", { config = {} }))
  end)

  it("the misspelt name, where a required one is missing because of it", function()
    refusal("spec.deviceChange[1]: VirtualDeviceConfigSpec has no field 'devise' (did you mean 'device'?)", "EARGUMENT",
      reconfigure { deviceChange = { { operation = "add", devise = {} } } })
    refusal("ReconfigVM_Task has no argument 'spek' (did you mean 'spec'?)", "EARGUMENT",
      encode("ReconfigVM_Task", "VirtualMachine", { spek = {} }))
    refusal("spec.deviceChange[1]: expects an object of type VirtualDeviceConfigSpec, got a list or keys that are not names",
      "EARGUMENT", reconfigure { deviceChange = { { operation = "add", [true] = 1 } } })
  end)

  it("an abstract slot without _type, with examples", function()
    local body, message, code = reconfigure { deviceChange = { { device = { key = 1 } } } }
    assert.is_nil(body)
    assert.equal("EARGUMENT", code)
    assert.matches("spec.deviceChange[1].device: VirtualDevice is abstract: set _type to a concrete type", message, 1, true)
  end)

  it("a type that does not fit the slot", function()
    refusal("spec.deviceChange[1].device: expects VirtualDevice, got OptionValue", "EARGUMENT",
      reconfigure { deviceChange = { { device = { _type = "OptionValue" } } } })
    refusal("host: expects a HostSystem, got a VirtualMachine", "EARGUMENT",
      encode("MigrateVM_Task", "VirtualMachine", { host = { type = "VirtualMachine", value = "vm-1" },
        priority = "defaultPriority" }))
    refusal("ReconfigVM_Task is a method of VirtualMachine, not of HostSystem", "EARGUMENT",
      encode("ReconfigVM_Task", "HostSystem", { spec = {} }))
  end)

  it("an enum's nearest value", function()
    refusal("spec.deviceChange[1].operation: 'ad' is not a VirtualDeviceConfigSpecOperation (did you mean 'add'?)",
      "ERANGE", reconfigure { deviceChange = { { operation = "ad", device = { _type = "VirtualDisk" } } } })
  end)

  it("numbers that do not fit", function()
    refusal("spec.numCPUs: 2147483648 does not fit int (-2147483648 to 2147483647)", "ERANGE",
      reconfigure { numCPUs = 2147483648 })
    refusal("spec.numCPUs: 1.5 is not a whole number", "ERANGE", reconfigure { numCPUs = 1.5 })
    local _, message, code = reconfigure { memoryMB = 0 / 0 }
    assert.matches("spec.memoryMB: .*nan does not fit long", message)
    assert.equal("ERANGE", code)
    _, message = reconfigure { memoryMB = 1e300 }
    assert.matches("spec.memoryMB: 1.*e%+300 does not fit long", message)
    _, message = encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = 1 / 0 } } })
    assert.equal("changedValue[1].value: inf does not fit double", message)
    _, message = encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k",
      value = codec.wrap("byte", 128) } } })
    assert.equal("changedValue[1].value: 128 does not fit byte (-128 to 127)", message)
    assert.equal('<value xsi:type="xsd:double">9007199254740992</value>', option(codec.wrap("double", 1 << 53)))
    for _, number in ipairs { (1 << 53) + 1, -(1 << 53) - 1, math.maxinteger } do
      refusal(("changedValue[1].value: %d does not fit double, which would change it"):format(number), "ERANGE",
        encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = codec.wrap("double", number) } } }))
    end
    assert.equal('<value xsi:type="xsd:double">-9.223372036854776e+18</value>', option(codec.wrap("double", math.mininteger)))
  end)

  it("text that XML does not allow", function()
    refusal("spec.annotation: the text is not valid UTF-8 (at byte 2)", "ERANGE", reconfigure { annotation = "a\xff" })
    for _, text in ipairs { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80" } do
      local body, message = reconfigure { annotation = text }
      assert.is_nil(body)
      assert.matches("is not valid UTF-8", message, 1, true)
    end
    refusal("spec.annotation: the text has a control character, which XML does not allow (at byte 3)", "ERANGE",
      reconfigure { annotation = "ab\0c" })
    local _, message = reconfigure { annotation = "\u{FFFE}" }
    assert.matches("U+FFFE", message, 1, true)
    assert.is_truthy(reconfigure { annotation = "\u{10FFFF}\u{FFFD}\u{E000}\t\n\r" })
  end)

  it("dates that are none", function()
    local function at(when)
      return encode("CreateScheduledTask", "ScheduledTaskManager", { entity = { type = "Folder", value = "f" },
        spec = { name = "n", description = "", enabled = true, action = { _type = "MethodAction", name = "m" },
          scheduler = { _type = "OnceTaskScheduler", runAt = when } } })
    end
    for _, good in ipairs { "2026-02-28T23:59:59Z", "2024-02-29T00:00:00.123456+05:30", "2026-01-01T00:00:00" } do
      assert.is_truthy(at(good))
    end
    for _, wrong in ipairs { "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z",
      "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+5", "yesterday", "" } do
      local body, message, code = at(wrong)
      assert.is_nil(body, wrong)
      assert.equal("ERANGE", code)
      assert.matches("spec.scheduler.runAt: '.*' is not a dateTime", message)
    end
    assert.matches("<runAt>2026%-11%-22T17:00:00.500Z</runAt>", at(1795366800.5):bytes())
  end)

  it("that a table contains itself", function()
    local loop = { _type = "AndAlarmExpression" }
    loop.expression = { loop }
    local body, message, code = encode("CreateAlarm", "AlarmManager", { entity = { type = "Folder", value = "f" },
      spec = { name = "n", description = "", enabled = true, expression = loop } })
    assert.is_nil(body)
    assert.equal("EARGUMENT", code)
    assert.matches("^spec.expression.expression%[1%].*nested deeper than 100 levels", message)
  end)

  it("that the server is too old for a field, a type or a method", function()
    refusal("config[1].applyNow: requires vSphere API version 7.0.0.0; this server supports 6.7", "EVERSION",
      encode("UpdatePassthruConfig", "HostPciPassthruSystem",
        { config = { { id = "0000:3b:00.0", passthruEnabled = true, applyNow = true } } }, { version = "6.7" }))
    local _, message, code = encode("ReconfigVM_Task", "VirtualMachine", { spec = { deviceChange = { { device = {
      _type = "VirtualPCIPassthrough", key = 1,
      backing = { _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "" } } } } } }, { version = "6.5" })
    assert.equal("EVERSION", code)
    assert.matches("^spec.deviceChange%[1%].device.backing: VirtualPCIPassthroughDynamicBackingInfo requires vSphere API version",
      message)
    _, message, code = encode("QueryDirectoryInfo", "DatastoreNamespaceManager", { stableName = "x" },
      { version = "7.0.3.0" })
    assert.equal("EVERSION", code)
    assert.equal("QueryDirectoryInfo requires vSphere API version 8.0.1.0; this server supports 7.0.3.0", message)
    refusal("changedValue[1].value: ClusterComputeResourceVcsHealthStatus requires vSphere API version 7.0.1.1; this server "
      .. "supports 6.5", "EVERSION", encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k",
      value = codec.wrap("ClusterComputeResourceVcsHealthStatus", "healthy") } } }, { version = "6.5" }))
  end)
end)

describe("a secret", function()
  local function login()
    return assert(encode("Login", "SessionManager", { userName = "u", password = "correct horse" }))
  end

  it("is marked, and left out of what a trace shows", function()
    local body = login()
    assert.is_true(body:secret())
    assert.matches("correct horse", body:bytes(), 1, true)
    assert.is_nil(body:redacted():find("correct horse", 1, true))
    assert.matches('<userName>u</userName><password missing="secret"/></Login>', body:redacted(), 1, true)
    assert.is_false(assert(encode("CurrentTime", "ServiceInstance")):secret())
  end)

  it("is found deep inside a value", function()
    local body = assert(encode("ValidateCredentialsInGuest", "GuestAuthManager", {
      vm = { type = "VirtualMachine", value = "vm-1" },
      auth = { _type = "NamePasswordAuthentication", interactiveSession = false, username = "u", password = "s3cret" } }))
    assert.is_true(body:secret())
    assert.is_nil(body:redacted():find("s3cret", 1, true))
    assert.matches('<username>u</username><password missing="secret"/></auth>', body:redacted(), 1, true)
  end)

  it("is taken out of every type and every method that has one", function()
    local schema, values = net.schema, require "spec.codec.values"
    local count = 0
    local function hidden(body, what)
      assert.is_truthy(body:bytes():find("s3cret-mark", 1, true), what)
      assert.is_nil(body:redacted():find("s3cret-mark", 1, true), what)
      assert.is_true(body:secret())
      count = count + 1
    end
    local function marked(field) return field.array and { "s3cret-mark" } or "s3cret-mark" end
    for _, name in ipairs(schema.types "data") do
      for _, field in ipairs(schema.type(name).fields) do
        if field.secret and field.type == "string" then
          local value = values.of(name, "9.1.0.0", 0)
          value[field.name] = marked(field)
          hidden(assert(encode("UpdateOptions", "OptionManager", { changedValue = { { key = "k", value = value } } })),
            name .. "." .. field.name)
        end
      end
    end
    for _, managed in ipairs(schema.types "managed") do
      for _, name in ipairs(schema.methods(managed)) do
        local method, args = schema.method(name), {}
        local secret = false
        for _, param in ipairs(method.params) do
          if param.secret and param.type == "string" then
            args[param.name], secret = marked(param), true
          elseif param.required then
            args[param.name] = values.slot(param, "9.1.0.0", 0)
          end
        end
        if secret and method.owner == managed then hidden(assert(encode(name, managed, args)), name) end
      end
    end
    assert.is_true(count > 30, count)
  end)

  it("is the value of an option with a secret key", function()
    local function with_key(key)
      return assert(reconfigure { extraConfig = { { key = "a", value = "plain" }, { key = key, value = "s3cret-mark" } } })
    end
    for _, key in ipairs { "RemoteDisplay.vnc.password", "guestinfo.userdata", "guestinfo.domainPassword", "x.TOKEN" } do
      local text = with_key(key):redacted()
      assert.is_nil(text:find("s3cret-mark", 1, true), key)
      assert.matches("<key>" .. key .. '</key><value missing="secret"/>', text, 1, true)
      assert.matches('<value xsi:type="xsd:string">plain</value>', text, 1, true)
    end
    assert.matches("s3cret-mark", with_key "pciPassthru.64bitMMIOSizeGB":redacted(), 1, true)
  end)

  it("is wiped with the body", function()
    local body = login()
    body:release()
    assert.has_error(function() body:bytes() end, "calling 'bytes' on bad self (the request has already been released)")
  end)
end)
