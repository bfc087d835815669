-- Messages named a playbook whose path has more than 59 characters as "...c/playbooks/production/roll.lua:4", as Lua
-- itself does: no editor opens that, and of two folders nobody knew which. The whole path is named.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("605: a playbook with a long path", function()
  local folder, n = nil, 0
  setup(function()
    folder = vcenter.shell "mktemp -d -t gpupt-spec.XXXXXX":gsub("%s+$", "") .. "/" .. ("long-"):rep(12) .. "name"
    vcenter.shell(("mkdir -p '%s'"):format(folder))
  end)
  teardown(function() vcenter.shell(("rm -rf '%s'"):format((folder:match "^(.*)/"))) end)

  local function write(text)
    n = n + 1
    local path = ("%s/roll-%d.lua"):format(folder, n)
    vcenter.write(path, text)
    return path
  end

  local function refused(text)
    local path = write(text)
    local playbook, message = gpupt.playbook.load(path)
    assert.is_nil(playbook)
    return message, path
  end

  for what, text in pairs {
    ["a misspelt option"] = "\nlocal p = require 'gpupt.playbook'\nreturn p.playbook { name = 'x', p.hosts { where = '/a', p.host.enable { aply = 1 } } }",
    ["an error of Lua"] = "\nlocal x = nil\nlocal y = x.z",
    ["an error that it raises"] = "\n\nerror 'no fleet today'",
    ["a syntax error"] = "\n\nlocal = 1",
    ["an unknown global"] = "\n\nlocal x = wher",
  } do
    it("is named whole: " .. what, function()
      local message, path = refused(text)
      assert.matches(path .. ":3: ", message, 1, true)
      assert.is_nil(message:find("...", 1, true))
    end)
  end

  it("is named whole by the lines of its changes, and in errors of its included files", function()
    local part = write "\nlocal x = nil + 1"
    local message, path = refused(("local p = require 'gpupt.playbook'\np.include %q"):format(part))
    assert.matches(part .. ":2: ", message, 1, true)
    assert.matches("(included at " .. path .. ":2)", message, 1, true)
  end)

  it("is named whole where gpupt.check raises", function()
    local path = write "local gpupt = require 'gpupt'\nlocal function f() return nil, 'no', 'ENO' end\ngpupt.check(f())"
    local ok, err = pcall(dofile, path)
    assert.is_false(ok)
    assert.equal(path .. ":3", err.where)
  end)
end)
