--- Runs each function of an oom_bodies.lua once, and fails when one does (build-support/apicheck).
-- A body for failing memory must also succeed when memory does not fail.
local file = assert(arg[1], "usage: apicheck_bodies.lua FILE")
local names, bodies = {}, assert(loadfile(file))()
for name in pairs(bodies) do names[#names + 1] = name end
table.sort(names)
assert(#names > 0, file .. " has nothing to run")
for _, name in ipairs(names) do
  local ok, message = pcall(bodies[name])
  if not ok then error(("%s: %s: %s"):format(file, name, tostring(message)), 0) end
end
print(#names .. " bodies")
