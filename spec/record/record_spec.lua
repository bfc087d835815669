--- gpupt.record: the folder, what is sent while it is written, and what happens when it cannot be.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("a recording", function()
  local l, folder
  setup(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = { { name = "vm-a", host = "esx-1" } } } }
  end)
  before_each(function() folder = vcenter.shell("mktemp -d -t gpupt-record.XXXXXX"):match "%S+" end)
  after_each(function() os.execute("rm -rf " .. folder) end)
  teardown(function() l:stop() end)

  local function gpupt_recorded(path, words) return l:command(words, { env = { GPUPT_RECORD = path } }) end

  it("is written by vim --record too, and says what it is", function()
    local result = l:command { "vim", "get", "/DC0/vm/vm-a", "--property", "name", "--record", folder .. "/a" }
    assert.equal(0, result.status, result.err)
    assert.matches("vm-a", result.out, 1, true)
    local readme = vcenter.read(folder .. "/a/README.txt")
    assert.matches("gpupt vim get /name_1/vm/name_2 --property name --record", readme, 1, true)
    assert.matches("grep -ri 'NAME' .", readme, 1, true)
    assert.matches("\n0001-vimServiceVersions.txt\n", "\n" .. vcenter.shell("ls " .. folder .. "/a"), 1, true)
  end)

  it("takes a folder that is new or empty", function()
    assert.equal(0, gpupt_recorded(folder, { "gpus" }).status)
    assert.equal("700", vcenter.shell("stat -c %a " .. folder):match "%d+")
  end)

  it("refuses a folder with files, a file and a link, before it connects", function()
    vcenter.write(folder .. "/mine", "mine")
    os.execute(("ln -s /tmp %s.link"):format(folder))
    finally(function() os.remove(folder .. ".link") end)
    for _, path in ipairs { folder, folder .. "/mine", folder .. ".link" } do
      l.sim:forget()
      local result = gpupt_recorded(path, { "gpus" })
      assert.equal(1, result.status)
      assert.matches("the recording: " .. path, result.err, 1, true)
      assert.same({}, l.sim:calls())
    end
    assert.equal("mine", vcenter.read(folder .. "/mine"))
  end)

  it("sends nothing that changes something", function()
    l.sim:forget()
    local result = gpupt_recorded(folder .. "/a", { "vim", "PowerOnVM_Task", "/DC0/vm/vm-a" })
    assert.equal(1, result.status)
    assert.matches("PowerOnVM_Task is not sent while a recording is written", result.err, 1, true)
    assert.same({}, l:changing())
    assert.equal(0, l.sim:calls "PowerOnVM_Task")
    assert.equal("poweredOff", gpupt.check(gpupt.check(l:client():one "/DC0/vm/vm-a"):get "runtime.powerState"))
  end)

  it("refuses apply at once", function()
    l.sim:forget()
    local result = gpupt_recorded(folder .. "/a", { "apply", "examples/first_light.lua" })
    assert.equal(2, result.status)
    assert.matches("apply cannot be recorded", result.err, 1, true)
    assert.same({}, l.sim:calls())
    assert.is_nil(vcenter.read(folder .. "/a/README.txt"))
  end)

  it("sends no upload, deletion or move of a file", function()
    local record = gpupt.check(gpupt.record.open(folder .. "/a"))
    local vc = gpupt.check(gpupt.vim.connect(l.sim:options { record = record }))
    finally(function() vc:close() end)
    l.sim:forget()
    vcenter.write(folder .. "/file", "x")
    for _, results in ipairs { table.pack(vc.datastore:upload(folder .. "/file", "[ds-1] x")),
      table.pack(vc.datastore:delete "[ds-1] x"), table.pack(vc.datastore:mkdir "[ds-1] x") } do
      assert.is_nil(results[1])
      assert.equal("ERECORD", results[3])
    end
    assert.same({}, l:changing())
  end)

  it("logs out, and has neither the password nor the session", function()
    assert.equal(0, gpupt_recorded(folder .. "/a", { "gpus" }).status)
    l.sim:close_all()
    l.vc = nil
    assert.equal(0, l.sim:leftovers().sessions)
    local text = vcenter.shell("cat " .. folder .. "/a/*")
    assert.is_nil(text:find(l.sim.ready.password, 1, true))
    assert.is_nil(text:find("vmware_soap_session", 1, true))
    assert.is_nil(vcenter.read(folder .. "/a/0003-Login.txt"):find("== request", 1, true))
  end)

  it("has faults and failed logins", function()
    local result = l:command({ "gpus" }, { env = { GPUPT_RECORD = folder .. "/a", GOVC_PASSWORD = "wrong-4711" } })
    assert.equal(3, result.status)
    local text = vcenter.read(folder .. "/a/0003-Login.txt")
    assert.matches("result: fault", text, 1, true)
    assert.matches('xsi:type="InvalidLogin"', text, 1, true)
    assert.is_nil(vcenter.shell("cat " .. folder .. "/a/*"):find("4711", 1, true))
  end)

  it("has what did not come: the status of another answer", function()
    l.sim:trouble({ method = "CreateContainerView" }, { kind = "status", code = 404 })
    finally(function() l.sim:calm() end)
    local result = gpupt_recorded(folder .. "/a", { "gpus" })
    assert.equal(1, result.status)
    assert.matches("result: failed EHTTP", vcenter.shell("cat " .. folder .. "/a/*CreateContainerView*"), 1, true)
  end)

  it("ends the command with a clear error on a full disk", function()
    local enter = vcenter.shell "id -u" == "0\n" and "unshare -m" or "unshare -rm"
    local out = vcenter.shell(("%s true && echo yes 2>&1"):format(enter))
    if out ~= "yes\n" then return pending "cannot mount here" end
    local result = l:command({ "gpus" }, { env = { GPUPT_RECORD = folder .. "/disk/a" }, before = ("mkdir %s/disk; "
      .. "exec %s sh -c 'mount -t tmpfs -o size=16k none %s/disk && exec \"$@\"' -"):format(folder, enter, folder) })
    assert.equal(1, result.status)
    assert.matches("the recording cannot be written: .*No space left on device", result.err)
  end)

  it("of two connections of a program goes to one folder", function()
    local record = gpupt.check(gpupt.record.open(folder .. "/a"))
    assert.equal(record, gpupt.check(gpupt.record.open(folder .. "/a")))
    assert.equal("text_1", record:standin "esx-1")
    assert.equal("text_1", record:standin "esx-1")
  end)
