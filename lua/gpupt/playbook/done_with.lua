--- Which targets an earlier part of a resumed run was done with: their steps were all made and proved. Such a host that
-- is away now is away for another reason than this run's reboot.
local done_with = {}

local over = { changed = true, ok = true }

--- { identity -> the number of the row that says so }, of targets without a change since then. Without a run, empty.
function done_with.of(journal, run)
  local set = {}
  for row in run and journal and journal:rows(run) or function() end do
    local key = row.target and row.identity
    if key and row.kind == "target" then
      set[key] = over[row.what] and row.number or nil
    elseif key and row.kind == "change" then
      set[key] = nil
    end
  end
  return set
end

return done_with
