--- Every documented value of `roll` in one plan each. The options and their choices come from the declaration that
-- makes docs/options.md: one that is added there, without a value here, fails.
local declared = require "gpupt.options".declared
local lab = require "spec.support.lab"
require "gpupt.playbook.language"

local TIMES = { '"90s"', '"45m"', '"2h"', '"1d"' }

-- Lua texts of the values of each option, as the documentation has them; `with`: what they need beside them.
local values = {
  unavailable = { '"1/cluster"', '"2/cluster"', '"10%/cluster"', '"100%/cluster"', '{ "2/cluster" }',
    { '"1/row"', with = 'per = "row"' }, { '{ "2/cluster", "1/row" }', with = 'per = "row"' },
    { '1 .. "/row"', with = 'per = "row"' } },
  per = { { '"row"', with = 'unavailable = "1/row"' }, { '"folder"', with = 'unavailable = "1/folder"' },
    { 'function(host) return host.name .. host.cluster end', with = 'unavailable = "1/group"' } },
  guests = {}, drain = {}, -- their choices
  window = { '"22:00-05:00"', '"Mon-Fri 22:00-05:00"', '"Sat,Sun 00:00-24:00 Europe/Berlin"', '"22:00-05:00 UTC"',
    '"22:00-05:00 +02:00"', '"22:00-05:00 vcenter"', '{ "Mon-Fri 22:00-05:00", "Sat,Sun 00:00-24:00" }',
    '"00:00-24:00"' },
  max_failures = { "1", "3", '"10%"', '"100%"' },
  resend_after = { '"90s"', '"10m"' }, cancel_after = TIMES, watch_for = TIMES,
}

describe("a roll", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "ga",
      hosts = { lab.host "esx-1", lab.host "esx-2" } } } } }
    local vc = l:client()
    local field = assert(vc.content.customFieldsManager:AddCustomFieldDef { name = "row", moType = "HostSystem" })
    for n = 1, 2 do
      assert(vc.content.customFieldsManager:SetField { entity = assert(vc:one("/DC0/host/ga/esx-" .. n)),
        key = field.key, value = "r" .. n })
    end
  end)
  teardown(function() l:stop() end)

  local function plan(fields)
    return l:plan(([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/ga/*",
      devices = p.gpus { match = "10de:20b5" }, roll = { %s }, p.host.enable {} } }]]):format(fields))
  end

  for _, field in ipairs(declared["p.hosts roll"].fields) do
    local list = values[field.name] or field.name:find "_within$" and TIMES
    local texts = {}
    for _, choice in ipairs(field.choices or {}) do texts[#texts + 1] = ("%q"):format(choice) end
    if field.default ~= nil then texts[#texts + 1] = ("%q"):format(field.default) end
    for _, one in ipairs(list or {}) do texts[#texts + 1] = one end

    it(("has a value of %s to plan with"):format(field.name), function()
      assert.is_true(#texts > 0, field.name .. " is documented, and has no value in this spec")
    end)

    for _, one in ipairs(texts) do
      local text = type(one) == "table" and one[1] or one
      it(("is planned with %s = %s"):format(field.name, text), function()
        local made, message = plan(("%s = %s%s"):format(field.name, text, one.with and ", " .. one.with or ""))
        assert.is_truthy(made, message)
        assert.equal(4, #made:changes(), tostring(made)) -- both hosts: enable, reboot
      end)
    end
  end

  it("is refused with a value that none of them documents", function()
    for _, text in ipairs { 'unavailable = "0/cluster"', 'unavailable = "101%/cluster"', 'per = "row"',
      'guests = "off"', 'drain = "host"', 'back_within = "soon"', 'window = "25:00-26:00"', 'max_failures = "101%"',
      "max_failures = -1" } do
      local made = select(2, pcall(plan, text))
      assert.is_falsy(type(made) == "table" and made.changes, text)
    end
  end)
end)
