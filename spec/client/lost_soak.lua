--- A connection that is lost again and again, for SOAK_SECONDS (60): workers create folders, change VMs, wait
-- and read, while requests and answers are reset, cut, refused and sessions dropped at random. What must hold: what was
-- said to be done is done, once; what failed was not; only what was said to be unknown may be either; nothing is
-- left on the server. SOAK_SEED repeats a run's choices.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local seconds = tonumber(os.getenv "SOAK_SECONDS") or 60
local seed = tonumber(os.getenv "SOAK_SEED") or os.time()
local WORKERS = 8

describe("a connection that is lost again and again, seed " .. seed, function()
  local sim, vc, vms
  setup(function()
    math.randomseed(seed)
    sim = vcenter.start { speed = 50, patience = 30, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n}", count = WORKERS, host = "h1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } } } }
    vc = sim:connect()
    vms = check(vc:find("/**", { type = "VirtualMachine" }))
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
    assert.are.equal(0, left.waiting)
  end)

  local methods = { "CreateFolder", "ReconfigVM_Task", "WaitForUpdatesEx", "RetrievePropertiesEx", "CreateFilter",
    "CreateListView", "ModifyListView", "ContinueRetrievePropertiesEx", "Destroy_Task" }
  local troubles = {
    function() return { kind = "reset-before" } end, function() return { kind = "reset-after" } end,
    function() return { kind = "status", code = 503 } end, function() return { kind = "html" } end,
    function() return { kind = "truncate", bytes = math.random(0, 400) } end,
    function() return { kind = "session-lost" } end, function() return { kind = "close" } end,
    function() return { kind = "hold", seconds = 0.2 } end,
  }

  it("neither forgets nor repeats", function()
    local folder = check(vc:one "/DC0/vm")
    local said, unknown, counts, codes = {}, {}, { done = 0, failed = 0, unknown = 0 }, {}
    local annotations = {} -- of each machine: the set of values that it may have
    for i = 1, WORKERS do annotations[i] = { [""] = true } end
    local till, stop = loop.now() + seconds, false

    local function note(ok, code)
      local kind = ok and "done" or (code == "EUNKNOWN" and "unknown" or "failed")
      counts[kind] = counts[kind] + 1
      if not ok then codes[code] = (codes[code] or 0) + 1 end
      return kind
    end

    local function make_folder(name)
      local made, _, code = folder:CreateFolder { name = name }
      local kind = note(made, code)
      if kind == "done" then said[name] = true elseif kind == "unknown" then unknown[name] = true end
    end

    local function annotate(i, text)
      local task, _, code = vms[i]:ReconfigVM_Task { spec = { annotation = text } }
      local info
      if task then
        task, info, code = vc:wait(task, { timeout = 20 })
        -- the wait may fail permanently although the task continues
        if not task and code ~= "EUNKNOWN" then code = "EUNKNOWN" end
      end
      local kind = note(task, code)
      if kind == "done" then annotations[i] = { [text] = true }
      elseif kind == "unknown" then annotations[i][text] = true end
      return info
    end

    loop.run(function()
      local fibers = {}
      for i = 1, WORKERS do
        fibers[i] = loop.spawn(function()
          local n = 0
          while loop.now() < till do
            n = n + 1
            local name = ("w%d-%d"):format(i, n)
            if math.random(2) == 1 then make_folder(name) else annotate(i, name) end
            if math.random(3) == 1 then vc:collect_all { type = "VirtualMachine", paths = { "name" }, page = 3 } end
          end
        end)
      end
      loop.spawn(function()
        while not stop and loop.now() < till do
          sim:trouble({ method = methods[math.random(#methods)], nth = math.random(3) }, troubles[math.random(#troubles)]())
          loop.sleep(0.05)
        end
      end)
      for i = 1, WORKERS do fibers[i]:join() end
      stop = true
    end)
    sim:calm()

    local kinds = {}
    for code, n in pairs(codes) do kinds[#kinds + 1] = n .. " " .. code end
    print(("%d done, %d failed, %d unknown in %d s (%s)"):format(counts.done, counts.failed, counts.unknown, seconds,
      table.concat(kinds, ", ")))
    assert.is_true(counts.done > seconds, counts.done)
    local there = {}
    for _, one in ipairs(check(vc:collect_all { type = "Folder", under = folder, paths = { "name" } })) do
      if one.name:find "^w%d" then
        assert.is_nil(there[one.name], one.name .. " is there twice")
        there[one.name] = true
      end
    end
    for name in pairs(said) do assert.is_true(there[name], name .. " was said to be made") end
    for name in pairs(there) do
      assert.is_true(said[name] or unknown[name], name .. " is there, and was said not to be")
    end
    for i, vm in ipairs(vms) do
      local text = check(vm:get "config.annotation") or ""
      assert.is_true(annotations[i][text], ("%s has '%s'"):format(tostring(vm), text))
    end
  end)
end)
