-- What a user writes as keys, as the events that vSphere takes. The codes are those of the HID Usage Tables, page 7; the
-- test vCenter types them by a table of its own (spec/vcenter/internal/guest/keyboard.go), see spec/step/install_keys_spec.lua.
local keys = require "gpupt.guest.keys"

local function codes(...)
  local list = {}
  for i, group in ipairs(assert(keys.parse { ... })) do
    local words = {}
    for _, event in ipairs(group) do
      local held = ""
      for name in pairs(event.modifiers or {}) do held = held .. name .. "+" end
      words[#words + 1] = ("%s%x"):format(held, event.usbHidCode)
    end
    list[i] = group.wait and "wait " .. group.wait or table.concat(words, " ")
  end
  return list
end

describe("keys", function()
  it("are usages in the upper half of the code, and the page 7 in the lower", function()
    assert.same({ "1c0007 80007 160007 280007" }, codes "yes<enter>") -- as hashicorp/packer and govc send them
    assert.same({ "leftShift+1c0007 leftShift+1e0007 2d0007 leftShift+2d0007 270007 2c0007" }, codes "Y!-_0 ")
    assert.same({ "290007 2b0007 2a0007 3a0007 450007 520007 510007 500007 4f0007 4c0007" },
      codes "<esc><tab><backspace><f1><f12><up><down><left><right><delete>")
    assert.same({ "leftControl+1b0007 leftAlt+3d0007 leftShift+360007 leftShift+370007" }, codes "<ctrl-x><alt-f4><lt>>")
  end)

  it("wait between two calls, and come in calls of at most 32", function()
    assert.same({ "wait 5", "510007 280007", "wait 90", "40007" }, codes("<wait 5s><down><enter>", "<wait 90s>a"))
    local groups = assert(keys.parse { ("x"):rep(70) })
    assert.same({ 32, 32, 6 }, { #groups[1], #groups[2], #groups[3] })
    assert.equal(70, groups.keys)
  end)

  for text, why in pairs { ["<entr>"] = "there is no key <entr> (did you mean 'enter'?)", ["<wait soon>"] = "<wait soon>: ",
    ["grün"] = "'grün' has a character that no key of a US keyboard types", ["a<b"] = "<lt> is the character <",
    ["<ctrl-nothing>"] = "there is no key <ctrl-nothing>" } do
    it("that do not exist are refused: " .. text, function()
      local groups, message = keys.parse { text }
      assert.is_nil(groups)
      assert.is_truthy(message:find(why, 1, true), message)
    end)
  end

  it("are a list of texts", function()
    assert.is_nil(keys.parse { 5 })
    assert.is_nil(keys.parse { "a", more = "b" })
  end)
end)
