-- The tables that say which spec shows what name specs that exist. A cell is "`FILE`: name; name"; a name in parentheses is
-- a remark.
local vcenter = require "spec.support.vcenter"

local function check_page(page, rows)
  local text = assert(vcenter.read(page))
  local count = 0
  for cell in text:gmatch "\n|[^\n]*|([^|\n]+)|%f[\n]" do
    local file
    for part in (cell .. ";"):gmatch "%s*(.-)%s*;" do
      local named, rest = part:match "^`([^`]+)`:?%s*(.*)$"
      if named then file, part = named, rest end
      if file then
        local content = vcenter.read(file)
        assert.is_truthy(content, file)
        if part ~= "" and not part:find "^%(" then
          assert.is_truthy(content:find('"' .. part, 1, true) or content:find(part, 1, true), file .. ": " .. part)
        end
        if named then count = count + 1 end
      end
    end
  end
  assert.is_true(count >= rows, count)
end

describe("the table of scenarios", function()
  it("names specs that exist", function() check_page("spec/scenarios/README.md", 20) end)

  it("of what a roll does otherwise names specs that exist", function() check_page("spec/scenarios/otherwise.md", 45) end)

  it("of approvals has each word of --allow", function()
    local text, rows = vcenter.read "spec/scenarios/otherwise.md", {}
    for word in text:gmatch "\n| `([%w-]+)` |" do rows[#rows + 1] = word end
    local words = {}
    for i, one in ipairs(require("gpupt.playbook").approvals()) do words[i] = one.word end
    assert.same(words, rows)
  end)
end)
