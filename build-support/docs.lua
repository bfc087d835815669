--- Generates the reference from the declarations; with --check reports files that are out of date.
local options = require "gpupt.options"
local args = require "gpupt.cli.args"
local cli = require "gpupt.cli"

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Loads every module, so that every option is declared.
local function load_everything()
  local pipe = assert(io.popen "cd lua && find gpupt -name '*.lua' -not -path 'gpupt/meta/*' | sort")
  for path in pipe:lines() do
    local name = path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    -- adapters of foreign loops need these loops
    if not name:find "loop%.adapter" and not name:find "loop%.cqueues" and not name:find "loop%.luv" then
      local ok, message = pcall(require, name)
      if not ok and not tostring(message):find "gpupt%.iso" then error(message, 0) end
    end
  end
  pipe:close()
end

local function commands()
  local out = { "# Commands", "",
    "Made from the declarations in `lua/gpupt/cli/` by `make docs`; what `gpupt COMMAND --help` prints.", "",
    "Exit status: 0 done; 1 something failed or a problem was found; 2 wrong usage; 3 could not connect or log in;",
    "4 changes pending (`plan --exit-code`) or an approval is missing; 130 interrupted (143 by SIGTERM, "
      .. "129 by SIGHUP), resumable.", "" }
  for _, name in ipairs(cli.commands) do
    out[#out + 1] = "## gpupt " .. name
    out[#out + 1] = "```"
    out[#out + 1] = (args.help(cli.load(name)):gsub("\n$", ""))
    out[#out + 1] = "```\n"
  end
  return table.concat(out, "\n")
end

local function cell(text) return (tostring(text):gsub("|", "\\|"):gsub("\n", " ")) end

local function option_tables()
  local out = { "# Options of the Lua functions", "",
    "Made from the declarations by `make docs`. An unknown option or a wrong type raises, naming the nearest.", "" }
  for _, name in ipairs(sorted_keys(options.declared)) do
    local declaration = options.declared[name]
    if #declaration.fields > 0 then
      out[#out + 1] = "## " .. name .. "\n"
      out[#out + 1] = "| option | type | default | meaning |\n|---|---|---|---|"
      for _, field in ipairs(declaration.fields) do
        local default = field.required and "required"
          or field.default ~= nil and ("`%s`"):format(tostring(field.default)) or ""
        if type(field.default) == "table" then default = "" end
        local kind = field.choices and table.concat(field.choices, ", ") or field.type:gsub("|", " or ")
        out[#out + 1] = ("| `%s` | %s | %s | %s |"):format(field.name, cell(kind), default, cell(field.doc or ""))
      end
      out[#out + 1] = ""
    end
  end
  return table.concat(out, "\n")
end

local lua_types = { callable = "function", any = "any" }

local function annotated(kind)
  return (kind:gsub("[^|]+", function(one) return lua_types[one] or one end))
end

-- Public functions and their leading comments, read from the rooms' sources.
local rooms = { "vmx", "bar", "pci", "vmlog", "evidence", "json", "settings", "doctor", "vim", "loop", "playbook",
  "fleet", "logins" }

local function functions_of(room)
  local text = read("lua/gpupt/" .. room .. ".lua") or read("lua/gpupt/" .. room .. "/init.lua")
  local list, comment = {}, {}
  for line in (text or ""):gmatch "[^\n]*" do
    local remark = line:match "^%-%-%-? ?(.*)$"
    local name, params = line:match("^function " .. room .. "%.([%w_]+)(%b())")
    if remark then
      comment[#comment + 1] = remark
    else
      if name then list[#list + 1] = { name = name, params = params, comment = comment } end
      comment = {}
    end
  end
  return list
end

local function meta()
  local out = { "---@meta gpupt", "-- Made from the declarations by `make docs`: for editors, never loaded.", "" }
  for _, name in ipairs(sorted_keys(options.declared)) do
    local declaration = options.declared[name]
    out[#out + 1] = "---@class gpupt.options." .. name:gsub("[^%w_.]", "_")
    for _, field in ipairs(declaration.fields) do
      local kind = annotated(field.type)
      if field.choices then
        local quoted = {}
        for i, choice in ipairs(field.choices) do quoted[i] = ('"%s"'):format(choice) end
        kind = field.type == "string" and table.concat(quoted, "|") or kind
      end
      out[#out + 1] = ("---@field %s%s %s %s"):format(field.name, field.required and "" or "?", kind,
        (tostring(field.doc or ""):gsub("\n", " ")))
    end
    out[#out + 1] = ""
  end
  out[#out + 1] = "---@class gpupt\n---@field _VERSION string\nlocal gpupt = {}\n"
  out[#out + 1] = "---Passes results through; raises {message, code, detail, where} for nil, message."
  out[#out + 1] = "function gpupt.check(...) end\n"
  for _, room in ipairs(rooms) do
    local list = functions_of(room)
    if #list > 0 then
      out[#out + 1] = "gpupt." .. room .. " = {}\n"
      for _, entry in ipairs(list) do
        for _, remark in ipairs(entry.comment) do out[#out + 1] = "---" .. remark end
        local declared = options.declared[room .. "." .. entry.name]
        local last = entry.params:match "([%w_]+)%s*%)$"
        if declared and last then
          out[#out + 1] = ("---@param %s? gpupt.options.%s.%s"):format(last, room, entry.name)
        end
        out[#out + 1] = ("function gpupt.%s.%s%s end\n"):format(room, entry.name, entry.params)
      end
    end
  end
  out[#out + 1] = "return gpupt\n"
  return table.concat(out, "\n")
end

local function roff(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n%.", "\n\\&."):gsub("^%.", "\\&."):gsub("\n'", "\n\\&'"))
end

local function manual()
  local out = { '.TH GPUPT 1 "" "gpupt" "User Commands"', ".SH NAME",
    "gpupt \\- GPU passthrough on VMware ESXi, from a card in the slot to a guest that sees it", ".SH SYNOPSIS",
    ".B gpupt", ".I COMMAND", "[options]", ".SH COMMANDS" }
  for _, name in ipairs(cli.commands) do
    out[#out + 1] = ".SS gpupt " .. name
    out[#out + 1] = ".nf\n" .. roff(args.help(cli.load(name))) .. ".fi"
  end
  out[#out + 1] = ".SH EXIT STATUS\n0 done; 1 something failed or a problem was found; 2 wrong usage; "
    .. "3 could not connect or log in; 4 changes pending or an approval is missing; 130 interrupted "
    .. "(143 by SIGTERM, 129 by SIGHUP), resumable."
  return table.concat(out, "\n") .. "\n"
end

load_everything()
local pages = {
  ["docs/commands.md"] = commands(), ["docs/options.md"] = option_tables(),
  ["lua/gpupt/meta/gpupt.lua"] = meta(), ["docs/gpupt.1"] = manual(),
}
local drifted = {}
for _, path in ipairs(sorted_keys(pages)) do
  if arg[1] == "--check" then
    if read(path) ~= pages[path] then drifted[#drifted + 1] = path end
  else
    os.execute("mkdir -p '" .. path:match "^(.*)/" .. "'")
    local file = assert(io.open(path, "wb"))
    assert(file:write(pages[path]))
    assert(file:close())
    print("docs: " .. path)
  end
end
if #drifted > 0 then
  print("drifted from the declarations (run make docs): " .. table.concat(drifted, ", "))
  os.exit(1)
end
