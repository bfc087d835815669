--- What kind of file a log is, by its lines: "vmware.log", "vmkernel", "dmesg", "guest text" or "unknown".
-- A file of an unknown kind in which nothing was found was not read, and says nothing about health.
local kind = {}

-- Each line counts for the first kind that it fits.
local kinds = {
  { "vmware.log", { "^[%dT:.%-+Z]+|%s*[%w%-]+%s*|", "^%a%a%a %d%d [%d:.]+: %w+|", "^%S+ %u%l%(%d%d%) [%w%-]+ ",
    "Log for VMware", "DICT +[%w_.:]+ *=", "PCIPassthru: Device %x", "^[%w%-]+| +%u%d%d%d: " } },
  { "vmkernel", { "cpu%d+:%d+%)", "^%S+ %u%l%(%d%d%d%) [%w%-]+[%[:]", " vmkernel: ", " vmkwarning: ", " vobd: ",
    " hostd[%[:]",
    "%[vob%.", "^%S+ %w+ hostd%[", "^%a%a%a +%d+ [%d:]+ vmkernel:" } },
  { "dmesg", { "^%[ *%d+%.%d+%]", "^<%d+>", "^%a%a%a +%d+ [%d:]+ %S+ [%w_./%-]+%[?%d*%]?: ",
    "^%[%a%a%a %a%a%a +%d+ [%d:]+ %d+%]",
    "^%d%d%d%d%-[%dT:.%-+Z]+ %S+ [%w_%-]+%[?%d*%]?: ",
    "^NVRM: ", "^nvidia[%w_%-]*[: ]", "^amdgpu[: ]", "^nouveau[: ]", "^i915 ",
      "^xe %x",
    "^kern +:" } },
  -- lspci, nvidia-smi and the like are not read here, so that nothing is said of them
  { "guest text", { "^ *ConfigManagerErrorCode", "Problem [Cc]ode", "%(Code %d+%)", "CM_PROB_", "^ *InstanceI[dD]",
    "PCI\\VEN_", "BCCode", "[Bb]ug ?[Cc]heck", "^ *Driver Version", "^ *Region %d:", "VIDEO_[%u_]+",
    "^ *Driver Date", "occurred on GPUID", "source nvlddmkm" } },
}

local function kind_of_line(line)
  for _, one in ipairs(kinds) do
    for _, pattern in ipairs(one[2]) do
      if line:find(pattern) then return one[1] end
    end
  end
end

--- From the first lines of a file: the kind that most of those lines have that have any.
function kind.of(head)
  local counts, seen = {}, 0
  for line in head:gmatch "[^\r\n]+" do
    seen = seen + 1
    local found = kind_of_line(line)
    if found then counts[found] = (counts[found] or 0) + 1 end
    if seen == 300 then break end
  end
  local best
  for _, one in ipairs(kinds) do
    local count = counts[one[1]] or 0
    if count > 0 and (not best or count > counts[best]) then best = one[1] end
  end
  -- a stray line does not make a text a log
  if best and counts[best] * 20 < seen and counts[best] < 3 then return "unknown" end
  return best or "unknown"
end

return kind
