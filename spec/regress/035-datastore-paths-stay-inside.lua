--- "[ds] a/../../b" went to the server as it stood: HTTP folds the dots away and deletes or reads another file than a
-- person reads in the path. Such paths are refused wherever one is taken.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"
local vcenter = require "spec.support.vcenter"

local bad = { "[ds] ..", "[ds] .", "[ds] a/../b", "[ds] a/./b", "[ds] ../b", "[ds] a/..", "[ds] a/.", "[ds] a/../", "[ds] a//b",
  "[ds] a\\..\\b", "[ds] a\\b", "[ds] a\nb", "[ds] a\0b", "[ds] a\27[2Jb", "[ds] a\127", "[d\ns] a", "[ds] a/ .. /b", "[ds] \194\133",
  "[..] a", "[.] a", "[a/b] c" }
local good = { "[ds] a/b", "[ds] a/b/", "[ds] a b/c", "[ds] ..a/b..", "[ds] .hidden/x", "[ds] a/...", "[ds] ä/b#c%2e%2e", "[ds] /a/b",
  "[ds]a/b" }

describe("a datastore path with parts that lead elsewhere", function()
  local server, vc, ds, here
  setup(function()
    server = liar.start()
    here = server.dir .. "/local"
    vcenter.write(here, "text")
  end)
  teardown(function() server:stop() end)
  before_each(function()
    server:calm()
    server:datastore()
    vc = gpupt.check(server:connect())
    ds = vc.datastore
    gpupt.check(vc.content.rootFolder ~= nil)
    vcenter.write(server.dir .. "/log", "")
  end)
  after_each(function() vc:close() end)

  local doors = {
    list = function(path) return ds:list(path) end,
    stat = function(path) return ds:stat(path) end,
    download = function(path) return ds:download(path, server.dir .. "/target") end,
    text = function(path) return ds:text(path) end,
    upload = function(path) return ds:upload(here, path) end,
    mkdir = function(path) return ds:mkdir(path) end,
    delete = function(path) return ds:delete(path) end,
    ["move from"] = function(path) return ds:move(path, "[ds] x") end,
    ["move to"] = function(path) return ds:move("[ds] x", path) end,
  }
  for name, door in pairs(doors) do
    it("is refused by " .. name .. ", and nothing is sent", function()
      for _, path in ipairs(bad) do
        local value, message, code = door(path)
        assert.is_nil(value, path)
        assert.are.equal("EINVAL", code, path)
        assert.is_nil(message:find "[%c]", message)
      end
      assert.are.equal(0, server:requests())
    end)
  end

  it("is refused by read", function()
    for _, path in ipairs(bad) do
      local ok, err = pcall(function() for _ in ds:read(path) do error "never" end end)
      assert.is_false(ok)
      assert.are.equal("EINVAL", err.code)
    end
    assert.are.equal(0, server:requests())
  end)

  it("is refused by a playbook before anything is asked", function()
    for _, field in ipairs { "iso", "answer", "tools" } do
      local paths = { iso = "[ds] a.iso", answer = "[ds] b.iso", tools = "[ds] c.iso" }
      paths[field] = "[ds] media/../../other.iso"
      local book = server.dir .. "/book.lua"
      vcenter.write(book, ([[local p = require "gpupt.playbook"
return p.playbook { name = "x", p.vms { name = "vm", login = p.login("me", p.secret.env "PW"),
  p.os.install { iso = %q, answer = %q, tools = %q } } }]]):format(paths.iso,
        paths.answer, paths.tools))
      local loaded, message, code = gpupt.playbook.load(book)
      assert.is_nil(loaded)
      assert.are.equal("EPLAYBOOK", code, message)
      assert.matches(field, message)
      assert.matches("'..'", message, 1, true)
    end
    assert.are.equal(0, server:requests())
  end)

  it("is refused when a function of the playbook gives it, for a target", function()
    local p = require "gpupt.playbook"
    local node = p.os.install { iso = function(target) return "[ds] media/" .. target.name end, answer = "[ds] b.iso" }
    assert.are.equal("[ds] media/a.iso", (gpupt.check(node:resolve { name = "a.iso" })).iso)
    local options, message, code = node:resolve { name = "../../other.iso" }
    assert.is_nil(options)
    assert.are.equal("EPLAYBOOK", code)
    assert.matches("'..'", message, 1, true)
  end)

  it("is not what an ordinary one is", function()
    for _, path in ipairs(good) do
      local name, rest = ds:split(path)
      assert.are.equal("ds", name, path)
      assert.is_nil(rest:find "^/")
    end
    assert.are.equal("a/b", select(2, ds:split "[ds] /a/b/"))
  end)

  it("does not come out of a listing either: a server's names are names", function()
    server:answer("SearchDatastore_Task", [[a.soap(b'<returnval type="Task">t</returnval>')]])
    for _, name in ipairs { "../../etc/passwd", "..", "a/b" } do
      server:answer("WaitForUpdatesEx", ([[a.soap(b'''<returnval><version>1</version><filterSet><filter type="PropertyFilter">filter</filter>
<objectSet><kind>enter</kind><obj type="Task">t</obj><changeSet><name>info.state</name><op>assign</op><val xsi:type="TaskInfoState">success</val></changeSet>
<changeSet><name>info.result</name><op>assign</op><val xsi:type="HostDatastoreBrowserSearchResults"><folderPath>[ds] logs</folderPath>
<file><path>%s</path></file></val></changeSet>
</objectSet></filterSet></returnval>''')]]):format(name))
      local list, message, code = ds:list "[ds] logs"
      assert.is_nil(list)
      assert.are.equal("EPROTOCOL", code, message)
    end
  end)
end)
