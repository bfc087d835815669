--- What stays and what is replaced, on XML as servers send it.
local names = require "gpupt.record.names"
local redact = require "gpupt.record.redact"

local HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
  .. 'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
  .. 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'

local function redacted(xml, known) return assert(redact.envelope(HEAD .. xml .. "</soapenv:Body></soapenv:Envelope>", known or names.new())) end

--- The value of a property, recorded.
local function property(managed, path, value, known)
  local text = redacted(('<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects><obj type="%s">x-1</obj>'
    .. '<propSet><name>%s</name>%s</propSet></objects></returnval></RetrievePropertiesExResponse>'):format(managed, path, value), known)
  return text:match "</name>%s*(.-)%s*</propSet>"
end

local function value(managed, path, text, kind)
  return property(managed, path, ('<val xsi:type="xsd:%s">%s</val>'):format(kind or "string", text)):match ">(.-)</val>"
end

describe("a recorded text", function()
  it("is replaced in a field that holds a name, and in one that the schema does not have", function()
    assert.equal("vm_1", value("VirtualMachine", "name", "train-01"))
    assert.equal("host_1", value("HostSystem", "name", "esx-01.example.com"))
    assert.equal("text_1", value("VirtualMachine", "config.annotation", "call 4711"))
    assert.equal("text_1", value("VirtualMachine", "config.newInVersion12", "secret"))
    assert.equal("text_1", value("NewManager", "name", "secret"))
  end)

  it("is replaced in a field that may stay, if it has another form", function()
    assert.equal("8.0.3", value("HostSystem", "config.product.version", "8.0.3"))
    assert.equal("text_1", value("HostSystem", "config.product.version", "acme"))
    assert.equal("ubuntu64Guest", value("VirtualMachine", "config.guestId", "ubuntu64Guest"))
    assert.equal("text_1", value("VirtualMachine", "config.guestId", "acmeHost"))
  end)

  it("is replaced where an extension or an account may have chosen it", function()
    assert.equal("text_1", value("VirtualMachine", "config.guestFullName", "Acme Linux (64-bit)"))
    assert.equal("VirtualMachine.powerOn", value("Task", "info.descriptionId", "VirtualMachine.powerOn"))
    assert.equal("text_1", value("Task", "info.descriptionId", "com.acme.backup"))
    assert.equal("PowerOnVM_Task", value("Task", "info.name", "PowerOnVM_Task"))
    assert.equal("text_1", value("Task", "info.name", "AcmeBackup"))
  end)

  it("keeps values of enums, also in fields that are declared as texts, and no others", function()
    assert.equal("entering", value("HostSystem", "runtime.standbyMode", "entering"))
    assert.equal("text_1", value("HostSystem", "runtime.standbyMode", "acme"))
    assert.equal("poweredOn", value("HostSystem", "runtime.powerState", "poweredOn"))
    assert.equal("text_1", value("HostSystem", "runtime.powerState", "acme"))
    assert.equal("vm_1", value("VirtualMachine", "name", "poweredOn"))
  end)

  it("has the same stand-in wherever it is a whole value or a part of a path", function()
    local known = names.new()
    local vm = property("VirtualMachine", "name", '<val xsi:type="xsd:string">train-01</val>', known)
    assert.matches(">vm_1<", vm, 1, true)
    assert.equal("[datastore_1] vm_1/vm_1.vmx", known:value "[ssd 1] train-01/train-01.vmx")
    assert.equal("[datastore_1] vm_1/vmware.log", known:value "[ssd 1] train-01/vmware.log")
    assert.equal("/text_1/vm/vm_1", known:value "/DC/vm/train-01")
    assert.equal("ds:///vmfs/volumes/text_2/", known:value "ds:///vmfs/volumes/5f3a-77/")
    assert.not_equal("vm_1", known:value "train-011")
    assert.not_equal("vm_1", known:value "Train-01")
  end)

  it("keeps the form of UUIDs and addresses", function()
    local known = names.new()
    local uuid = known:value "4D91AE2C-8181-59de-ab34-a13e480b23fb"
    assert.equal("00000000-0000-4000-8000-000000000001", uuid)
    assert.equal(uuid, known:value "4d91ae2c-8181-59de-ab34-a13e480b23fb")
    assert.equal("198.18.0.1", known:value "10.1.2.3")
    assert.equal("2001:db8::1", known:value "fe80::250:56ff:fe12:3456")
    assert.equal("02:00:00:00:00:01", known:value "00:50:56:12:34:56")
    assert.equal("00000000-0000-4000-8000-000000000002", known:value "4d91ae2c-8181-59de-ab34-a13e480b23fc")
  end)

  it("is replaced in attributes", function()
    local text = redacted('<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval><rootFolder type="Folder" '
      .. 'serverGuid="4d91ae2c-8181-59de-ab34-a13e480b23fb" acme="acme">group-d1</rootFolder></returnval>'
      .. '</RetrieveServiceContentResponse>')
    assert.is_nil(text:find "4d91ae2c")
    assert.is_nil(text:find '="acme"')
    assert.matches(">group%-d1<", text)
  end)

  it("is replaced in a reference that holds what it stands for", function()
    local function reference(kind, id)
      return property("HostSystem", "parent", ('<val type="%s" xsi:type="ManagedObjectReference">%s</val>'):format(kind, id)):match ">(.-)</val>"
    end
    for _, id in ipairs { "host-42", "domain-c8", "group-d1", "ha-host", "42" } do assert.equal(id, reference("HostSystem", id)) end
    assert.equal("propertyCollector", reference("PropertyCollector", "propertyCollector"))
    for kind, id in pairs { Network = "HaNetwork-VM Network", Datastore = "10.1.2.3:/vol/acme",
      ContainerView = "session[4d91ae2c-8181-59de-ab34-a13e480b23fb]5278", Folder = "acme" } do
      assert.equal("object_1", reference(kind, id))
    end
  end)

  it("is replaced as CDATA, with entities and in other encodings of characters", function()
    assert.equal("vm_1", value("VirtualMachine", "name", "<![CDATA[tr<a>in]]>"))
    assert.equal("vm_1", value("VirtualMachine", "name", "&#x74;rain &amp; co"))
    assert.is_nil(redact.envelope('<?xml version="1.0" encoding="UTF-16"?><a/>', names.new()))
    assert.is_nil(redact.envelope("a\0b", names.new()))
  end)

  it("is not kept in a comment or in an instruction", function()
    assert.equal("vm_1", value("VirtualMachine", "name", "x<!-- acme --><?acme acme?>"))
  end)

  it("is replaced in settings: keys and values, unless both are VMware's own", function()
    local function option(key, text)
      local xml = property("VirtualMachine", "config.extraConfig", ('<val xsi:type="ArrayOfOptionValue"><OptionValue><key>%s</key>'
        .. '<value xsi:type="xsd:string">%s</value></OptionValue></val>'):format(key, text))
      return xml:match "<key>(.-)</key>" .. " = " .. xml:match "<value[^>]*>(.-)</value>"
    end
    assert.equal("pciPassthru.use64bitMMIO = TRUE", option("pciPassthru.use64bitMMIO", "TRUE"))
    assert.equal("pciPassthru0.id = 00000:059:00.0", option("pciPassthru0.id", "00000:059:00.0"))
    assert.equal("pciPassthru0.customLabel = text_1", option("pciPassthru0.customLabel", "acme"))
    assert.equal("svga.present = text_1", option("svga.present", "acme"))
    assert.equal("option_1 = text_1", option("guestinfo.acme", "TRUE"))
    assert.equal("option_1 = text_1", option("pciPassthru.acme", "1"))
  end)

  it("is replaced in property paths with a key", function()
    local text = redacted('<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this><specSet>'
      .. '<propSet><type>VirtualMachine</type><pathSet>config.extraConfig["guestinfo.acme"]</pathSet><pathSet>config.name</pathSet>'
      .. '</propSet></specSet><options/></RetrievePropertiesEx>')
    assert.is_nil(text:find "acme")
    assert.matches('config.extraConfig[&quot;option_1&quot;]', text, 1, true)
    assert.matches("<pathSet>config.name</pathSet>", text, 1, true)
  end)
end)

