-- A server that no longer knows the session may put the properties of an update in missingSet with NotAuthenticated, as it
-- does with those of a read (542, github.com/vmware/pyvmomi/issues/294). The wait failed; a read logged in again.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"

describe("an update whose properties are missing with NotAuthenticated", function()
  local server, vc

  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function() vc = gpupt.check(server:connect()) end)
  after_each(function()
    vc:close()
    server:calm()
  end)

  local REFUSED = [[b'<returnval><version>1</version><filterSet><filter type="PropertyFilter">filter</filter><objectSet>'
    b'<kind>enter</kind><obj type="HostSystem">h</obj><missingSet><path>name</path><fault><fault xsi:type="NotAuthenticated">'
    b'<object type="HostSystem">h</object><privilegeId>System.View</privilegeId></fault><localizedMessage></localizedMessage>'
    b'</fault></missingSet></objectSet></filterSet></returnval>']]
  local SHOWN = [[b'<returnval><version>2</version><filterSet><filter type="PropertyFilter">filter</filter><objectSet>'
    b'<kind>enter</kind><obj type="HostSystem">h</obj><changeSet><name>name</name><op>assign</op>'
    b'<val xsi:type="xsd:string">esx-1</val></changeSet></objectSet></filterSet></returnval>']]

  local function wait()
    return vc:wait_for(vc:ref "HostSystem:h", "name", function(values) return values.name end, { timeout = 20 })
  end

  it("is waited for with a new session", function()
    server:answer("WaitForUpdatesEx", ("a.soap(%s if a.count() == 1 else %s)"):format(REFUSED, SHOWN))
    assert.equal("esx-1", (gpupt.check(wait())))
    assert.equal(2, server:requests "Login")
    assert.equal(2, server:requests "CreatePropertyCollector")
  end)

  it("is the failure if a new session changes nothing: no login for each answer", function()
    server:answer("WaitForUpdatesEx", ("a.soap(%s)"):format(REFUSED))
    local started = server:requests "Login"
    for _ = 1, 3 do
      local found, message, code = wait()
      assert.is_nil(found)
      assert.equal("NotAuthenticated", code)
      assert.truthy(message:find("name of HostSystem:h", 1, true), message)
    end
    assert.equal(started + 1, server:requests "Login")
  end)
end)
