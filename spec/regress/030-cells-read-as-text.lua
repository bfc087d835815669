--- A page's token, names and references were taken as text without a look at what they are: a token that said it was a
-- number was read as an address, so that the client's memory went to the server, or the client crashed. Whatever does
-- not fit its place is EPROTOCOL; nothing that a server sends raises a Lua error.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"
local net = require "gpupt.net"
local wire = require "spec.codec.wire"

describe("an answer whose values do not fit their fields", function()
  local server, vc
  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    server:calm()
    vc = gpupt.check(server:connect())
  end)
  after_each(function() vc:close() end)

  local object = '<objects><obj type="Folder">f</obj><propSet><name>name</name><val xsi:type="xsd:string">n</val>'
    .. "</propSet></objects>"

  local function page(inside)
    server:answer("RetrievePropertiesEx", ("a.soap(b'''<returnval>%s</returnval>''')"):format(inside))
  end

  -- Reading properties and collecting objects give nil, message, EPROTOCOL.
  local function refused(pattern)
    local value, message, code = vc.content.rootFolder:get { "name" }
    assert.is_nil(value)
    assert.are.equal("EPROTOCOL", code, message)
    if pattern then assert.matches(pattern, message) end
    value, message, code = vc:collect_all { type = "Folder", paths = { "name" } }
    assert.is_nil(value)
    assert.are.equal("EPROTOCOL", code, message)
    local ok, err = pcall(function()
      for _ in vc:collect { type = "Folder", paths = { "name" } } do error("an object came", 0) end
    end)
    assert.is_false(ok)
    assert.are.equal("EPROTOCOL", type(err) == "table" and err.code or err)
  end

  it("gives no memory to the server through a token that is a number", function()
    for _, number in ipairs { "17", "281474976710656", "4294967297", "-1", "68719476735" } do
      server:answer("ContinueRetrievePropertiesEx", "a.soap(b'')")
      page(object .. '<token xsi:type="xsd:long">' .. number .. "</token>")
      refused "token"
    end
    assert.are.equal(0, server:requests "ContinueRetrievePropertiesEx")
  end)

  it("is refused for a token of any other kind", function()
    for _, token in ipairs { '<token xsi:type="xsd:double">1e300</token>', '<token xsi:type="xsd:boolean">true</token>',
      '<token xsi:type="ArrayOfString"><string>a</string></token>', '<token xsi:type="Description"/>',
      '<token xsi:type="ManagedObjectReference" type="Folder">f</token>', '<token xsi:nil="true"/>' } do
      page(object .. token)
      refused()
    end
  end)

  it("is refused for a property without a name, or with an invalid name", function()
    for _, name in ipairs { "", '<name xsi:nil="true"/>', '<name xsi:type="xsd:double">NaN</name>',
      '<name xsi:type="xsd:long">5</name>', '<name xsi:type="ManagedObjectReference" type="Folder">f</name>' } do
      page('<objects><obj type="Folder">f</obj><propSet>' .. name .. '<val xsi:type="xsd:string">n</val></propSet></objects>')
      refused "name"
    end
  end)

  it("is refused for an object without a reference, or with another value instead", function()
    for _, obj in ipairs { "", '<obj xsi:nil="true"/>', '<obj xsi:type="xsd:string">f</obj>',
      '<obj xsi:type="xsd:double">NaN</obj>', '<obj xsi:type="ObjectContent"/>' } do
      page("<objects>" .. obj .. '<propSet><name>name</name><val xsi:type="xsd:string">n</val></propSet></objects>')
      refused "obj"
    end
  end)

  it("is refused for a missing property without a path", function()
    for _, path in ipairs { "", '<path xsi:nil="true"/>', '<path xsi:type="xsd:int">1</path>' } do
      page('<objects><obj type="Folder">f</obj><missingSet>' .. path .. '<fault><fault xsi:type="NoPermission"/>'
        .. "<localizedMessage>no</localizedMessage></fault></missingSet></objects>")
      refused "path"
    end
  end)

  it("is refused for a property whose value is not of the schema's kind", function()
    for _, value in ipairs { '<val xsi:type="xsd:int">5</val>', '<val xsi:type="ArrayOfString"><string>a</string></val>',
      '<val xsi:type="ManagedObjectReference" type="Folder">f</val>', '<val xsi:type="Description"/>' } do
      page('<objects><obj type="Folder">f</obj><propSet><name>name</name>' .. value .. "</propSet></objects>")
      refused "name"
    end
  end)

  it("is refused for a list instead of one value, or a number instead of a list", function()
    page('<objects xsi:type="xsd:int">5</objects>')
    refused()
    page('<objects xsi:type="ArrayOfObjectContent"/>')
    refused()
  end)

  it("is refused for another type than the method gives", function()
    server:answer("RetrievePropertiesEx", [[a.soap(b'<returnval xsi:type="xsd:long">281474976710656</returnval>')]])
    refused()
    server:answer("RetrievePropertiesEx", [[a.soap(b'<returnval xsi:type="ArrayOfString"/>')]])
    refused()
  end)

  it("ends a wait for a task", function()
    local task = vc:ref "Task:t"
    local part = '<filterSet><filter type="PropertyFilter">filter</filter><objectSet><kind>enter</kind><obj type="Task">t'
      .. "</obj><changeSet>%s</changeSet></objectSet></filterSet>"
    local good = '<name>info.state</name><op>assign</op><val xsi:type="TaskInfoState">success</val>'
    for _, set in ipairs {
      part:format(good), -- no version
      '<version xsi:type="xsd:long">5</version>' .. part:format(good),
      '<version xsi:nil="true"/>' .. part:format(good),
      "<version>1</version>" .. part:format(good:gsub("<name>info.state</name>", "")),
      "<version>1</version>" .. part:format(good:gsub("<name>info.state</name>", '<name xsi:type="xsd:double">NaN</name>')),
      "<version>1</version>" .. part:format((good:gsub('xsi:type="TaskInfoState">success', 'xsi:type="xsd:int">5'))),
      "<version>1</version>" .. part:format((good:gsub('"TaskInfoState">success', '"TaskInfo"><key>k</key>'))),
      "<version>1</version>" .. part:gsub('<filter type="PropertyFilter">filter</filter>', ""):format(good),
      "<version>1</version>" .. part:gsub('<obj type="Task">t</obj>', ""):format(good),
      "<version>1</version><truncated>perhaps</truncated>" .. part:format(good),
    } do
      server:answer("WaitForUpdatesEx", ("a.soap(b'''<returnval>%s</returnval>''')"):format(set))
      local result, message, code = vc:wait(task, { timeout = 5 })
      assert.is_nil(result)
      assert.are.equal("EPROTOCOL", code, set .. "\n" .. tostring(message))
    end
  end)

  it("is refused where a method must give something and gives nothing", function()
    for _, nothing in ipairs { "", '<returnval xsi:nil="true"/>' } do
      server:answer("CreateContainerView", ("a.soap(b'%s')"):format(nothing))
      local value, message, code = vc:collect_all { type = "Folder", paths = { "name" } }
      assert.is_nil(value)
      assert.are.equal("EPROTOCOL", code, message)
    end
  end)

  it("is still read where a server is only newer: unknown types, fields and enum values", function()
    page('<objects xsi:type="NewObjectContent"><obj type="Folder" xsi:type="NewReference">f</obj><propSet><name '
      .. 'xsi:type="xsd:newString">name</name><val xsi:type="xsd:string">n</val><more>1</more></propSet><new>2</new></objects>')
    assert.are.same({ name = "n" }, (gpupt.check(vc.content.rootFolder:get { "name" })))
  end)

  it("is refused for an invalid fault, and the server's own words are kept", function()
    for _, detail in ipairs { '<x xsi:type="xsd:long">281474976710656</x>', '<x xsi:type="ArrayOfString"/>',
      '<x xsi:type="Description"><label>l</label></x>', "<string>s</string>" } do
      server:answer("RetrievePropertiesEx", ("a.fault(b'''%s''', b'Something broke.')"):format(detail))
      local value, message, code, more = vc.content.rootFolder:get { "name" }
      assert.is_nil(value)
      assert.matches("Something broke%.", message)
      assert.is_string(code)
      assert.is_true(more.fault == nil or type(more.fault) == "table")
    end
    server:answer("RetrievePropertiesEx", [[a.fault(b'<x xsi:type="Unheard"><faultMessage xsi:type="xsd:boolean">1</faultMessage>'
      b'<missingPrivileges>5</missingPrivileges></x>', b"Something broke.")]])
    local value, _, code = vc.content.rootFolder:get { "name" }
    assert.is_nil(value)
    assert.is_string(code)
  end)

  it("is refused at the decoder for every scalar field of another kind", function()
    local kinds = { string = '<%s xsi:type="xsd:long">5</%s>', int = '<%s xsi:type="xsd:string">x</%s>',
      boolean = '<%s xsi:type="xsd:string">true</%s>', long = '<%s xsi:type="ArrayOfLong"/><%s/>' }
    local tried = 0
    for _, name in ipairs { "VirtualMachineConfigInfo", "HostPciDevice", "TaskInfo", "VirtualMachineSummary" } do
      for _, field in ipairs(net.schema.type(name).fields) do
        local xml = kinds[field.type]
        if xml and not field.array then
          local tape, message, code = net.codec.decode("RetrievePropertiesEx", wire.page { { "Folder", "f",
            { { "p", ('<val xsi:type="%s">%s</val>'):format(name, xml:format(field.name, field.name)) } } } })
          assert.is_nil(tape, name .. "." .. field.name)
          assert.are.equal("EPROTOCOL", code)
          assert.matches(field.name, message, 1, true)
          tried = tried + 1
        end
      end
    end
    assert.is_true(tried > 30)
  end)
end)
