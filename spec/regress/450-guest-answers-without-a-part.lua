--- A guest whose answer lacked a part between two lines @name (a shell that stopped at a missing file, a guest that
-- lies) ended the run with a Lua error.
local readers = {
  { name = "driver.install", read = require "gpupt.guest.driver".read,
    parts = "os kernel root secure modules version module amdgpu dkms cards" },
  { name = "tools.ensure", read = require "gpupt.guest.linux".read_look, parts = "os root tools packages service" },
  { name = "the Fabric Manager", read = require "gpupt.guest.fabric".read, parts = "version active said" },
}

local function answer(parts, without)
  local lines = {}
  for name in (parts .. " end"):gmatch "%l+" do
    if name ~= without then lines[#lines + 1] = "@" .. name .. (name == "os" and "\nID=ubuntu" or "") end
  end
  return table.concat(lines, "\n") .. "\n"
end

describe("the answer of a Linux guest", function()
  for _, reader in ipairs(readers) do
    it("that is complete is read, control: " .. reader.name, function()
      assert.is_table((assert(reader.read(answer(reader.parts)))))
    end)
    for name in (reader.parts .. " end"):gmatch "%l+" do
      it(("without @%s is refused by %s"):format(name, reader.name), function()
        local seen, message, code = reader.read(answer(reader.parts, name))
        assert.is_nil(seen)
        assert.equal("the guest's answer is not complete", message)
        assert.equal("EGUEST", code)
      end)
    end
  end
end)
