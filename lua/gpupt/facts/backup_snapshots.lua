--- Names that backup products give the snapshots which they take while they read a VM's disks. A product deletes its
-- snapshot itself when it has finished; one that stays is a leftover, or its job is still at work.
-- Source: Veeam KB 1790 ("confirm that no active jobs are running", then delete it); for the others the plug-in "Backup
-- Garbage" of the public script vCheck-vSphere (VCB, Consolidate, veeam, NBU_SNAPSHOT, GX_BACKUP).
local names = {
  { pattern = "veeam backup temporary snapshot", product = "Veeam" },
  { pattern = "nbu_snapshot", product = "NetBackup" },
  { pattern = "__gx_backup__", product = "Commvault" },
}

local backup_snapshots = {}

--- The product that names a snapshot so, or nil.
function backup_snapshots.product(name)
  for _, one in ipairs(names) do
    if name:lower():find(one.pattern, 1, true) then return one.product end
  end
end

return backup_snapshots
