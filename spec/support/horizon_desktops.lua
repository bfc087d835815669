--- What examples/horizon_desktops.lua needs beside its fleet: two installers, and where the Connection Server is.
local customization = require "spec.support.customization"
local vcenter = require "spec.support.vcenter"

local desktops = { PATH = "examples/horizon_desktops.lua",
  ENV = { GOLD_PASSWORD = "Gold-1-pass", HORIZON_PASSWORD = "Pool-1-pass", LUA_INIT = customization.INIT } }

--- Prepares a lab with that fleet; the words for the command, for so many desktops.
function desktops.prepare(site, count)
  customization.create(site:client())
  local files = site.dir .. "/installers of 2026"
  assert(os.execute(("mkdir -p '%s'"):format(files)))
  vcenter.write(files .. "/NVIDIA-551.61.exe", "NVIDIA Display Driver 551.61\n")
  vcenter.write(files .. "/VMware-Horizon-Agent-x86_64-2312-8.12.0-23142606.exe", "VMware Horizon Agent 8.12.0 \n")
  return { "--var", "count=" .. count, "--var", "files=" .. files, "--var", "connection_server=" .. site.sim.ready.horizon,
    "--var", "ca_file=" .. site.sim.ready.ca_file }
end

return desktops
