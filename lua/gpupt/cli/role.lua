--- gpupt role: the privileges that a playbook's account needs, and the command that creates the role.
local connection = require "gpupt.cli.connection"
local printer = require "gpupt.printer"
local shell = require "gpupt.shell"
local visible = require "gpupt.visible"

local command = {
  name = "role",
  summary = "list the vSphere privileges that a playbook needs",
  usage = "role [PLAYBOOK] [--govc NAME | --methods | --json] [options]",
  details = [[
Without PLAYBOOK, lists what all steps need. No server is contacted. "gpupt
plan" and "gpupt gpus" only need System.View and System.Read, which every role
includes. --govc prints the command that creates such a role; assign the role on
the objects in the ON column (govc permissions.set), with propagation.]],
  options = {
    connection.variables[1], connection.variables[2],
    { "govc", "NAME", doc = "print the govc command that creates this role" },
    { "methods", doc = "also list the vim25 methods that need each privilege" },
    { "json", doc = "print the privileges as JSON" },
  },
  examples = {
    { "gpupt role first_light.lua", "what this playbook needs, and where" },
    { "gpupt role first_light.lua --govc gpupt | sh", "create the role" },
  },
}

-- The objects on which vSphere checks a privilege.
local objects = {
  { "^Host%.", "hosts" }, { "^VirtualMachine%.Inventory%.", "VM folder" }, { "^VirtualMachine%.", "VMs" },
  { "^Datastore%.", "datastores" }, { "^Network%.", "networks" }, { "^Resource%.", "resource pools" },
  { "^Folder%.", "folders" }, { "^Global%.", "the root" },
}

local function object_of(privilege)
  for _, entry in ipairs(objects) do
    if privilege:find(entry[1]) then return entry[2] end
  end
  return "the object itself"
end

-- privilege -> names of the vim25 methods that need it, by the schema
local function methods_of()
  local schema = require("gpupt.vim").schema
  local index = {}
  local function add(privilege, method)
    if not privilege then return end
    index[privilege] = index[privilege] or {}
    index[privilege][method] = true
  end
  for _, kind in ipairs(schema.types "managed") do
    for _, method in ipairs(schema.methods(kind)) do
      local needs = schema.privileges(method)
      add(needs.method, method)
      for _, privilege in pairs(needs.params) do add(privilege, method) end
    end
  end
  return index
end

-- { { privilege=, steps={}, on=, methods={} } }, sorted
local function merged(needs)
  local methods = methods_of()
  local by_name, list = {}, {}
  for _, one in ipairs(needs) do
    local entry = by_name[one.privilege]
    if not entry then
      entry = { privilege = one.privilege, steps = {}, on = object_of(one.privilege), methods = {} }
      by_name[one.privilege] = entry
      list[#list + 1] = entry
      for method in pairs(methods[one.privilege] or {}) do entry.methods[#entry.methods + 1] = method end
      table.sort(entry.methods)
    end
    local known = false
    for _, step in ipairs(entry.steps) do known = known or step == one.step end
    if not known then entry.steps[#entry.steps + 1] = one.step end
  end
  table.sort(list, function(a, b) return a.privilege < b.privilege end)
  for _, entry in ipairs(list) do table.sort(entry.steps) end
  return list
end

local function print_table(list, with_methods)
  local rows = { { "PRIVILEGE", "ON", "FOR" } }
  for _, entry in ipairs(list) do
    rows[#rows + 1] = { entry.privilege, entry.on, table.concat(entry.steps, ", ") }
  end
  for i, line in ipairs(visible.table(rows)) do
    printer.out("%s", line)
    local methods = i > 1 and with_methods and list[i - 1].methods or {}
    if #methods > 0 then printer.out("    %s", table.concat(methods, ", ")) end
  end
end

function command.run(options, words)
  if #words > 1 then return nil, "expected at most one playbook", "EUSAGE" end
  local needs
  if words[1] then
    local vars, argv, code = connection.vars(options)
    if not vars then return nil, argv, code end
    local playbook, message
    playbook, message, code = require("gpupt.playbook").load(words[1], vars, { argv = argv })
    if not playbook then return nil, message, code end
    needs = playbook:needs()
  else
    needs = require("gpupt.playbook").needs_of_all_steps()
  end
  local list = merged(needs)
  if options.json then
    local json = require "gpupt.json"
    for _, entry in ipairs(list) do json.array(entry.methods) end
    printer.json { privileges = json.array(list) }
  elseif options.govc then
    local lines = { "govc role.create " .. shell.word(options.govc) }
    for i, entry in ipairs(list) do
      lines[i] = lines[i] .. " \\"
      lines[i + 1] = "  " .. entry.privilege
    end
    printer.lines(lines)
  else
    print_table(list, options.methods)
  end
  return require("gpupt.cli").OK
end

return command
