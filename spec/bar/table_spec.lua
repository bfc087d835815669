local bar = require "gpupt.bar"

-- Every row as published or remembered, written out a second time by hand: 32-bit BARs, then 64-bit ones, then the
-- mark. A change of the data file must be a change here as well.
local rows = {
  { 0x10de, "1024", "16M", "256M 32M", "S" }, { 0x10de, "1023", "16M", "16G 32M", "M" },
  { 0x10de, "102d", "16M", "16G 32M", "S" }, { 0x10de, "13f2", "16M", "256M 32M", "M" },
  { 0x10de, "1bb3", "16M", "256M 32M", "M" }, { 0x10de, "1b38", "16M", "32G 32M", "S" },
  { 0x10de, "15f8 15f7", "16M", "16G 32M", "S" }, { 0x10de, "1db1 1db4", "16M", "16G 32M", "M" },
  { 0x10de, "1db5 1db6 1df6", "16M", "32G 32M", "S" }, { 0x10de, "1eb8", "16M", "256M 32M", "S" },
  { 0x10de, "1e30 1e78", "16M", "32G 32M", "T", "16M", "256M 32M" },
  { 0x10de, "20b0 20f1", "16M", "64G 32M", "S" }, { 0x10de, "20b2 20b5", "16M", "128G 32M", "S" },
  { 0x10de, "20f3 20f5", "16M", "128G 32M", "M" }, { 0x10de, "20b7", "16M", "32G 32M", "S" },
  { 0x10de, "2236", "16M", "32G 32M", "T" }, { 0x10de, "2237", "16M", "32G 32M", "M" },
  { 0x10de, "25b6", "16M", "16G 32M", "M" }, { 0x10de, "2235", "16M", "64G 32M", "T" }, { 0x10de, "2230", "16M", "64G 32M", "S" },
  { 0x10de, "2231 2233", "16M", "32G 32M", "T" },
  { 0x10de, "2204", "16M", "256M 32M", "S", "16M", "32G 32M" },
  { 0x10de, "2203 2684", "16M", "32G 32M", "S", "16M", "256M 32M" },
  { 0x10de, "26b5", "16M", "64G 32M", "T" }, { 0x10de, "26b9", "16M", "64G 32M", "S" },
  { 0x10de, "26ba 26b7", "16M", "64G 32M", "T" }, { 0x10de, "27b8", "16M", "32G 32M", "S" },
  { 0x10de, "27b6", "16M", "32G 32M", "T" }, { 0x10de, "26b1", "16M", "64G 32M", "S" },
  { 0x10de, "26b2", "16M", "32G 32M", "T" },
  { 0x10de, "2330 2331 2339 2321", "", "16M 128G 32M", "S" }, { 0x10de, "2329", "", "16M 128G 32M", "S" },
  { 0x10de, "232c 233b", "", "16M 256G 32M", "T" }, { 0x10de, "2335", "", "16M 256G 32M", "S" }, { 0x10de, "2342 2348 2941", "", "", "S" },
  { 0x10de, "2901", "", "64M 256G 32M", "S" }, { 0x10de, "2f04", "64M", "16G 32M", "S" },
  { 0x10de, "2b85", "64M", "32G 32M", "M" }, { 0x10de, "2bb4 2bb1", "64M", "128G 32M", "I" },
  { 0x10de, "2bb5", "", "64M 128G 32M", "S" }, { 0x10de, "3182", "", "64M 512G 32M", "S" },
  { 0x10de, "22a3", "", "32M", "S" }, { 0x8086, "e211", "", "16M 32G", "S" },
  { 0x1002, "6860", "512K", "16G 2M", "M" },
  { 0x1002, "66a1 66a0", "512K", "32G 2M", "M", "512K", "16G 2M" },
  { 0x1002, "738c", "512K", "32G 2M", "M" }, { 0x1002, "740f", "512K", "64G 2M", "S" },
  { 0x1002, "7408 740c", "512K", "64G 2M", "M" },
  { 0x1002, "74a1", "2M", "256G 2M", "S" },
  { 0x1002, "74a2 74a5 74a0 74b5 74b9", "512K", "256G 2M", "M" }, { 0x1002, "7550", "512K", "16G 256M", "S" },
  -- known by name only: the BARs are asked for
  { 0x10de, "20b1 20b3 20b8 20f6 2313 2322 2324 230e 233a 26b8 26f5 2909 31c2 31c3 2bb3 2c31 2c33 2c34 2c3a 2c02 0ff2 "
    .. "11bf 13bd 1b06 1b80 1cb2 1e04 1e07 2206 2208 2484 2504 2704 2786 1af1", "", "", "S" },
  { 0x10de, "20bd 2328 230c 2920 29bc 31a1 2bb2 2bbc", "", "", "M" },
  { 0x1002, "75a0 75a3 75a8 6798", "", "", "S" }, { 0x1002, "7551 7460 7461", "", "", "M" },
  { 0x8086, "56c0 56c1 0bd5 0bd6 0bd7 0bda", "", "", "S" }, { 0x8086, "e212 e222 e223", "", "", "M" },
  { 0x1da3, "1020 1060 1063", "", "", "S" },
}

