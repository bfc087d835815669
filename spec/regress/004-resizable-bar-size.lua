-- Found by fuzzing: "current size: 3GB" of a Resizable BAR, which no BAR can have, became the BAR's size when a dump of
-- the config space followed.
describe("a Resizable BAR of a size that no BAR can have", function()
  it("gives no BAR", function()
    local rows = {}
    for offset = 0, 48, 16 do rows[#rows + 1] = ("%02x: "):format(offset) .. ("00 "):rep(15) .. "00" end
    local list = assert(require "gpupt.pci".parse("65:00.0 0302: 10de:20b5\n\tBAR 1: current size: 3GB, supported: 3GB\n"
      .. table.concat(rows, "\n") .. "\n"))
    assert.same({}, list[1].bars)
    assert.same({ { index = 1, supported = {} } }, list[1].rebar)
  end)
end)
