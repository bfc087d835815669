--- The suites of `make test` and `make test-full`, each one or more shell commands run in the repository's root,
-- perhaps at the same time.
-- Every folder of spec/ with *_spec.lua files is a suite, so that a new module cannot be forgotten; with `full`, its
-- *_full.lua files are another: whole suites of other clients, many processes, browsers.
local suites = {}

local busted = "lua5.4 /usr/bin/busted -o build-support/tap.lua "

local function folders(root, pattern)
  local pipe = assert(io.popen(("cd '%s' && find spec -name '%s' -printf '%%h\\n' | sort -u"):format(root, pattern)))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Parsers and decoders, which read untrusted input. These run again under ASan and UBSan.
local exposed = { "spec/vmx", "spec/bar", "spec/pci", "spec/evidence", "spec/vmlog", "spec/json", "spec/codec" }

-- Their files take a minute together, or more.
local slow = { ["spec/playbook"] = true, ["spec/step"] = true, ["spec/demo"] = true, ["spec/house"] = true }

local function exists(root, path)
  local f = io.open(root .. "/" .. path)
  if f then f:close() end
  return f ~= nil
end

--- The files of a folder in parts that take about as long: files with neighbouring numbers test the same things, so
-- they go to different parts.
local function parts(root, folder, pattern, size)
  local pipe = assert(io.popen(("cd '%s' && find '%s' -maxdepth 1 -name '%s' | sort"):format(root, folder, pattern)))
  local files = {}
  for file in pipe:lines() do files[#files + 1] = file end
  pipe:close()
  local commands, count = {}, math.ceil(#files / size)
  for i, file in ipairs(files) do
    local k = (i - 1) % count + 1
    commands[k] = (commands[k] or busted .. "--pattern='%.lua$'") .. " " .. file
  end
  return commands
end

--- A list of { name =, reader =, commands =, weight = the larger, the earlier it starts }.
function suites.list(root, full)
  local list = {}
  local function add(name, reader, command, weight)
    list[#list + 1] = { name = name, reader = reader, commands = type(command) == "table" and command or { command },
      weight = weight or 0 }
  end
  add("luacheck", "status", "luacheck -q --no-color lua bin/gpupt spec examples build-support bench", 6)
  add("layout", "status", "lua5.4 build-support/arrows.lua")
  local modules = folders(root, "*_spec.lua")
  for _, folder in ipairs(modules) do
    add(folder:gsub("^spec/", ""), "tap", parts(root, folder, "*_spec.lua", slow[folder] and 1 or 4),
      slow[folder] and 6 or 0)
  end
  if exists(root, "spec/regress") then
    add("regress", "tap", parts(root, "spec/regress", "[0-9][0-9][0-9]-*.lua", 6), 5)
  end
  add("test vCenter", "go",
    ". ./build-support/environment && cd spec/vcenter && go vet ./... && go test -vet=off -json ./...", 9)
  add("C tests", "tap", "build-support/c-tests")
  local sanitized = {}
  for _, folder in ipairs(exposed) do
    for _, present in ipairs(modules) do
      if present == folder then sanitized[#sanitized + 1] = folder end
    end
  end
  add("sanitized", "tap", "build-support/sanitized " .. busted .. table.concat(sanitized, " "), 10)
  add("API checks", "tap", "build-support/apicheck", 7)
  add("corpora", "tap", "build-support/fuzz --replay", 4)
  if full then
    add("other clients", "go",
      ". ./build-support/environment && cd spec/vcenter && GPUPT_FULL=1 go test -json -timeout 40m -run Calls .", 6)
    add("poisoned server", "go", ". ./build-support/environment && cd spec/vcenter && "
      .. "GPUPT_FULL=1 go test -json -timeout 40m -run Poison ./internal/front", 6)
  end
  if full then add("govc's suite", "tap", "build-support/govc-suite", 6) end
  for _, folder in ipairs(full and folders(root, "*_full.lua") or {}) do
    add(folder:gsub("^spec/", "") .. ", full", "tap", parts(root, folder, "*_full.lua", 1), 6)
  end
  return list
end

return suites
