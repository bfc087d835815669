--- HA admission control of a cluster: whether it still admits when hosts leave, by the server's own figures.
--   failover level     ClusterFailoverLevelAdmissionControlInfo.currentFailoverLevel: the number of hosts that may fail
--   resources          ...ResourcesAdmissionControlInfo: so much of memory and CPU is not reserved; without a host it
--                      is less, because the VMs stay in the cluster
--   failover hosts     ...HostAdmissionControlInfo: which of the dedicated hosts are ready
-- DRS does not empty a host, and no VM is started, beyond what admission control guards.
local check = require "gpupt.failure".check

local admission = {}

--- Whether admission control is on, in a cluster's configurationEx.
function admission.guarded(config)
  local das = config and rawget(config, "dasConfig") -- a host without a cluster has none
  return das ~= nil and das.enabled == true and das.admissionControlEnabled == true
end

local host_paths = { "name", "hardware.memorySize", "hardware.cpuInfo.hz", "hardware.cpuInfo.numCpuCores",
  "runtime.connectionState", "runtime.inMaintenanceMode" }

-- Memory and CPU of the hosts that are in service, by reference, and their sums.
local function capacity(vc, refs)
  local sums = { memory = 0, cpu = 0, of = {} }
  for _, host in ipairs(check(vc:collect_all { objects = refs, type = "HostSystem", paths = host_paths })) do
    if host["runtime.connectionState"] == "connected" and host["runtime.inMaintenanceMode"] ~= true then
      local one = { memory = host["hardware.memorySize"] or 0,
        cpu = (host["hardware.cpuInfo.hz"] or 0) * (host["hardware.cpuInfo.numCpuCores"] or 0) }
      sums.of[host.ref], sums.memory, sums.cpu = one, sums.memory + one.memory, sums.cpu + one.cpu
    end
  end
  return sums
end

--- Whether HA is on, in a cluster's configurationEx.
function admission.enabled(config)
  local das = config and rawget(config, "dasConfig")
  return das ~= nil and das.enabled == true
end

--- Reads what admission control of a cluster guards now: nil if it guards nothing. Raises.
function admission.read(vc, cluster)
  local props = check(cluster:get { "configurationEx", "summary", "host" })
  if not admission.guarded(props.configurationEx) then return nil end
  local policy = props.configurationEx.dasConfig.admissionControlPolicy
  local info = props.summary and props.summary.admissionControlInfo
  local self = { policy = policy, info = info, kind = policy and policy._type }
  if self.kind == "ClusterFailoverResourcesAdmissionControlPolicy" and info then
    self.capacity = capacity(vc, props.host or {})
  end
  return self
end

local function by_level(state, leaving)
  local need, now = state.policy.failoverLevel or 0, state.info.currentFailoverLevel
  if now - #leaving >= need then return nil end
  return ("HA admission control guards %d host failure(s), and tolerates %d now"):format(need, now)
end

-- The percentage that is left of a resource without some hosts. The server's figure is rounded down.
local function left(state, what, now, leaving)
  local total, gone = state.capacity[what], 0
  if total <= 0 then return math.huge end
  for _, ref in ipairs(leaving) do gone = gone + (state.capacity.of[ref] and state.capacity.of[ref][what] or 0) end
  if gone >= total then return 0 end
  local reserved = total * (1 - (now + 0.5) / 100)
  return math.max(0, math.floor(100 * (1 - reserved / (total - gone))))
end

local function by_percent(state, leaving)
  for _, one in ipairs {
    { "memory", state.info.currentMemoryFailoverResourcesPercent, state.policy.memoryFailoverResourcesPercent },
    { "cpu", state.info.currentCpuFailoverResourcesPercent, state.policy.cpuFailoverResourcesPercent },
  } do
    local what, now, need = table.unpack(one)
    if now and need then
      local after = left(state, what, now, leaving)
      if after < need then
        return ("HA admission control guards %d %% of the %s: %d %% are free now, and about %d %% would be"):format(
          need, what == "cpu" and "CPU" or what, now, after)
      end
    end
  end
end

local function by_hosts(state, leaving)
  local gone, ready, dedicated = {}, 0, false
  for _, ref in ipairs(leaving) do gone[ref] = true end
  for _, one in ipairs(state.info.hostStatus or {}) do
    dedicated = dedicated or gone[one.host] or false
    if one.status == "green" and not gone[one.host] then ready = ready + 1 end
  end
  local need = math.max(1, state.policy.failoverLevel or 1)
  if not dedicated or ready >= need then return nil end
  return ("it is a dedicated failover host of HA, and %d other(s) are ready, of %d that HA guards"):format(ready, need)
end

local by_kind = {
  ClusterFailoverLevelAdmissionControlPolicy = by_level, ClusterFailoverResourcesAdmissionControlPolicy = by_percent,
  ClusterFailoverHostAdmissionControlPolicy = by_hosts,
}

--- Why the cluster does not admit that these hosts (references) leave, or nil. Then: why that is not known, or nil.
function admission.refuses(state, leaving)
  if not state then return nil end
  local rule = by_kind[state.kind or ""]
  if not rule or not state.info then
    return nil, ("the server says nothing of what HA guards (%s)"):format(state.kind or "no policy")
  end
  return rule(state, leaving)
end

return admission
