--- The suites of `make test` and `make test-full`, each a shell command run in the repository's root.
-- Every folder of spec/ with *_spec.lua files is a suite, so that a new module cannot be forgotten; with `full`, its
-- *_full.lua files are another: whole suites of other clients, many processes, browsers.
local suites = {}

local busted = "lua5.4 /usr/bin/busted -o TAP "

local function folders(root, pattern)
  local pipe = assert(io.popen(("cd '%s' && find spec -name '%s' -printf '%%h\\n' | sort -u"):format(root, pattern)))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Parsers and decoders, which read untrusted input. These run again under ASan and UBSan.
local exposed = { "spec/vmx", "spec/bar", "spec/pci", "spec/evidence", "spec/vmlog", "spec/json", "spec/codec" }

local function exists(root, path)
  local f = io.open(root .. "/" .. path)
  if f then f:close() end
  return f ~= nil
end

--- A list of { name =, reader =, command = }.
function suites.list(root, full)
  local list = {}
  local function add(name, reader, command)
    list[#list + 1] = { name = name, reader = reader, command = command }
  end
  add("luacheck", "status", "luacheck -q --no-color lua bin/gpupt spec examples build-support bench")
  add("layout", "status", "lua5.4 build-support/arrows.lua")
  local modules = folders(root, "*_spec.lua")
  for _, folder in ipairs(modules) do
    add(folder:gsub("^spec/", ""), "tap", busted .. folder)
  end
  if exists(root, "spec/regress") then
    add("regress", "tap", busted .. "--pattern='%d%d%d-.*%.lua$' spec/regress")
  end
  add("test vCenter", "go", ". ./build-support/environment && cd spec/vcenter && go vet ./... && go test -json ./...")
  add("C tests", "tap", "build-support/c-tests")
  local sanitized = {}
  for _, folder in ipairs(exposed) do
    for _, present in ipairs(modules) do
      if present == folder then sanitized[#sanitized + 1] = folder end
    end
  end
  add("sanitized", "tap", "build-support/sanitized " .. busted .. table.concat(sanitized, " "))
  add("API checks", "tap", "build-support/apicheck")
  add("corpora", "tap", "build-support/fuzz --replay")
  if full then
    add("other clients", "go",
      ". ./build-support/environment && cd spec/vcenter && GPUPT_FULL=1 go test -json -run Calls .")
  end
  for _, folder in ipairs(full and folders(root, "*_full.lua") or {}) do
    add(folder:gsub("^spec/", "") .. ", full", "tap", busted .. "--pattern='_full%.lua$' " .. folder)
  end
  return list
end

return suites
