--- Which family of guests an installation ISO is for, by its file name: "windows", "linux" or nil if it does not say.
-- Source: the names under which the vendors publish them (ubuntu-24.04.2-live-server-amd64.iso,
-- rhel-9.4-x86_64-dvd.iso, SLE-15-SP6-Full-x86_64-GM-Media1.iso, SERVER_EVAL_x64FRE_en-us.iso,
-- en-us_windows_11_..._x64_dvd.iso).
local names = {
  linux = { "ubuntu", "debian", "rhel", "centos", "rocky", "almalinux", "fedora", "oraclelinux", "sles", "sle%-%d",
    "opensuse", "photon", "linux" },
  windows = { "windows", "win%d", "win_", "server_eval", "srv%d%d%d%d" },
}

--- @param path string  "[ds-1] iso/ubuntu-24.04.iso"
return function(path)
  local name = path:match "[^/]*$":gsub("^%[[^%]]*%]%s*", ""):lower()
  local found
  for family, list in pairs(names) do
    for _, pattern in ipairs(list) do
      if name:find(pattern) then
        if found and found ~= family then return nil end
        found = family
      end
    end
  end
  return found
end
