--- A fleet in which everything that a user of it can name holds the word "acme", in many forms: what a recording of it
-- must not contain.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local decoys = {}

local function vm(name, more)
  local one = { name = name, host = "esx-ACME-01.acme.example", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 16384,
    cpus = 8, version = "vmx-20", memory_lock = true, devices = gpupt.json.array {} }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

decoys.fleet = {
  datacenter = "Acme DC",
  datastores = { { name = "acme-vol 1", files = { ["iso/acme-ubuntu.iso"] = { os = "ubuntu" },
    ["iso/acme-answer.iso"] = { source = "builtin:ubuntu-answer" } } } },
  networks = { "acme.lan", "VLAN Acme" },
  users = { { name = "jane.acme@acme.example", password = "Acme-Secret-1", role = "Admin" } },
  clusters = { { name = "ACME%2fgpu", resource_pools = { "acme pool" }, hosts = {
    { name = "esx-ACME-01.acme.example", uuid = "ac3eac3e-ac3e-4c3e-8c3e-ac3eac3eac3e", cards = {
      lab.card("0000:3b:00.0", { enabled = true, active = true, label = "acme-label", slot = "Slot acme" }),
      lab.card("0000:86:00.0", { enabled = true, active = true }) } },
    { name = "on", cards = { lab.card "0000:3b:00.0" } } } } },
  vms = {
    vm("acme-train-01", { devices = { "0000:3b:00.0" }, installed = "ubuntu", username = "acme-ops", password = "Acme-Secret-2",
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "128",
        ["guestinfo.acme.token"] = "acme-token-1", ["acme.key"] = "YWNtZQ== acme", ["pciPassthru0.customLabel"] = "acme",
        ["svga.present"] = "acme", ["guestinfo.userdata"] = "I2Nsb3VkLWNvbmZpZwphY21l" } }),
    vm("gpu", { folder = "acme folder" }), vm("Ácme-ünïcode"), vm("host"),
  },
}

--- Starts it, with decoys in what only a change can set; a lab.
function decoys.start()
  local l = lab.start { speed = 200, fleet = decoys.fleet }
  local vc, check = l:client(), gpupt.check
  local train = check(vc:one "/Acme DC/vm/acme-train-01")
  check(vc:wait(check(train:ReconfigVM_Task { spec = { annotation = "call Jane Acme\n+49 30 123456 acme" } })))
  l.host = check(vc:one "/Acme DC/host/*/esx-ACME*")
  l.train = train
  return l
end

--- The lines of a folder in which one of these patterns (of grep) is, as one text.
function decoys.leaks(folder, patterns)
  local words = {}
  for i, pattern in ipairs(patterns) do words[i] = "-e '" .. pattern .. "'" end
  local pipe = assert(io.popen(("LC_ALL=C grep -rin %s '%s'"):format(table.concat(words, " "), folder)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

return decoys
