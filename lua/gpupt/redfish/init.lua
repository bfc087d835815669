--- BIOS settings of servers over Redfish, as far as passthrough depends on them.
--
--   local bmc <close> = gpupt.check(gpupt.redfish.open { url =, username =, password =, ca_file = | thumbprint = })
--   local seen = gpupt.check(gpupt.redfish.read(bmc, { above_4g = true, iommu = true }))
--   for _, line in ipairs(seen.lines) do print(line.label, line.attribute, line.current, line.pending, line.wanted) end
--
-- Reading changes nothing. The step host.firmware changes settings, with the reboot that they need.
local bios = require "gpupt.redfish.bios"
local client = require "gpupt.redfish.client"
local options = require "gpupt.options"
local settings = require "gpupt.redfish.settings"

local redfish = {}

--- Connects to a BMC and logs in (gpupt.redfish.client); bmc:close() ends the session.
redfish.open = client.open

local wanted_options = options.declare("redfish.read", {
  { "above_4g", "boolean", doc = "what above 4G decoding should be; nil: only shown" },
  { "iommu", "boolean", doc = "the same for the IOMMU (VT-d, AMD-Vi)" },
  { "sr_iov", "boolean", doc = "the same for SR-IOV" },
  { "set", "table", doc = "attributes of this server with the values that they should have" },
  { "uuid", "string", doc = "the UUID of the host: the BMC of another server is refused" },
})

--- The settings of the server: { vendor, maker, model, version, settings = path, registry_missing, messages, lines = {
-- { key, label, attribute, current, pending, wanted, note, problem, unverified } } }; nil, message, code.
function redfish.read(bmc, given)
  local o = wanted_options:check(given)
  local seen, message, code = bios.read(bmc, { uuid = o.uuid })
  if not seen then return nil, message, code end
  local lines = settings.lines(seen, o, true)
  for _, line in ipairs(lines) do line.entry = nil end
  return { vendor = seen.vendor, maker = seen.maker, model = seen.model, version = seen.version,
    settings = seen.settings, registry_missing = seen.registry_missing, messages = seen.messages, lines = lines }
end

return redfish
