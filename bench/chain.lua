--- What a VM costs from bare to proven (vm.create, os.install, tools.ensure, gpu.attach, driver.install, guest.verify):
-- requests by method, and the CPU of the client without password hashes and ISO writing, which are shown apart.
-- usage: lua5.4 bench/chain.lua [COUNT]      needs `make build vcenter`
local chain = require "spec.support.chain"
local requests = require "spec.support.requests"

local count = math.tointeger(tonumber(arg and arg[1] or "20"))
local columns, lines = {}, {}

for _, family in ipairs { "linux", "windows" } do
  local one = chain.run { family = family, count = count }
  assert(one.result.status == "done", one.result.message or one.result.targets[1].message)
  local per_vm = { total = ("%.1f"):format(one.applied.total / count), by_method = {} }
  for method, n in pairs(one.applied.by_method) do per_vm.by_method[method] = tonumber(("%.1f"):format(n / count)) end
  columns[#columns + 1] = { name = family, counts = per_vm }
  local function ms(seconds) return seconds / count * 1000 end
  local cpu = one.cpu
  lines[#lines + 1] = ("%-10s%12.1f%12.1f%12.1f%12.1f%12d"):format(family, ms(cpu.apply - cpu.hash - cpu.iso),
    ms(cpu.plan), ms(cpu.hash), ms(cpu.iso), one.waits)
end

print(("apply of %d VMs from vm.create to guest.verify: requests per VM"):format(count))
print(requests.table(columns))
print "\nCPU of the client per VM (ms), and WaitForUpdatesEx in flight at most"
print(("%-10s%12s%12s%12s%12s%12s"):format("", "run", "plan", "hashes", "ISO", "in flight"))
print(table.concat(lines, "\n"))
