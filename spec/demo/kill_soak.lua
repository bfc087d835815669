-- The sample rollout (examples/first_light.lua), killed at each of its journalled changes while the server misbehaves
-- (503s, lost answers, ended sessions), then resumed until it ends. Each time the end is that of an undisturbed run: one
-- reboot per host, each VM once, no task twice. GPUPT_FROM, GPUPT_TO: only these changes; GPUPT_SEED: the disturbances.
local first_light = require "spec.support.first_light"
local killed = require "spec.support.killed"

local ALLOW = "reboot,guest-shutdown"
local seed = tonumber(os.getenv "GPUPT_SEED" or "") or os.time()

-- What the fleet looks like, without names that differ from run to run.
local function state_of(l)
  local truth, lines = l.sim:get "truth", {}
  for _, host in ipairs(truth.hosts) do
    for _, card in ipairs(host.cards) do
      lines[#lines + 1] = ("%s %s enabled=%s active=%s"):format(host.name, card.address, tostring(card.enabled),
        tostring(card.active))
    end
    lines[#lines + 1] = ("%s maintenance=%s %s"):format(host.name, tostring(host.maintenance), host.state)
  end
  for _, vm in ipairs(truth.vms) do
    local devices = {}
    for i, device in ipairs(vm.devices or {}) do devices[i] = type(device) == "table" and device.address or tostring(device) end
    table.sort(devices)
    lines[#lines + 1] = ("%s %s locked=%s %s MB window=%s %s"):format(vm.name, vm.power, tostring(vm.memory_locked),
      tostring(vm.memory_reservation), tostring((vm.extra_config or {})["pciPassthru.64bitMMIOSizeGB"]),
      table.concat(devices, " "))
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- How often each task was started on each object; those of a VM by its name.
local function tasks_of(l)
  local names, counts = {}, {}
  for _, vm in ipairs(l.sim:get "truth".vms) do names[tostring(vm.ref or vm.moref or "")] = vm.name end
  local page = l.sim:get "journal"
  for _, entry in ipairs(page.requests or page) do
    if entry.changing and entry.method:find "_Task$" and not entry.fault then
      local this = tostring(entry.this)
      local key = entry.method .. " " .. (names[this] or this:gsub("VirtualMachine:.*", "VirtualMachine"))
      counts[key] = (counts[key] or 0) + 1
    end
  end
  return counts
end

-- What a killed run left: hosts that are not in service, VMs.
local function left_of(l)
  local words, truth = {}, l.sim:get "truth"
  for _, host in ipairs(truth.hosts) do
    local state = host.away and "away" or host.maintenance and "in maintenance" or host.entering and "entering"
    if state then words[#words + 1] = host.name .. " " .. state end
  end
  for _, vm in ipairs(truth.vms) do words[#words + 1] = vm.name .. " " .. vm.power end
  return #words > 0 and table.concat(words, ", ") or "nothing"
end

local starters = { "EnterMaintenanceMode_Task", "RebootHost_Task", "CreateVM_Task", "PowerOnVM_Task", "ReconfigVM_Task",
  "ExitMaintenanceMode_Task" }

local function misbehave(l)
  l.sim:trouble({ method = "RetrievePropertiesEx", probability = 0.05, count = 8, seed = math.random(9999) },
    { kind = "status", code = 503 })
  l.sim:trouble({ method = "WaitForUpdatesEx", probability = 0.05, count = 4, seed = math.random(9999) },
    { kind = "status", code = 503 })
  l.sim:trouble({ method = "RetrievePropertiesEx", nth = math.random(5, 60) }, { kind = "session-lost" })
  l.sim:trouble({ method = starters[math.random(#starters)], nth = math.random(2) }, { kind = "reset-after" })
end

local function more_often(counts, reference)
  local list = {}
  for key, count in pairs(counts) do
    if count > (reference[key] or 0) then list[#list + 1] = ("%s %d times"):format(key, count) end
  end
  table.sort(list)
  return list
end

describe("the sample rollout, killed and resumed", function()
  local reference, tasks, total

  local function start() return first_light.start { speed = 200 } end
  local function env_of(l) return { WINDOWS_PASSWORD = l.secrets.windows, LINUX_PASSWORD = l.secrets.linux } end

  setup(function()
    math.randomseed(seed)
    local l = start()
    l.sim:forget()
    local journal = l.dir .. "/j.db"
    local done = l:run_command { "apply", l.playbook, "--allow", ALLOW, "--journal", journal }
    assert.equal(0, done.status, done.err)
    reference, tasks = state_of(l), tasks_of(l)
    local _, list = killed.changes(journal)
    total = #list
    l:stop()
    print(("\n%d changes; seed %d\n%-3s %-44s %-62s %-7s %-4s %-7s %s"):format(total, seed, "at", "killed after",
      "what was left", "resumes", "same", "reboots", "VMs / twice"))
  end)

  local function resume(l, id, journal)
    local result
    for try = 1, 4 do
      result = l:run_command { "apply", "--resume", id, "--allow", ALLOW, "--journal", journal }
      if result.status == 0 then return try, result end
    end
    return nil, result
  end

  -- One line of the table; what is wrong, or nil.
  local function one(at)
    local l = start()
    local journal, problem = l.dir .. "/j.db", nil
    l.sim:forget()
    misbehave(l)
    local k, err = killed.after(l, { "apply", l.playbook, "--allow", ALLOW }, journal, at, env_of(l))
    local id, what, left = k and k.id, "(ended before)", "-"
    if k then
      left = left_of(l)
      what = ("%s: %s"):format(k.change.target or "", k.change.what)
      if k.changes ~= at then what = ("%s (%d)"):format(what, k.changes) end
    else
      id = killed.changes(journal)
      if not id then problem = "no run: " .. tostring(err) end
    end
    local tries, result
    if not problem then tries, result = resume(l, id, journal) end
    local counts, truth = tasks_of(l), l.sim:get "truth"
    local reboots, vms, seen = {}, {}, {}
    for key, count in pairs(counts) do if key:find "^RebootHost_Task" then reboots[#reboots + 1] = count end end
    for _, vm in ipairs(truth.vms) do
      vms[#vms + 1] = vm.name
      if seen[vm.name] then problem = problem or "two VMs are called " .. vm.name end
      seen[vm.name] = true
    end
    table.sort(vms)
    local same, twice = state_of(l) == reference, more_often(counts, tasks)
    print(("%-3d %-44.44s %-62.62s %-7s %-4s %-7s %d / %s"):format(at, what, left, tostring(tries),
      same and "yes" or "NO", table.concat(reboots, " "), #vms, #twice > 0 and table.concat(twice, ", ") or "none"))
    io.stdout:flush()
    if not problem and not tries then problem = "it does not end: " .. tostring(result.err) end
    if not problem and not same then problem = "the end differs:\n" .. state_of(l) .. "\nwanted:\n" .. reference end
    if not problem and #twice > 0 then problem = "started too often: " .. table.concat(twice, ", ") end
    if not problem and #truth.violations > 0 then problem = "violation: " .. truth.violations[1].what end
    for _, count in ipairs(reboots) do if count ~= 1 then problem = problem or count .. " reboots of a host" end end
    l:stop()
    return problem
  end

  it("ends the same way from each change, and nothing is done twice", function()
    local problems = {}
    local from, to = tonumber(os.getenv "GPUPT_FROM" or "") or 1, tonumber(os.getenv "GPUPT_TO" or "") or total
    for at = from, math.min(to, total) do
      local problem = one(at)
      if problem then problems[#problems + 1] = ("after change %d: %s"):format(at, problem) end
    end
    assert.same({}, problems)
  end)
end)
