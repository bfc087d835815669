--- A test vCenter with one VM, and in front of it the face of its ESXi host, over which guest files travel: at an address of
-- its own and with a certificate of its own (spec/client/esx_face.py).
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

local esx_host = {}

local Site = {}
Site.__index = Site

esx_host.login = { username = "ops", password = "gu3st-Secret" }

function Site:certificate(name, subject)
  local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem "
    .. "-days 2 -subj /CN=%s -addext subjectAltName=%s 2>&1"):format(self.sim.dir, name, name, name, subject))
  assert(ok, text)
end

--- The SHA-256 thumbprint of a certificate: "vcenter" or "host".
function Site:thumbprint(name)
  local text, ok = vcenter.shell(("env -u LD_PRELOAD openssl x509 -in %s/%s.pem -noout -fingerprint -sha256 2>&1")
    :format(self.sim.dir, name))
  assert(ok, text)
  return assert(text:match "=(%S+)")
end

--- What the face does from now on: words of esx_face.py.
function Site:modes(words) vcenter.write(self.sim.dir .. "/modes", words) end

--- The vCenter's address through the face.
function Site:url() return ("https://127.0.0.1:%d/sdk"):format(self.port) end

--- A client whose VM runs its Tools, and the VM.
function Site:connect(more)
  local o = { url = self:url(), ca_file = self.sim.dir .. "/vcenter.pem" }
  for key, value in pairs(more or {}) do o[key] = value end
  local vc = self.sim:connect(o)
  local vm = check(vc:one("lin", { type = "VirtualMachine" }))
  check(vc.guest:ready(vm, { timeout = 30 }))
  return vc, vm
end

--- Stops both; gives what was left on the server.
function Site:stop()
  self.sim:close_all()
  self.face:close()
  local left = self.sim:leftovers()
  self.sim:stop()
  return left
end

function esx_host.start()
  local login = esx_host.login
  local self = setmetatable({ sim = vcenter.start { speed = 200, fleet = {
    clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
    vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
      firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username, password = login.password } },
  } } }, Site)
  self:certificate("vcenter", "IP:127.0.0.1")
  self:certificate("host", "DNS:h1.test.invalid") -- a name that does not resolve
  self:modes ""
  local d = self.sim.dir
  self.face, self.port, self.host_port = server.start(("spec/client/esx_face.py %s/vcenter.pem %s/vcenter.key %s/host.pem "
    .. "%s/host.key %s h1.test.invalid %s/modes %s/host-log"):format(d, d, d, d, self.sim.ready.host, d, d), d .. "/ports")
  return self
end

return esx_host
