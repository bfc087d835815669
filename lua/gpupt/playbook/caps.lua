--- How many VMs of a run are worked on at once: per host, per datastore and per vCenter (`parallel` of p.vms). A VM
-- holds its places from its first step to its last. All VMs take them in the same order, so that none wait for each
-- other.
local loop = require "gpupt.loop"
local options = require "gpupt.options"

local caps = {}

local fields = options.declare("p.vms parallel", {
  { "host", "integer", default = 8, doc = "VMs at once on one host" },
  { "datastore", "integer", default = 64, doc = "VMs at once on one datastore" },
  { "vcenter", "integer", default = 128, doc = "VMs at once in the vCenter" },
})

local kinds = { "host", "datastore", "vcenter" }

--- What is wrong with the option, or nil.
function caps.problem(given)
  local problem = fields:problem(given)
  if problem then return problem end
  for _, kind in ipairs(kinds) do
    if given[kind] and given[kind] < 1 then return ("parallel: %s = %d is less than 1"):format(kind, given[kind]) end
  end
end

--- The option with its defaults.
function caps.of(given) return fields:check(given or {}) end

-- What a VM target is one of, by kind; nil if it is not known.
local function place(target, kind)
  if kind == "host" then return target.host and target.host.ref end
  if kind == "vcenter" then return "vcenter" end
  return target.datastore or target.vm and target.vm.path and target.vm.path:match "^%[([^%]]+)%]"
end

local Caps = {}
Caps.__index = Caps

--- The places of a plan. Where scopes differ, the lower number holds for what they share.
function caps.new(targets)
  local self = setmetatable({ most = {}, places = {} }, Caps)
  for _, target in ipairs(targets) do
    for _, kind in ipairs(kinds) do
      -- the scopes of an undo have no options of their own
      local where, most = place(target, kind), (target.scope.options.parallel or caps.of())[kind]
      local key = where and kind .. " " .. tostring(where)
      if key then self.most[key] = math.min(self.most[key] or most, most) end
    end
  end
  return self
end

--- Waits for the places of a VM: a list to close.
function Caps:enter(target)
  local list = setmetatable({}, { __close = function(tokens)
    for _, token in ipairs(tokens) do token:release() end
  end })
  for _, kind in ipairs(kinds) do
    local where = place(target, kind)
    local key = where and kind .. " " .. tostring(where)
    if key and self.most[key] then
      self.places[key] = self.places[key] or loop.semaphore(self.most[key])
      list[#list + 1] = self.places[key]:acquire()
    end
  end
  return list
end

return caps
