-- The journal kept the mode of an existing file, followed symbolic links, and stored guestinfo, arguments of guest programs
-- and answer files in the arguments of calls.
local probe_of = require "spec.support.probe"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local MARK = "s3cret-Mark"

describe("a journal", function()
  local dir

  setup(function() dir = vcenter.shell "mktemp -d -t gpupt-journal.XXXXXX":match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function started(path)
    local book = assert(store.open(path))
    assert(book:begin { id = "r" .. os.tmpname():gsub("%W", ""), playbook = "p" })
    return book
  end

  it("is readable only by its owner, with its log and index, whatever the earlier modes", function()
    local path = dir .. "/a.db"
    local book = started(path)
    assert(os.execute(("chmod 666 %s %s-wal %s-shm"):format(path, path, path)))
    local second = started(path)
    for _, suffix in ipairs { "", "-wal", "-shm" } do
      assert.equal("600", probe_of.mode(path .. suffix), suffix)
    end
    second:close()
    book:close()
  end)

  it("is readable only by its owner even if the umask allows more", function()
    local path = dir .. "/b.db"
    vcenter.write(path, "")
    assert(os.execute("chmod 666 " .. path))
    local book = started(path)
    for _, suffix in ipairs { "", "-wal", "-shm" } do
      assert.equal("600", probe_of.mode(path .. suffix), suffix)
    end
    book:close()
  end)

  for _, suffix in ipairs { "", "-wal", "-shm", "-journal" } do
    it(("is not opened through a symbolic link (NAME%s)"):format(suffix), function()
      local path = ("%s/c%s.db"):format(dir, suffix)
      vcenter.write(dir .. "/victim", "precious\n")
      assert(os.execute(("ln -s %s/victim %s%s"):format(dir, path, suffix)))
      local book, message, code = store.open(path)
      assert.is_nil(book)
      assert.equal("ELOOP", code)
      assert.matches("symbolic link", message, 1, true)
      assert.equal("precious\n", vcenter.read(dir .. "/victim"))
    end)
  end

  it("may be in a folder that is a symbolic link", function()
    assert(os.execute(("mkdir %s/real && ln -s real %s/folder"):format(dir, dir)))
    started(dir .. "/folder/d.db"):close()
    assert.equal("600", probe_of.mode(dir .. "/real/d.db"))
  end)

  it("stores no secret of a call's arguments", function()
    local probe = probe_of.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "vm", host = "h1", datastore = "ds-1", memory_mb = 1024,
        disk_gb = 10, guest = "ubuntu64Guest", firmware = "efi" } } } }
    local result, _, rows = probe.l:apply(([[
local step = p.step { name = "probe.call", scope = "vms",
  observe = function() return {} end,
  plan = function() return { { what = "configure" } } end,
  apply = function(ctx, target)
    assert(ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { annotation = "kept", extraConfig = {
      { key = "guestinfo.userdata", value = %q }, { key = "some.password", value = %q } } } }))
    ctx:call(target, target.ref, "CheckCustomizationSpec", { spec = { globalIPSettings = {}, nicSettingMap = {},
      identity = { _type = "CustomizationSysprepText", value = %q } } })
    ctx:call(target, ctx.vc:ref("CustomizationSpecManager", "x"), "XmlToCustomizationSpecItem", { specItemXml = %q })
    return true
  end,
  prove = function() return "done" end }
return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm", step {} } }]]):format(MARK, MARK, MARK, MARK))
    assert.equal("done", result and result.status, result and result.targets[1].message)
    local text = {}
    for _, row in ipairs(rows) do text[#text + 1] = tostring(row.detail) end
    text = table.concat(text, "\n")
    assert.matches('"kept"', text, 1, true)
    assert.is_nil(text:find(MARK, 1, true), text)
    assert.is_nil(text:find("(not kept)", 1, true))
    probe:stop()
  end)
end)
