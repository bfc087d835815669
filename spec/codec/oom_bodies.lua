--- What csrc/test/oomhost.c runs while memory fails: see spec/codec/oom_spec.lua.
-- A function ends normally, or raises anything but WRONG: a result that is not what it should be.
local net = require "gpupt.net"
local wire = require "spec.codec.wire"
local codec, schema = net.codec, net.schema

local function expect(condition, what)
  if not condition then error("WRONG: " .. tostring(what), 0) end
end

--- nil, message, code is a valid end when the code means out of memory. (libxml2 may also call a name that it had no
-- memory for not well-formed.)
local function got(value, message, code)
  if value ~= nil then return value end
  expect(code == "ENOMEM" or code == "EXML" or code == nil and message == nil, message)
  error("out of memory", 0)
end

local page = wire.page({
  { "VirtualMachine", "vm-1", { { "name", '<val xsi:type="xsd:string">one &amp; two</val>' },
    { "config.hardware.device", '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualDisk"><key>2000'
      .. '</key><capacityInKB>7</capacityInKB></VirtualDevice><VirtualDevice xsi:type="VirtualQAT"><key>1</key><foo>'
      .. "<bar>1</bar><bar>2</bar></foo></VirtualDevice></val>" },
    { "mixed", '<val xsi:type="VirtualMachineConfigInfo"><extraConfig xsi:type="OptionValue"><key>a</key>'
      .. '</extraConfig><name>n</name><extraConfig xsi:type="OptionValue"><key>b</key></extraConfig></val>' },
    { "raw", '<val xsi:type="xsd:base64Binary">AAEC</val>' } } },
}, "17")

local fault = wire.fault('InvalidPowerStateFault xmlns="urn:vim25" xsi:type="InvalidPowerState">',
  "<faultMessage><key>k</key><message>Device is in use.</message></faultMessage><requestedState>poweredOn"
  .. "</requestedState></InvalidPowerStateFault>", "Not allowed.")

local spec = { firmware = "efi", memoryMB = 4096, annotation = ("x"):rep(300),
  extraConfig = { { key = "a", value = "b" }, { key = "c", value = codec.wrap("int", 5) } },
  deviceChange = { { operation = "add", device = { _type = "VirtualPCIPassthrough", key = -1, backing = {
    _type = "VirtualPCIPassthroughDeviceBackingInfo", deviceName = "gpu", id = "0000:3b:00.0", deviceId = "20b5",
    systemId = "s", vendorId = 4318 } } } } }

local bodies = {}

function bodies.encode()
  local body = got(codec.encode("ReconfigVM_Task", "VirtualMachine", "vm-1", { spec = spec }, { operation_id = "x" }))
  expect(body:bytes():find("<id>0000:3b:00.0</id>", 1, true), "the body")
end

function bodies.secrets()
  local body = got(codec.encode("Login", "SessionManager", "s", { userName = "u", password = ("p"):rep(500) }))
  local text = body:redacted()
  expect(text:find('<password missing="secret"/>', 1, true), "what is redacted")
  body:release()
end

function bodies.security()
  local header = "<wsse:Security>" .. ("t"):rep(500) .. "</wsse:Security>"
  local body = got(codec.encode("LoginByToken", "SessionManager", "s", {}, { operation_id = "x", security = header, body_id = "_1" }))
  expect(body:bytes():find(header, 1, true) and body:bytes():find(' wsu:Id="_1">', 1, true), "the header")
  expect(body:redacted():find("<wsse:Security missing=\"secret\"/>", 1, true), "what is redacted")
  body:release()
end

function bodies.refusal()
  local body, message, code = codec.encode("ReconfigVM_Task", "VirtualMachine", "v", { spec = { firmwar = 1 } })
  expect(body == nil, "a wrong request was written")
  if code ~= "ENOMEM" then expect(message:find("did you mean 'firmware'?", 1, true), message) end
end

function bodies.decode()
  local tape = got(codec.decode("RetrievePropertiesEx", { page:sub(1, 100), page:sub(101, 500), page:sub(501) }))
  local value = tape:value()
  local set = value.objects[1].propSet
  expect(set[1].val == "one & two" and set[2].val[1].capacityInKB == 7 and set[2].val[2].foo.bar[2] == "2", "values")
  expect(set[3].val.extraConfig[2].key == "b" and set[4].val == "\0\1\2", "values")
end

function bodies.page()
  local refs = {}
  local tape = got(codec.decode("RetrievePropertiesEx", page))
  local count, token, step = tape:page(refs, function(type, value) return { type = type, value = value } end)
  expect(count == 1 and token == "17", "the page")
  for ref, properties in step do
    expect(ref.value == "vm-1" and properties.name == "one & two", "the object")
  end
end

function bodies.fault()
  local message, code, detail = got(codec.decode("Login", fault)):fault()
  expect(message == "Not allowed.; Device is in use." and code == "InvalidPowerState", message)
  expect(detail.fault.requestedState == "poweredOn", "detail")
end

function bodies.broken()
  for _, text in ipairs { "<a><b></a>", "<!DOCTYPE x><x/>", "", "<html/>" } do
    local tape, _, code = codec.decode("Logout", text)
    expect(tape == nil and code, "a broken answer was read")
  end
end

function bodies.schema()
  expect(schema.type "VirtualDisk".fields[1].name == "key", "the type")
  expect(schema.method "CloneVM_Task".task, "the method")
end

function bodies.open()
  package.loaded["gpupt.net"] = nil
  local again = require "gpupt.net"
  package.loaded["gpupt.net"] = net
  expect(again.codec.encode and again.schema.type, "the library")
end

return bodies