end)

describe("what may be sent during a recording", function()
  it("are methods that read, log in, and ask for what the session's end removes", function()
    for _, name in ipairs { "RetrievePropertiesEx", "ContinueRetrievePropertiesEx", "WaitForUpdatesEx", "QueryConfigTarget", "Login",
      "CreateContainerView", "CreateListView", "ModifyListView", "DestroyView", "CreateFilter", "DestroyPropertyFilter", "SearchDatastore_Task", "CurrentTime",
      "HasPrivilegeOnEntities", "FindByInventoryPath" } do
      assert.is_true(gpupt.record.reads(name), name)
    end
  end)

  it("is no other method of the whole API: every task, every ticket, everything in a guest", function()
    for _, name in ipairs { "PowerOnVM_Task", "ReconfigVM_Task", "CancelTask", "AcquireTicket", "AcquireCloneTicket", "AcquireGenericServiceTicket",
      "RefreshDatastore", "UpdatePassthruConfig", "CreateFolder", "Destroy_Task", "ValidateCredentialsInGuest", "ReadEnvironmentVariableInGuest",
      "TerminateSession", "Logout" } do
      assert.is_false(gpupt.record.reads(name), name)
    end
    local schema = gpupt.vim.schema
    for _, kind in ipairs(schema.types "managed") do
      for _, name in ipairs(schema.methods(kind)) do
        if gpupt.record.reads(name) and name:find "_Task$" then
          assert.matches("^SearchDatastore", name)
        end
      end
    end
  end)
end)