describe("a recorded number", function()
  it("stays in a field that the schema has", function()
    assert.equal("549755813888", value("HostSystem", "hardware.memorySize", "549755813888", "long"))
  end)

  it("is replaced in a field that the schema does not have, and where it identifies something", function()
    assert.equal("0", value("HostSystem", "hardware.acmeNumber", "4711", "long"))
    local xml = property("HostSystem", "config.storageDevice.hostBusAdapter", '<val xsi:type="ArrayOfHostHostBusAdapter">'
      .. '<HostHostBusAdapter xsi:type="HostFibreChannelHba"><portWorldWideName>2377900720412</portWorldWideName></HostHostBusAdapter></val>')
    assert.matches("<portWorldWideName>1<", xml, 1, true)
  end)

  it("is replaced where it is a byte of a certificate", function()
    local xml = property("HostSystem", "config.certificate", '<val xsi:type="ArrayOfByte"><byte>77</byte><byte>-12</byte></val>')
    assert.is_nil(xml:find "77")
    assert.is_nil(xml:find "12")
  end)
end)

describe("a recorded message", function()
  local function message(text)
    return redacted('<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>' .. text .. '</faultstring><detail>'
      .. '<GenericVmConfigFaultFault xmlns="urn:vim25" xsi:type="GenericVmConfigFault"/></detail></soapenv:Fault>')
      :match "<faultstring>(.-)</faultstring>"
  end

  it("keeps the words that gpupt knows, and no others", function()
    assert.equal("Module 'DevicePowerOn' power on failed.", message "Module 'DevicePowerOn' power on failed.")
    assert.equal("Device 0000:3b:00.0 is in use by (...)", message "Device 0000:3b:00.0 is in use by train-01.acme.com")
    assert.equal("The host (...) is not responding.", message "The host 'on' is not responding.")
    assert.equal("The operation failed: (...)", message "The operation failed: 10.1.2.3, esx-01, /vmfs/volumes/x, 00:50:56:12:34:56")
    assert.equal("license (...)", message "license AB12C-00000-11111-22222-33333 YWNtZQ==")
  end)

  it("keeps the kind of the fault", function()
    local text = redacted('<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>x</faultstring><detail>'
      .. '<InvalidNameFault xmlns="urn:vim25" xsi:type="InvalidName"><name>acme</name></InvalidNameFault></detail></soapenv:Fault>')
    assert.matches('xsi:type="InvalidName"', text, 1, true)
    assert.is_nil(text:find "acme")
  end)
end)
