--- gpupt role: the privileges that a playbook's account needs, and the command that makes the role.
local command = {
  name = "role",
  summary = "the vSphere privileges that a playbook (or every step) needs",
  usage = "role [PLAYBOOK] [--var NAME=VALUE]... [--govc NAME | --methods | --json]",
  details = [[
Without PLAYBOOK: what all steps together need. Nothing is asked of a server. Reading (gpupt plan, gpupt gpus) needs no
more than System.View and System.Read, which every role has by itself. --govc prints the command that makes such a role;
assign it where the table says (permissions.set in govc), with propagation.]],
  options = {
    { "var", "NAME=VALUE", many = true, doc = "a value for the playbook's vars" },
    { "govc", "NAME", doc = "print the govc command that makes a role of this name" },
    { "methods", doc = "with the vim25 methods that a privilege stands for" },
    { "json", doc = "the privileges as JSON" },
  },
  examples = {
    { "gpupt role first_light.lua", "what this playbook needs, and where" },
    { "gpupt role first_light.lua --govc gpupt | sh", "make the role" },
  },
}

-- On which objects a privilege is looked for.
local places = {
  { "^Host%.", "hosts" }, { "^VirtualMachine%.Inventory%.", "VM folder" }, { "^VirtualMachine%.", "VMs" },
  { "^Datastore%.", "datastores" }, { "^Network%.", "networks" }, { "^Resource%.", "resource pools" },
  { "^Folder%.", "folders" }, { "^Global%.", "the root" },
}

local function place_of(privilege)
  for _, entry in ipairs(places) do
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

local function of_steps()
  local steps = require "gpupt.step"
  local list = {}
  for _, name in ipairs(steps.names) do
    local step = steps.load(name)
    for _, privilege in ipairs(step.needs) do list[#list + 1] = { privilege = privilege, step = name } end
    for _, privilege in ipairs(step.also_needs and step.also_needs() or {}) do
      list[#list + 1] = { privilege = privilege, step = name }
    end
  end
  return list
end

-- { { privilege=, steps={}, on=, methods={} } }, sorted
local function merged(needs)
  local methods = methods_of()
  local by_name, list = {}, {}
  for _, one in ipairs(needs) do
    local entry = by_name[one.privilege]
    if not entry then
      entry = { privilege = one.privilege, steps = {}, on = place_of(one.privilege), methods = {} }
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
  local first, second = #"PRIVILEGE", #"ON"
  for _, entry in ipairs(list) do first, second = math.max(first, #entry.privilege), math.max(second, #entry.on) end
  local row = ("%%-%ds  %%-%ds  %%s\n"):format(first, second)
  io.stdout:write(row:format("PRIVILEGE", "ON", "FOR"))
  for _, entry in ipairs(list) do
    io.stdout:write(row:format(entry.privilege, entry.on, table.concat(entry.steps, ", ")))
    if with_methods and #entry.methods > 0 then io.stdout:write("    ", table.concat(entry.methods, ", "), "\n") end
  end
end

local function shell_word(text)
  if text:find "^[%w_.-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

function command.run(options, words)
  if #words > 1 then return nil, "one playbook is enough", "EUSAGE" end
  local needs
  if words[1] then
    local vars, message, code = require("gpupt.cli.connection").vars(options.var)
    if not vars then return nil, message, code end
    local playbook
    playbook, message, code = require("gpupt.playbook").load(words[1], vars)
    if not playbook then return nil, message, code end
    needs = playbook:needs()
  else
    needs = of_steps()
  end
  local list = merged(needs)
  if options.json then
    local json = require "gpupt.json"
    for _, entry in ipairs(list) do json.array(entry.methods) end
    io.stdout:write((json.document { privileges = json.array(list) }))
  elseif options.govc then
    io.stdout:write("govc role.create ", shell_word(options.govc))
    for _, entry in ipairs(list) do io.stdout:write(" \\\n  ", entry.privilege) end
    io.stdout:write "\n"
  else
    print_table(list, options.methods)
  end
  return require("gpupt.cli").OK
end

return command
