--- Output to a full disk was lost, and the command exited with 0: `gpupt gpus --json > report` seemed to succeed.
local vcenter = require "spec.support.vcenter"

describe("output that cannot be written", function()
  for _, words in ipairs { "bar --table", "help", "doctor --rules --json", "bar --help" } do
    it("makes the command fail: " .. words, function()
      local text = vcenter.shell("bin/gpupt " .. words .. " 2>&1 >/dev/full; echo \"status $?\"")
      assert.matches("standard output cannot be written: ", text, 1, true)
      assert.matches("status 1", text, 1, true)
    end)
  end
end)
