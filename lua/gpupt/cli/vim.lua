--- gpupt vim: any method of the vim25 API on any object, by name.
local connection = require "gpupt.cli.connection"
local json = require "gpupt.json"
local plain = require "gpupt.cli.plain"
local printer = require "gpupt.printer"

local command = {
  name = "vim",
  summary = "call any method of the vSphere API by name",
  usage = "vim METHOD PATH [--args FILE] | get PATH --property P... [options]",
  details = [[
PATH is an inventory path as in govc ("/DC1/vm/**/cad-04"), a managed object
reference ("VirtualMachine:vm-42"), "ServiceInstance" or one of its managers
("searchIndex"). METHOD is a method name of the API. The arguments are a JSON
object with the API's parameter names; a reference is {"type": "HostSystem",
"value": "host-9"} or the string "HostSystem:host-9". gpupt waits for tasks.
"vim get" reads properties; "vim help" shows the parameters of a method.

--record writes what is asked and answered into a folder of text files, without
names, addresses and secrets, to be sent with a report; nothing that changes
anything is sent then. GPUPT_RECORD=DIR does the same for any command that only
reads, such as gpus, doctor and plan.]],
  options = connection.with {
    { "args", "FILE", doc = "arguments as a JSON object; - for standard input" },
    { "property", "PATH", many = true, doc = "with get: a property path; may be repeated" },
    { "type", "TYPE", doc = "only objects of this managed type" },
    { "no-wait", doc = "print the task instead of waiting for it" },
    { "record", "DIR", doc = "write a recording without names (GPUPT_RECORD)" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt vim get /DC1/host/c/esx-1 --property name --property config.product" },
    { "gpupt vim QueryHostConnectionInfo /DC1/host/c/esx-1 --json" },
    { "echo '{\"force\": false}' | gpupt vim RebootHost_Task HostSystem:host-9 --args -" },
    { "gpupt vim help HostSystem RebootHost_Task", "its parameters and result" },
    { "GPUPT_RECORD=recording gpupt gpus", "a recording of what gpus asks and gets" },
  },
}

local function lines_of(value, indent, out)
  local space = ("  "):rep(indent)
  if type(value) ~= "table" then
    out[#out + 1] = space .. tostring(value)
  elseif #value > 0 then
    for _, one in ipairs(value) do
      if type(one) == "table" then
        out[#out + 1] = space .. "-"
        lines_of(one, indent + 1, out)
      else
        out[#out + 1] = space .. "- " .. tostring(one)
      end
    end
  else
    local keys = {}
    for key in next, value do if key ~= "_type" then keys[#keys + 1] = key end end
    table.sort(keys)
    for _, key in ipairs(keys) do
      local one = value[key]
      if type(one) ~= "table" then
        out[#out + 1] = space .. key .. ": " .. tostring(one)
      elseif next(one) == nil then
        out[#out + 1] = space .. key .. ": (none)"
      else
        out[#out + 1] = space .. key .. ":"
        lines_of(one, indent + 1, out)
      end
    end
  end
  return out
end

local function show(value, as_json)
  local clean = plain(value)
  if as_json then
    local ok, message, code = printer.json(clean)
    if not ok then return nil, message, code end
  elseif value ~= true then
    printer.lines(lines_of(clean, 0, {}))
  end
  return 0
end

-- JSON's null omits a field; a text "Type:value" becomes a reference.
local function arguments_of(value, vc)
  if value == json.null then return nil end
  if type(value) == "string" then
    local kind = value:match "^(%u%a+):%S+$"
    local found = kind and vc.schema.type(kind)
    return found and found.kind == "managed" and vc.client:ref(value) or value
  end
  if type(value) ~= "table" then return value end
  local out = {}
  for key, one in pairs(value) do out[key] = arguments_of(one, vc) end
  return out
end

local function read_arguments(source, vc)
  if not source then return {} end
  local text
  if source == "-" then
    text = require "gpupt.stdin"()
  else
    local message, failed
    text, message, failed = require "gpupt.regular".read(source)
    if not text then return nil, "--args " .. message, failed end
  end
  local value, why, code = json.decode(text)
  if value == nil then return nil, "--args: " .. why, code end
  if type(value) ~= "table" then return nil, "--args: expected a JSON object", "EPARSE" end
  return arguments_of(value, vc)
end

local function object_of(client, text, kind)
  if text == "ServiceInstance" then return client.instance end
  local manager = rawget(client.content, text)
  if type(manager) == "table" and getmetatable(manager) == "gpupt.ref" then return manager end
  if text:match "^%u%a+:%S+$" then
    local ok, ref = pcall(client.ref, client, text)
    if not ok then return nil, (tostring(ref):gsub("^.-: ", "", 1)), "ENOENT" end
    return ref
  end
  return client:one(text, { type = kind })
end

local function signature(slot)
  local kind = slot.type or "void"
  return kind .. (slot.array and "[]" or "") .. (slot.optional and " (optional)" or "")
end

local function help(words)
  local schema = require("gpupt.vim").schema
  local kind, name = words[2], words[3]
  if not kind then return nil, "help needs a managed type and one of its methods", "EUSAGE" end
  if not name then
    local methods, message, code = schema.methods(kind)
    if not methods then return nil, message, code end
    table.sort(methods)
    printer.lines(methods)
    return 0
  end
  local method, message, code = schema.method(name, kind)
  if not method then return nil, message, code end
  local out = { ("%s.%s"):format(method.owner, method.name) }
  for _, param in ipairs(method.params) do out[#out + 1] = ("  %s: %s"):format(param.name, signature(param)) end
  local task_result = method.task_result and "; its result is " .. signature(method.task_result) or ""
  out[#out + 1] = method.task and "starts a task" .. task_result or "returns " .. signature(method.result)
  if method.privilege then out[#out + 1] = "needs the privilege " .. method.privilege end
  if #method.faults > 0 then out[#out + 1] = "may fail with " .. table.concat(method.faults, ", ") end
  printer.lines(out)
  return 0
end

local function call(client, options, words)
  local object, message, code, detail = object_of(client, words[2], options.type)
  if not object then return nil, message, code, detail end
  local value
  if words[1] == "get" then
    if not options.property then return nil, "get needs --property PATH", "EUSAGE" end
    value, message, code, detail = object:get(options.property)
    if value == nil then return nil, message, code, detail end
    return show(value, options.json)
  end
  local vim = require "gpupt.vim"
  local given
  given, message, code = read_arguments(options.args, { client = client, schema = vim.schema })
  if not given then return nil, message, code end
  local ok
  ok, value, message, code, detail = pcall(client.call, client, object, words[1], given)
  if not ok then
    if require("gpupt.failure").is(value) or tostring(value):find "interrupted!$" then error(value, 0) end
    return nil, (tostring(value):gsub("^[^%s]+:%d+: ", "")), "EUSAGE"
  end
  if value == nil then return nil, message, code, detail end
  if type(value) == "table" and rawget(value, "type") == "Task" and words[1]:find "_Task$" and not options.no_wait then
    local live = require("gpupt.cli.terminal").is(2)
    value, message, code, detail = client:wait(value, { progress = live and function(percent)
      printer.live(("%s %3d %%"):format(words[1], percent))
    end or nil })
    if live then printer.live "" end
    if value == nil then return nil, message, code, detail end
  end
  return show(value, options.json)
end

function command.run(options, words)
  if words[1] == "help" then return help(words) end
  if #words ~= 2 then return nil, "expected METHOD and PATH", "EUSAGE" end
  local client <close> = connection.open(options)
  return call(client, options, words)
end

return command
