--- The requests of plans and runs by method, from the test vCenter's journal. Counts, not times: they are the same on
-- every computer, but for a look or two at programs in guests.
-- usage: lua5.4 bench/requests.lua      needs `make build vcenter`
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local columns = {}

local function planned(name, hosts, o, ...)
  local site = lab.start { speed = 1000, fleet = requests.fleet(hosts, o), patience = 60 }
  columns[#columns + 1] = { name = name, counts = requests.plan(site, requests.playbook(...)) }
  site:stop()
end

local function applied(family)
  local site = lab.start { speed = 300, fleet = requests.fleet(2, { enabled = true }) }
  local _, counts, result = requests.apply(site, requests.playbook(requests.new_vms(family, "c-01", 1)))
  assert(result.status == "done", result.message)
  columns[#columns + 1] = { name = family, counts = counts }
  site:stop()
end

local all = requests.hosts "/DC0/host/*"
planned("100 h, 40 new", 100, nil, all, requests.new_vms("linux", "c-01", 40))
planned("100 h, 40 old", 100, { vms = 40, enabled = true }, all, requests.existing_vms "/DC0/vm/*")
planned("400 h, 20 new", 400, { vms = 400, enabled = true }, all, requests.new_vms("linux", "c-01", 20))
applied "linux"
applied "windows"
print("plan of hosts (h) and VMs; apply of one VM from vm.create to guest.verify")
print(requests.table(columns))
