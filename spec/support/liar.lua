--- A server with the answers that a spec chooses, for what no real vCenter would send.
--   local server = liar.start()
--   server:answer("Login", [[a.soap(b"<returnval>...</returnval>")]])     Python, see liar.py; nil: the usual answer
--   server:connect{...}   as vim.connect: a client, or nil, message, code       server:requests "Login"   how many came
--   server:stop()
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

local liar = {}

local Liar = {}
Liar.__index = Liar

function liar.start()
  local dir = vcenter.shell("mktemp -d -t gpupt-liar.XXXXXX"):match "%S+"
  local self = setmetatable({ dir = dir, scripts = {} }, Liar)
  local text, ok = vcenter.shell(("env -u LD_PRELOAD openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    .. "-keyout %s/key -out %s/cert -days 2 -subj /CN=liar -addext subjectAltName=IP:127.0.0.1 2>&1"):format(dir, dir))
  assert(ok, text)
  self.pipe, self.port = server.start(("spec/support/liar.py %s/cert %s/key %s"):format(dir, dir, dir), dir .. "/port")
  return self
end

--- From now on the Python text `script` answers the requests of this name.
function Liar:answer(name, script)
  local path = ("%s/%s.py"):format(self.dir, name)
  self.scripts[path] = true
  if script then vcenter.write(path, script) else os.remove(path) end
end

--- The usual answers again, and an empty log.
function Liar:calm()
  for path in pairs(self.scripts) do os.remove(path) end
  self.scripts = {}
  vcenter.write(self.dir .. "/log", "")
end

function Liar:options(more)
  local o = { url = ("https://127.0.0.1:%d/sdk"):format(self.port), ca_file = self.dir .. "/cert", username = "u",
    password = "p", retries = 0, timeout = 20 }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

function Liar:connect(more) return gpupt.vim.connect(self:options(more)) end

--- How many requests of that name came; all of them without one.
function Liar:requests(name)
  local count = 0
  for line in (vcenter.read(self.dir .. "/log") or ""):gmatch "[^\n]+" do
    if not name or line:match "^%S+" == name then count = count + 1 end
  end
  return count
end

function Liar:log() return vcenter.read(self.dir .. "/log") or "" end

function Liar:stop()
  self.pipe:close()
  os.execute("rm -rf " .. self.dir)
end

--- The memory that this process holds, in kB.
function liar.resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s*(%d+)"
    if kb then return tonumber(kb) end
  end
end

--- Properties of objects for the requests that read them: { ["Type:value"] = { path = xml of the value... } }.
function Liar:inventory(objects)
  local lines = { "found = b''" }
  local keys = {}
  for key in pairs(objects) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local kind, value = key:match "^(%a+):(.+)$"
    lines[#lines + 1] = ("if b'<type>%s</type>' in a.body and (b'view</path>' in a.body or b'>%s</obj>' in a.body):"):format(
      kind, value)
    lines[#lines + 1] = ("    found += b'<objects><obj type=\"%s\">%s</obj>'"):format(kind, value)
    for path, xml in pairs(objects[key]) do
      lines[#lines + 1] = ("    if b'<pathSet>%s</pathSet>' in a.body:"):format(path)
      lines[#lines + 1] = ("        found += b'<propSet><name>%s</name>%s</propSet>'"):format(path, xml)
    end
    lines[#lines + 1] = "    found += b'</objects>'"
  end
  lines[#lines + 1] = "a.soap(b'<returnval>' + found + b'</returnval>')"
  self:answer("RetrievePropertiesEx", table.concat(lines, "\n"))
end

local function text(value) return ('<val xsi:type="xsd:string">%s</val>'):format(value) end

local function reference(kind, value)
  return ('<val xsi:type="ManagedObjectReference" type="%s">%s</val>'):format(kind, value)
end

--- One datacenter "dc" with one datastore "ds".
function Liar:datastore()
  self:inventory { ["Datacenter:dc"] = { name = text "dc", parent = reference("Folder", "f") },
    ["Datastore:ds"] = { name = text "ds", browser = reference("HostDatastoreBrowser", "b") } }
end

return liar
