-- Why there are not enough cards: readable for two hosts and for 200.
local ranges = require "gpupt.ranges"
local shortage = require "gpupt.fleet.shortage"

describe("names in a message", function()
  local function text(names, most) return ranges.text(names, most) end

  it("that differ in a number are one word", function()
    assert.equal("esx-[01-40]", text((function()
      local list = {}
      for n = 1, 40 do list[n] = ("esx-%02d"):format(41 - n) end
      return list
    end)()))
    assert.equal("esx-[1-2,4]", text { "esx-4", "esx-1", "esx-2" })
    assert.equal("esx-[9-11].lab", text { "esx-10.lab", "esx-9.lab", "esx-11.lab" })
    assert.equal("10.0.0.[9-10]", text { "10.0.0.10", "10.0.0.9" })
  end)

  it("count the number of the host, not that of its domain", function()
    assert.equal("a1.dc1, a1.dc2", text { "a1.dc2", "a1.dc1" })
    assert.equal("rack1-esx[2-3]", text { "rack1-esx3", "rack1-esx2" })
  end)

  it("that are alone stay as they are, and each is named once", function()
    assert.equal("db, esx-07", text { "esx-07", "db", "db" })
    assert.equal("esx-[01,1]", text { "esx-1", "esx-01" })
  end)

  it("of many kinds are counted", function() assert.equal("a, b and 3 more", text({ "e", "c", "d", "b", "a" }, 2)) end)

  it("sort by their numbers", function()
    assert.is_true(ranges.before("esx-9", "esx-10"))
    assert.is_false(ranges.before("esx-10", "esx-9"))
    assert.is_false(ranges.before("a", "a"))
  end)
end)

describe("the situation of hosts", function()
  local function host(n, why, brief)
    return { name = ("esx-%03d"):format(n), cards = { { address = "0000:3b:00.0", why = why, brief = brief } } }
  end

  it("is given once for equal hosts", function()
    local list = {}
    for n = 1, 200 do list[n] = host(n, "off") end
    list[7] = { name = "esx-007", why = "is in standby" }
    list[9] = { name = "esx-009", why = "is in standby" }
    assert.equal("esx-[001-006,008,010-200]: 3b:00.0 off; esx-[007,009] are in standby", shortage.text(list))
  end)

  it("names the VMs of a few hosts, and counts those of many", function()
    local list = {}
    for n = 1, 200 do list[n] = host(n, ("held by vm-%d (poweredOff)"):format(n), "held by VMs") end
    assert.equal("esx-[001-200]: 1 held by VMs", shortage.text(list))
    assert.equal("esx-001: 3b:00.0 held by vm-1 (poweredOff); esx-002: 3b:00.0 held by vm-2 (poweredOff)",
      shortage.text { list[1], list[2] })
  end)

  it("stays short if all hosts differ", function()
    local list = {}
    for n = 1, 200 do list[n] = host(n, "reason " .. string.char(65 + n % 26) .. n) end
    local text = shortage.text(list)
    assert.matches("and 194 more hosts$", text)
    assert.is_true(#text < 300, text)
  end)

  it("leaves out hosts of which there is nothing to say", function()
    assert.equal("esx-002: 3b:00.0 free", shortage.text { { name = "esx-001" }, host(2) })
  end)
end)
