-- examples/bare_metal_to_cuda.lua: from cards that are not enabled and no VM to guests whose driver runs their cards. The
-- order of the procedure is that of the journal.
local first_light = require "spec.support.first_light"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = "examples/bare_metal_to_cuda.lua"
local SECRET = "Cuda-4-of-this-spec"

describe("from bare metal to CUDA", function()
  local l, plan, result, rows

  local function run(words)
    return l:command(words, { env = { TRAIN_PASSWORD = SECRET } })
  end

  setup(function()
    l = first_light.start { speed = 200 }
    plan = run { "plan", PLAY }
    result = run { "apply", PLAY, "--allow", "reboot", "--journal", l.dir .. "/j.db" }
    rows = {}
    local book = assert(store.open(l.dir .. "/j.db"))
    for one in book:runs() do for row in book:rows(one.id) do rows[#rows + 1] = row end end
    book:close()
  end)
  teardown(function() if l then l:stop() end end)

  -- The changes of a target and those of its host, in the order of the journal.
  local function changes(...)
    local wanted, list = {}, {}
    for _, name in ipairs { ... } do wanted[name] = true end
    for _, row in ipairs(rows) do
      if row.kind == "change" and wanted[row.target] then list[#list + 1] = row.target .. ": " .. row.what end
    end
    return list
  end

  -- Whether the patterns fit changes in this order.
  local function in_order(list, patterns)
    local at = 1
    for _, pattern in ipairs(patterns) do
      local found
      for i = at, #list do
        if list[i]:find(pattern) then
          found = i
          break
        end
      end
      assert.is_truthy(found, ("%s is not behind what comes before it, in\n%s"):format(pattern, table.concat(list, "\n")))
      at = found + 1
    end
  end

  it("is planned as the guide shows it", function()
    local page = vcenter.read "docs/guide/install.md"
    local shown = page:match("%$ gpupt plan " .. PLAY:gsub("%.", "%%.") .. "\n(.-)```")
    assert.equal(shown, plan.out)
  end)

  it("ends with what was proved in each guest", function()
    assert.equal(0, result.status, result.err)
    for _, name in ipairs { "train-01", "train-02" } do
      assert.matches(name:gsub("%-", "%%-") .. " +esx%-b%-1 +%S+ +changed +the guest sees 1 GPU: 10de:20b5; run: A100", result.out)
    end
    assert.same({}, l.sim:get("truth").violations)
    assert.equal(0, l.sim:leftovers().sessions)
  end)

  it("does it in the order of the procedure", function()
    for _, name in ipairs { "train-01", "train-02" } do
      local list = changes("esx-b-1", name)
      in_order(list, {
        "^esx%-b%-1: UpdatePassthruConfig", "^esx%-b%-1: RebootHost",                 -- the cards become active
        "^" .. name:gsub("%-", "%%-") .. ": CreateVM",                                 -- an EFI VM
        ": ReconfigVM %(answer medium%)", ": upload %[ds%-1%] ", ": ReconfigVM %(installation media%)", ": PowerOnVM", -- the system
        ": ReconfigVM %(eject the media%)", ": delete %[ds%-1%] ",                    -- nothing of it is left
        ": ReconfigVM %(installation done%)",
        ": ShutdownGuest", ": ReconfigVM %(cards and settings%)", ": PowerOnVM",      -- only now the card, with everything in one
        ": install nvidia%-driver%-550%-server", ": RebootGuest",                        -- the driver of the vendor
        ": ReconfigVM %(store the proof%)",
      })
    end
  end)

  it("creates EFI VMs whose installed systems are named as the VMs are", function()
    local vc = l:client()
    for _, name in ipairs { "train-01", "train-02" } do
      local vm = assert(vc:one("/DC0/vm/" .. name))
      assert.same({ "efi", name }, { vm:get "config.firmware", vm:get "guest.hostName" })
    end
  end)

  it("leaves no answer medium and no password anywhere", function()
    for _, file in ipairs(assert(l:client().datastore:list("[ds-1]", { recursive = true }))) do
      assert.is_nil(file.path:find "gpupt%-answer", file.path)
    end
    local journal = vcenter.shell(("cat %s/j.db*"):format(l.dir))
    assert.is_true(#journal > 10000)
    for _, text in ipairs { journal, result.out, result.err } do assert.is_nil(text:find(SECRET, 1, true)) end
  end)

  it("finds nothing to change the second time, with another journal, and changes nothing", function()
    l.sim:forget()
    local second = run { "apply", PLAY, "--journal", l.dir .. "/other.db" }
    assert.equal(0, second.status, second.err)
    assert.matches("nothing to change\n$", second.out)
    assert.same({}, l:changing())
  end)
end)
