--- A module that is loaded when it is first used: for what a command often does not need (compiling all of gpupt takes
-- 0.1 s). Only for modules whose fields are used when the work is done, not while the file is loaded.
--   local redfish = later "gpupt.redfish"
return function(name)
  return setmetatable({}, { __index = function(self, field)
    local module = require(name)
    setmetatable(self, { __index = module })
    return module[field]
  end })
end
