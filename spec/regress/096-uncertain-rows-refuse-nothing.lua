-- A row of the table that was written from memory refused a VM whose system boots with BIOS, and a window that was asked
-- for: uncertainty warns and asks for the measured BARs, it never refuses.
local bar = require "gpupt.bar"
local settings = require "gpupt.settings"

-- A800 SXM4 80GB, from memory: 128 GiB + 48 MiB
local DOUBTFUL, SURE = { vendor = 0x10de, device = 0x20f3 }, { vendor = 0x10de, device = 0x20b5 }

local function compute(card, more)
  local o = { gpus = { card }, memory_mb = 16384, guest = "ubuntu64Guest" }
  for name, value in pairs(more or {}) do o[name] = value end
  return settings.compute(o)
end

local function warned(value, pattern)
  for _, text in ipairs(value.warnings) do
    if text:find(pattern) then return true end
  end
  return false
end

describe("a card whose BARs are from memory", function()
  it("warns and asks for the measured BARs", function()
    assert.is_true(warned(assert(compute(DOUBTFUL)), "A800 SXM4 80GB: its BARs are not sure"))
    assert.is_true(warned(assert(compute(DOUBTFUL)), "bar %-%-learn"))
  end)

  it("does not refuse an installed BIOS system, nor a smaller window", function()
    local value = assert(compute(DOUBTFUL, { installed = "bios" }))
    assert.equal("bios", value.firmware)
    assert.is_true(warned(value, "EFI"))
    assert.truthy(compute(DOUBTFUL, { mmio = 64 }))
    assert.truthy(compute(DOUBTFUL, { mmio = "off" }))
  end)

  it("still refuses for a card that is sure, alone and beside it", function()
    assert.equal("EFIRMWARE", (select(3, compute(SURE, { installed = "bios" }))))
    assert.equal("EWINDOW", (select(3, compute(SURE, { mmio = 64 }))))
    assert.equal("EFIRMWARE", (select(3, settings.compute { gpus = { SURE, DOUBTFUL }, memory_mb = 16384, installed = "bios" })))
  end)

  it("is named by gpupt.bar.window; measured BARs are sure", function()
    local window = assert(bar.window { DOUBTFUL })
    assert.same({ "A800 SXM4 80GB" }, window.uncertain)
    assert.is_false(window.sure)
    window = assert(bar.window { { vendor = 0x10de, device = 0x20f3, bars = { { index = 1, kind = "mem64", size = 1 << 37 } } } })
    assert.same({}, window.uncertain)
    assert.is_true(window.sure)
  end)
end)
