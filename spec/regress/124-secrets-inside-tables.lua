-- In tables that a journal or a plan file stores, only fields with exactly the name of a secret (password) were left out,
-- not those whose name contains one (admin_password), which are recognized as variables.
local gpupt = require "gpupt"
local p = gpupt.playbook
local vcenter = require "spec.support.vcenter"
local probe_of = require "spec.support.probe"

describe("a table with secrets", function()
  local probe
  setup(function() probe = probe_of.start() end)
  teardown(function() probe:stop() end)

  it("is stored without them, as a variable and as the detail of a row", function()
    local path = probe:write [[
local secret = p.secret.callback(function() return "x" end)
local site = vars.site
local old = p.step
local p = setmetatable({ step = function(o)
  local apply = o.apply
  o.apply = function(ctx, target)
    ctx:row(target, "change", "own", { admin_password = "s3cret-4", token_name = "kept-2", deep = { apiKey = "s3cret-5" } })
    return apply(ctx, target)
  end
  return old(o)
end }, { __index = p })
]]
    local vc = probe.l:client()
    local vars = { site = { admin_password = "s3cret-1", DbPassword = "s3cret-2", api_key = "s3cret-3", name = "kept-1",
      list = { { domainPasswd = "s3cret-6" } } } }
    local pb = gpupt.check(p.load(path, vars))
    local store = gpupt.check(require "gpupt.store".open(probe.dir .. "/j.db"))
    local plan = gpupt.check(pb:plan(vc))
    gpupt.check(plan:save(probe.dir .. "/plan.json"))
    local run = gpupt.check(plan:apply { journal = store })
    assert.is_truthy(run:result())
    store:close()
    local text = (vcenter.read(probe.dir .. "/j.db") or "") .. (vcenter.read(probe.dir .. "/j.db-wal") or "")
    for _, stored in ipairs { text, vcenter.read(probe.dir .. "/plan.json") } do
      assert.is_nil(stored:find("s3cret-", 1, true))
      assert.is_truthy(stored:find("kept-1", 1, true))
    end
    assert.is_truthy(text:find("kept-2", 1, true))
  end)
end)