local function sizes(bars, kind)
  local list = {}
  for _, one in ipairs(bars) do
    if one.kind == kind then list[#list + 1] = bar.short(one.size) end
  end
  return table.concat(list, " ")
end

describe("the table of cards", function()
  local known = {}
  for _, row in ipairs(rows) do
    for id in row[2]:gmatch "%x+" do
      local vendor, device = row[1], tonumber(id, 16)
      known[vendor << 16 | device] = row[6] and 2 or 1
      it(("knows %04x:%s"):format(vendor, id), function()
        local card = assert(bar.lookup(vendor, device))
        assert.equal(row[3], sizes(card.bars, "mem32"))
        assert.equal(row[4], sizes(card.bars, "mem64"))
        assert.equal(row[5], card.mark)
        assert.is_string(card.name)
        if row[6] then
          assert.equal(2, #card.variants)
          assert.equal(row[6], sizes(card.variants[2].bars, "mem32"))
          assert.equal(row[7], sizes(card.variants[2].bars, "mem64"))
        else
          assert.equal(1, #card.variants)
        end
      end)
    end
  end

  it("has no row beside these", function()
    local seen = {}
    for row in bar.each() do
      local id = row.vendor << 16 | row.device
      seen[id] = (seen[id] or 0) + 1
    end
    assert.same(known, seen)
  end)

  it("puts Hopper's BARs, all 64-bit, at 0, 2 and 4, and earlier ones at 0, 1 and 3", function()
    local function indices(device)
      local list = {}
      for i, one in ipairs(assert(bar.lookup(0x10de, device)).bars) do list[i] = one.index end
      return list
    end
    assert.same({ 0, 2, 4 }, indices(0x2330))
    assert.same({ 0, 1, 3 }, indices(0x20b5))
  end)

  it("gives a public source for each row marked S or T", function()
    for row in bar.each() do
      if row.mark == "S" or row.mark == "T" then assert.is_string(row.source) end
    end
  end)

  it("hands out copies: changing an answer does not change the table", function()
    bar.lookup(0x10de, 0x1eb8).bars[1].size = 1
    assert.equal(16 << 20, bar.lookup(0x10de, 0x1eb8).bars[1].size)
  end)
end)

describe("a table of one's own", function()
  local text = [[
# my lab
10de:9999 | New card | | 0:mem32:16M 1:mem64:512G 3:mem64:32M | M | lspci of host 7

10de:1eb8 | T4, other firmware | | 0:mem32:16M 1:mem64:16G | S | measured
]]

  it("adds cards and replaces known ones", function()
    local tbl = assert(bar.load { text = text })
    assert.equal("New card", bar.lookup(0x10de, 0x9999, { table = tbl }).name)
    assert.equal("T4, other firmware", bar.lookup(0x10de, 0x1eb8, { table = tbl }).name)
    assert.equal("A40", bar.lookup(0x10de, 0x2235, { table = tbl }).name)
    assert.equal(1024, bar.window({ { vendor = 0x10de, device = 0x9999 } }, { table = tbl }).gb)
    assert.equal("Tesla T4", bar.lookup(0x10de, 0x1eb8).name)
  end)

  it("may be a file", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    local tbl = assert(bar.load(path))
    os.remove(path)
    assert.equal("New card", bar.lookup(0x10de, 0x9999, { table = tbl }).name)
  end)

  it("that is not there is ENOENT; a folder is an error too", function()
    local tbl, message, code = bar.load "/no/such/file"
    assert.is_nil(tbl)
    assert.matches("/no/such/file", message)
    assert.equal("ENOENT", code)
    assert.equal("EIO", select(3, bar.load "/"))
  end)

  for what, case in pairs {
    ["too few columns"] = { "10de:1 | x", "t:1: 2 columns instead of 6" },
    ["a bad id"] = { "\n10de:20 | x | | 0:mem64:1G | S | y", "t:2: '10de:20' is not vendor:device" },
    ["a bad BAR"] = { "10de:2020 | x | | 7:mem64:1G | S | y", "t:1: '7:mem64:1G' is not a BAR" },
    ["a bad kind"] = { "10de:2020 | x | | 1:mem:1G | S | y", "is not a BAR" },
    ["a bad size"] = { "10de:2020 | x | | 1:mem64:3G | S | y", "powers of two" },
    ["no BARs"] = { "10de:2020 | x | | | S | y", "write %- when they are not known" },
    ["a bad mark"] = { "10de:2020 | x | | - | Q | y", "mark 'Q'" },
  } do
    it("with " .. what .. " is refused with the line", function()
      local tbl, message, code = bar.load { text = case[1], name = "t" }
      assert.is_nil(tbl)
      assert.matches(case[2], message)
      assert.equal("EPARSE", code)
    end)
  end

  it("is the only thing that the option 'table' takes", function()
    assert.error_matches(function() bar.window({ { vendor = 1, device = 1 } }, { table = {} }) end,
      "must come from bar.load")
  end)
end)
