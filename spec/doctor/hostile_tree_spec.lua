--- Random vm-support folders with everything that a file system has (hostile_tree.py makes them). Whatever they hold,
-- the command ends in time with a result, counts the regular files inside and no others, and shows nothing from outside.
-- GPUPT_TREE_SECONDS says for how long (4); GPUPT_SEED which tree is the first.
local command = require "spec.support.command"
local json = require "gpupt.json"

local CANARY = "from-outside-the-bundle"

describe("a random folder that is called a bundle", function()
  local folder

  setup(function()
    folder = command.folder()
    os.execute("mkdir " .. folder.path .. "/outside")
    folder.write("outside/secret.vmx", 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:066:00.0"\nannotation = "'
      .. CANARY .. '"\n')
    folder.write("outside/secret.log", "2026-01-02T00:00:00.000Z In(05) vmx - PCIPassthru: total number of pages needed (5) exceeds "
      .. "limit (1), failing " .. CANARY .. "\n")
  end)
  teardown(function() folder.remove() end)

  local function shell(line)
    local pipe = assert(io.popen(line))
    local text = pipe:read "a"
    pipe:close()
    return text
  end

  it("is read to its end, and only what is in it", function()
    local seconds = tonumber(os.getenv "GPUPT_TREE_SECONDS") or 4
    local seed, till, trees = tonumber(os.getenv "GPUPT_SEED") or os.time() % 1000000, os.time() + seconds, 0
    repeat
      local root = folder.path .. "/tree"
      local wanted = tonumber((shell(("python3 spec/doctor/hostile_tree.py %s %d %s/outside 2>&1"):format(root, seed, folder.path))))
      assert.is_number(wanted, "seed " .. seed)
      local text = shell(("timeout 30 bin/gpupt doctor --bundle %s --json 2>%s/err </dev/null; echo \"status $?\""):format(root,
        folder.path))
      local out, status = text:match "^(.*)status (%d+)\n$"
      local err = folder.read "err"
      assert.is_true(status == "0" or status == "1", ("seed %d: status %s: %s"):format(seed, status, err))
      assert.is_nil((out .. err):find(CANARY, 1, true), "seed " .. seed)
      assert.is_nil(err:find("internal error", 1, true), ("seed %d: %s"):format(seed, err))
      local result = json.decode(out)
      if result then
        local files = tonumber(result.looked_at[1]:match ": (%d+) files")
        assert.equal(wanted, files, "seed " .. seed)
        for _, one in ipairs(result.skipped) do assert.is_true(#one.why > 5, "seed " .. seed) end
      else
        assert.matches("no vm%-support folder", err, 1, false)
      end
      os.execute(("chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'"):format(root, root))
      seed, trees = seed + 1, trees + 1
    until os.time() >= till
    io.write(seconds > 10 and ("%d trees\n"):format(trees) or "")
    assert.is_true(trees > 0)
  end)
end)
