-- A file that is no log (a passthru.map, a novel, an empty text) counted as a clean log.
local command = require "spec.support.command"

describe("gpupt log of a file of no known form", function()
  for what, text in pairs {
    ["a passthru.map"] = "# file format: vendor-id device-id resetMethod fptShareable\n# NVIDIA\n10de  ffff  bridge   false\n",
    ["a novel"] = "Call me Ishmael. Some years ago, never mind how long precisely,\nhaving little or no money in my purse\n",
    ["a list of devices"] = "0000:04:00.0\n   Address: 0000:04:00.0\n   Vendor ID: 0x10de\n   Reset Method: Bridge reset\n",
    ["one letter"] = "x",
  } do
    it("says of " .. what .. " that it was not read", function()
      local status, out = command.run("log -", text)
      assert.equal(1, status)
      assert.matches("verdict: unclear: .*it was not read", out)
    end)
  end
end)
