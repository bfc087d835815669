--- Two clients that share no code with ours, for specs: govc, built from the module that the simulator comes from, and
-- pyVmomi from build/venv. What they read of what we wrote, and we of what they wrote, shows that all mean the same.
--   local witness = require "spec.support.witness".of(sim)
--   witness.govc("vm.info", "-json", path)  -> its output; raises when it fails     witness.govc_fails(...) -> stderr
--   witness.python("tree", "VirtualMachine") -> decoded JSON of spec/client/witness.py
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

local witness = {}

local build = os.getenv "GPUPT_BUILD" or "build"
local built

-- Go's cache makes a second build cheap; its own word on whether govc is up to date is the only reliable one.
local function govc()
  if not built then
    local path = build .. "/govc"
    if path:sub(1, 1) ~= "/" then path = os.getenv "PWD" .. "/" .. path end
    local text, ok = vcenter.shell((". build-support/environment && cd spec/vcenter && env -u LD_PRELOAD go build -o '%s' ./govc 2>&1")
      :format(path))
    if not ok then error("govc cannot be built: " .. text, 0) end
    built = path
  end
  return built
end

local function quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function words_of(...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = quote(list[i]) end
  return table.concat(list, " ")
end

function witness.of(sim)
  local self = {}
  local ready = sim.ready
  vcenter.write(sim.dir .. "/govc-env", ([[
export GOVC_URL=%s GOVC_USERNAME=%s GOVC_PASSWORD=%s GOVC_TLS_CA_CERTS=%s GOVC_PERSIST_SESSION=false
export GOVC_VIM_VERSION=8.0.3.0 GOVMOMI_HOME=%s GOVC_DATACENTER=DC0
unset LD_PRELOAD
]]):format(quote(ready.url), quote(ready.username), quote(ready.password), quote(ready.ca_file), quote(sim.dir)))

  local function run_govc(...)
    local errors = sim.dir .. "/govc-errors"
    local text, ok = vcenter.shell((". %s/govc-env; timeout 60 %s %s 2>%s"):format(sim.dir, govc(), words_of(...), errors))
    return ok, text, vcenter.read(errors)
  end

  function self.govc(...)
    local ok, text, errors = run_govc(...)
    if not ok then error(("govc %s: %s%s"):format(words_of(...), text, errors), 0) end
    return text
  end

  --- A shell script in which `govc` is the command; its output and errors. Raises when a command of it fails.
  function self.shell(script)
    vcenter.write(sim.dir .. "/govc-script", ('. %s/govc-env\ngovc() { timeout 60 %s "$@"; }\nset -e\n%s'):format(sim.dir,
      govc(), script))
    local text, ok = vcenter.shell(("bash %s/govc-script 2>&1"):format(sim.dir))
    if not ok then error("the script fails: " .. text, 0) end
    return text
  end

  --- Whether it succeeded, its output, its errors.
  self.govc_try = run_govc

  --- govc's error message; raises when it does not fail.
  function self.govc_fails(...)
    local ok, text, errors = run_govc(...)
    if ok then error(("govc %s did not fail: %s"):format(words_of(...), text), 0) end
    return errors
  end

  --- A command of spec/client/witness.py.
  function self.python(...)
    vcenter.write(sim.dir .. "/witness.json", assert(json.encode { url = ready.url, username = ready.username,
      password = ready.password, ca_file = ready.ca_file }))
    local errors = sim.dir .. "/python-errors"
    local text, ok = vcenter.shell(("env -u LD_PRELOAD timeout 120 build/venv/bin/python spec/client/witness.py %s/witness.json %s 2>%s")
      :format(sim.dir, words_of(...), errors))
    if not ok then error(("pyVmomi %s: %s%s"):format(words_of(...), text, vcenter.read(errors)), 0) end
    return assert(json.decode(text))
  end

  return self
end

return witness
