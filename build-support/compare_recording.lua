-- See build-support/compare-recording, which sets the paths.
local files = require "gpupt.record.files"
local walk = require "gpupt.record.walk"
local xml = require "gpupt.record.xml"

local function list(command)
  local found, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do found[#found + 1] = line end
  pipe:close()
  return found
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function sorted(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function new_side() return { types = {}, methods = {}, failures = {}, unknown = {}, exchanges = 0 } end

local function count_field(side, kind, name)
  local one = side.types[kind] or { objects = 0, fields = {} }
  side.types[kind] = one
  if name then one.fields[name] = (one.fields[name] or 0) + 1 end
  return one
end

-- The properties of a managed object: its fields here.
local function count_properties(side, node)
  local object = xml.child(node, "obj")
  local kind = object and xml.attribute(object, "type")
  if not kind then return end
  count_field(side, kind).objects = side.types[kind].objects + 1
  for _, child in ipairs(node.children) do
    local path = xml.child(child, child.local_name == "missingSet" and "path" or "name")
    if path and path.text then
      count_field(side, kind, path.text .. (child.local_name == "missingSet" and " (not readable)" or ""))
    end
  end
end

local function count_object(side, kind, node)
  if kind == "ObjectContent" or kind == "ObjectUpdate" then return count_properties(side, node) end
  if kind == "DynamicProperty" or kind == "PropertyChange" then return end
  count_field(side, kind).objects = side.types[kind].objects + 1
  local seen = {}
  for _, child in ipairs(node.children) do
    if not seen[child.local_name] then count_field(side, kind, child.local_name) end
    seen[child.local_name] = true
  end
end

local function fault_of(content)
  local detail = content.local_name == "Fault" and xml.child(content, "detail")
  local one = detail and detail.children[1]
  return one and (xml.attribute(one, "type") or one.local_name):match "([^:]+)$"
end

local function add_exchange(side, exchange, name)
  side.exchanges = side.exchanges + 1
  local method = side.methods[exchange.method] or {}
  side.methods[exchange.method] = method
  if exchange.result and exchange.result:find "^failed" then
    side.failures[#side.failures + 1] = ("%s: %s, HTTP %s"):format(name, exchange.result, exchange.status or "-")
  end
  if not (exchange.answer and exchange.answer:find "^%s*<%a") or exchange.method == "GET" then return end
  local root = assert(xml.parse("<Envelope><Body>" .. exchange.answer .. "</Body></Envelope>"))
  local content = walk.walk(root, {
    node = function() end,
    object = function(kind, node) count_object(side, kind, node) end,
    leaf = function(_, where)
      if not where.slot and where.owner and where.field then side.unknown[where.owner .. "." .. where.field] = true end
    end,
  })
  local outcome = content and fault_of(content) or "answered"
  method[outcome] = (method[outcome] or 0) + 1
end

local function read(folders)
  local side = new_side()
  for _, folder in ipairs(folders) do
    for _, path in ipairs(list("find " .. quote(folder) .. " -name '[0-9]*-*.txt' | LC_ALL=C sort")) do
      local file = assert(io.open(path, "rb"))
      add_exchange(side, files.read(file:read "a"), path:match "[^/]+/[^/]+$")
      file:close()
    end
  end
  if side.exchanges == 0 then
    io.stderr:write("compare-recording: there is no recorded exchange in ", table.concat(folders, ", "), "\n")
    os.exit(2)
  end
  return side
end

-- What the same commands get from the test vCenter.
local PLAYBOOK = [[
  local cards = p.gpus { match = "10de:*" }
  return p.playbook { name = "compare",
    p.hosts { where = "/DC0/host/*", devices = cards, roll = { unavailable = "1/cluster", back_within = "45m" },
      p.host.enable {} },
    p.vms { name = "new-1", login = p.login("ops", p.secret.env "HOME"),
      place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
      p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "16 GiB", disk = "20 GiB" },
      p.os.install { iso = "[ds-1] iso/ubuntu.iso", answer = "[ds-1] iso/answer.iso" },
      p.tools.ensure {}, p.gpu.attach { devices = cards, count = 1 }, p.guest.verify {} } }
]]

local function record_test_vcenter()
  local gpupt = require "gpupt"
  local lab = require "spec.support.lab"
  local enabled = { enabled = true, active = true }
  local l = lab.start { speed = 200, fleet = {
    clusters = { { name = "gpu-a", hosts = { { name = "esx-a", cards = { lab.card("0000:3b:00.0", enabled) } } } },
      { name = "gpu-b", hosts = { { name = "esx-b", cards = { lab.card "0000:3b:00.0" } } } } },
    datastores = { { name = "ds-1", files = { ["iso/ubuntu.iso"] = { os = "ubuntu" },
      ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" } } } },
    vms = { { name = "vm-1", host = "esx-a", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 16384, cpus = 8,
      memory_lock = true, version = "vmx-20", devices = { "0000:3b:00.0" }, installed = "ubuntu", username = "ops",
      password = "Train-1-pass", extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
        ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
  local vm = gpupt.check(l:client():one "/DC0/vm/vm-1")
  gpupt.check(l.vc:wait(gpupt.check(vm:PowerOnVM_Task {})))
  local target = list("mktemp -d")[1]
  local commands = { gpus = { "gpus" }, doctor = { "doctor", "/DC0/vm/vm-1" }, plan = { "plan", l:write(PLAYBOOK) } }
  for name, words in pairs(commands) do
    local result = l:command(words, { env = { GPUPT_RECORD = target .. "/" .. name } })
    if result.status > 1 then error(name .. " of the test vCenter failed: " .. result.err, 0) end
  end
  l:stop()
  return target
end

local lines, different = {}, false
local function say(...) lines[#lines + 1] = string.format(...) end

local function rows(title, head, body)
  if #body == 0 then return end
  different = true
  say("\n%s", title)
  table.insert(body, 1, head)
  local widths = {}
  for _, row in ipairs(body) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for _, row in ipairs(body) do
    local cells = {}
    for i, cell in ipairs(row) do cells[i] = i == #row and cell or cell .. (" "):rep(widths[i] - #cell) end
    say("  %s", table.concat(cells, "  "))
  end
end

local function share(one, field)
  local count = one and one.fields[field]
  return count and ("%d of %d"):format(count, one.objects) or "-"
end

local function compare_fields(real, test)
  local body, only = {}, {}
  for _, kind in ipairs(sorted(real.types)) do
    local ours = test.types[kind]
    if ours then
      local names = {}
      for name in pairs(real.types[kind].fields) do if not ours.fields[name] then names[name] = true end end
      for name in pairs(ours.fields) do if not real.types[kind].fields[name] then names[name] = true end end
      for _, name in ipairs(sorted(names)) do
        body[#body + 1] = { kind, name, share(real.types[kind], name), share(ours, name) }
      end
    else
      only[#only + 1] = { kind, "recording", tostring(real.types[kind].objects) }
    end
  end
  for _, kind in ipairs(sorted(test.types)) do
    if not real.types[kind] then only[#only + 1] = { kind, "test vCenter", tostring(test.types[kind].objects) } end
  end
  rows("Fields that one side has", { "TYPE", "FIELD", "RECORDING", "TEST VCENTER" }, body)
  rows("Types that one side has", { "TYPE", "ONLY IN", "OBJECTS" }, only)
end

local function outcomes(method)
  local words = {}
  for _, name in ipairs(sorted(method or {})) do words[#words + 1] = ("%s x%d"):format(name, method[name]) end
  return #words > 0 and table.concat(words, ", ") or method and "-" or "not called"
end

local function same_kinds(a, b)
  for name in pairs(a) do if not b[name] then return false end end
  for name in pairs(b) do if not a[name] then return false end end
  return true
end

local function compare_methods(real, test)
  local all, body = {}, {}
  for name in pairs(real.methods) do all[name] = true end
  for name in pairs(test.methods) do all[name] = true end
  for _, name in ipairs(sorted(all)) do
    local a, b = real.methods[name], test.methods[name]
    if not a or not b or not same_kinds(a, b) then body[#body + 1] = { name, outcomes(a), outcomes(b) } end
  end
  rows("Methods and their faults", { "METHOD", "RECORDING", "TEST VCENTER" }, body)
end

local folders, with = {}, nil
local i = 1
while arg[i] do
  if arg[i] == "--with" then
    with, i = arg[i + 1], i + 1
  else
    folders[#folders + 1] = arg[i]
  end
  i = i + 1
end
if #folders == 0 then
  io.stderr:write "usage: build-support/compare-recording [--with DIR2] DIR...\n"
  os.exit(2)
end

local real = read(folders)
local own = not with and record_test_vcenter()
local test = read { with or own }
if own then os.execute("rm -rf " .. quote(own)) end
say("recording: %d exchanges, %d types; test vCenter: %d exchanges, %d types", real.exchanges, #sorted(real.types),
  test.exchanges, #sorted(test.types))
compare_fields(real, test)
compare_methods(real, test)
local unknown = {}
for _, name in ipairs(sorted(real.unknown)) do unknown[#unknown + 1] = { name } end
rows("Fields of the recording that the schema does not have", { "FIELD" }, unknown)
local failed = {}
for _, text in ipairs(real.failures) do failed[#failed + 1] = { text } end
rows("Calls of the recording that got no answer", { "EXCHANGE" }, failed)
if not different then say "no difference" end
print(table.concat(lines, "\n"))
os.exit(different and 1 or 0)
