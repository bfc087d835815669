local net = require "gpupt.net"
local schema = net.schema

local function names(list)
  local out = {}
  for i, item in ipairs(list) do out[i] = item.name end
  return out
end

describe("the schema of vim25 9.1", function()
  it("has the whole model", function()
    assert.is_true(#schema.types "data" >= 3030)
    assert.is_true(#schema.types "enum" >= 446)
    assert.is_true(#schema.types "managed" >= 140)
    local methods = 0
    for _, managed in ipairs(schema.types "managed") do
      for _, name in ipairs(schema.methods(managed)) do
        if schema.method(name).owner == managed then methods = methods + 1 end
      end
    end
    assert.is_true(methods >= 975)
  end)

  it("describes a data type with its fields in the order of the wire, inherited ones first", function()
    local disk = schema.type "VirtualDisk"
    assert.equal("data", disk.kind)
    assert.equal("VirtualDevice", disk.base)
    local fields = names(disk.fields)
    assert.same({ "key", "deviceInfo", "backing" }, { table.unpack(fields, 1, 3) })
    assert.equal("capacityInKB", fields[#schema.type "VirtualDevice".fields + 1])
    assert.equal("VirtualDevice", disk.fields[1].owner)
  end)

  it("has required, optional, secret and list fields and the version of each", function()
    local by_name = {}
    for _, field in ipairs(schema.type "HostPciPassthruConfig".fields) do by_name[field.name] = field end
    assert.is_true(by_name.id.required)
    assert.is_nil(by_name.applyNow.required)
    assert.equal("7.0.0.0", by_name.applyNow.version)
    assert.equal("boolean", by_name.applyNow.type)
    local change
    for _, field in ipairs(schema.type "VirtualMachineConfigSpec".fields) do
      if field.name == "deviceChange" then change = field end
    end
    assert.is_true(change.array)
    local password
    for _, field in ipairs(schema.type "NamePasswordAuthentication".fields) do
      if field.name == "password" then password = field end
    end
    assert.is_true(password.secret)
  end)

  it("marks what is abstract, extended or a fault", function()
    assert.is_true(schema.type "VirtualDevice".abstract)
    assert.is_nil(schema.type "OptionValue".abstract)
    assert.is_true(schema.type "OptionValue".extended)
    assert.is_true(schema.type "HostConfigFault".fault)
    assert.is_nil(schema.type "DynamicData".fault)
  end)

  it("adds the types that the tables lack", function()
    assert.same({ "faultCause", "faultMessage" }, names(schema.type "MethodFault".fields))
    assert.equal("LocalizedMethodFault", schema.type "MethodFault".fields[1].type)
    assert.same({ "fault", "localizedMessage" }, names(schema.type "LocalizedMethodFault".fields))
    assert.equal("MethodFault", schema.type "LocalizedMethodFault".fields[1].type)
    assert.same({}, schema.type "DynamicData".fields)
  end)

  it("describes a managed type with properties, privileges and methods", function()
    local host = schema.type "HostSystem"
    assert.equal("managed", host.kind)
    local by_name = {}
    for _, property in ipairs(host.properties) do by_name[property.name] = property end
    assert.equal("HostHardwareInfo", by_name.hardware.type)
    assert.equal("System.Read", by_name.alarmActionsEnabled.privilege)
    assert.equal("System.View", schema.privileges "HostSystem".properties.name)
  end)

  it("describes a method: parameters, result, task, privilege, faults", function()
    local method = schema.method "UpdatePassthruConfig"
    assert.equal("HostPciPassthruSystem", method.owner)
    assert.same({ "config" }, names(method.params))
    assert.equal("void", method.result.type)
    assert.equal("Host.Config.PciPassthru", method.privilege)
    assert.same({ "HostConfigFault" }, method.faults)
    assert.is_nil(method.task)
    local clone = schema.method "CloneVM_Task"
    assert.is_true(clone.task)
    assert.equal("VirtualMachine", clone.task_result.type)
    assert.equal("Host.Config.PciPassthru", schema.privileges "UpdatePassthruConfig".method)
    assert.same({ entity = "Global.SetCustomField" }, schema.privileges "SetField".params)
  end)

  it("finds a method on the type that inherits it, and not on another", function()
    assert.same({ "Rename_Task", true }, { schema.find("VirtualMachine", "Rename_Task") })
    assert.same({ "setCustomValue", false }, { schema.find("VirtualMachine", "setCustomValue") })
    local found, message, code = schema.find("HostSystem", "PowerOnVM_Task")
    assert.is_nil(found)
    assert.equal("ENOENT", code)
    assert.matches("HostSystem has no method 'PowerOnVM_Task'", message, 1, true)
  end)

  it("names the nearest name for a misspelt one", function()
    local _, message = schema.find("VirtualMachine", "PowerOnVM")
    assert.matches("did you mean 'PowerOnVM_Task'?", message, 1, true)
    _, message = schema.type "VirtualMachineConfigSpek"
    assert.matches("did you mean 'VirtualMachineConfigSpec'?", message, 1, true)
    local value, text, code = schema.enum "NoSuchThingAtAll"
    assert.same({ nil, "vim25 has no enum 'NoSuchThingAtAll'", "ENOENT" }, { value, text, code })
  end)

  it("lists an enum and the subtypes of a type, and tests for inheritance", function()
    assert.same({ "poweredOff", "poweredOn", "suspended" }, schema.enum "VirtualMachinePowerState")
    assert.same({ "TraversalSpec" }, schema.subtypes "SelectionSpec")
    assert.is_true(schema.is_a("ClusterComputeResource", "ComputeResource"))
    assert.is_false(schema.is_a("ComputeResource", "ClusterComputeResource"))
    assert.is_true(schema.is_a("VirtualDisk", "DynamicData"))
    assert.is_true(schema.is_a("HostSystem", "ManagedObjectReference"))
  end)

  it("has no managed type with a property that is also a method", function()
    for _, managed in ipairs(schema.types "managed") do
      local methods = {}
      for _, name in ipairs(schema.methods(managed)) do methods[name] = true end
      for _, property in ipairs(schema.type(managed).properties) do
        assert.is_nil(methods[property.name], managed .. "." .. property.name)
      end
    end
  end)
end)

describe("versions", function()
  it("are listed oldest first, without internal milestones", function()
    local list = schema.versions()
    assert.equal("2.5", list[1])
    assert.equal("9.1.1.0", list[#list])
    assert.equal("9.1.1.0", schema.newest())
    for _, name in ipairs(list) do assert.matches("^%d", name) end
  end)

  it("are chosen: the newest of a server's list that is known", function()
    assert.equal("8.0.2.0", schema.choose { "6.7", "8.0.2.0", "99.0.0.0", "7.0.3.0" })
    local version, _, code = schema.choose { "99.0", "urn" }
    assert.is_nil(version)
    assert.equal("EVERSION", code)
  end)

  it("may leave out zeroes at the end", function()
    assert.is_true(schema.knows "8.0.3")
    assert.is_true(schema.knows "9.1")
    assert.is_false(schema.knows "8.0.9")
    assert.is_false(schema.knows "")
    assert.is_false(schema.knows "8.0.3.0.")
  end)
end)
