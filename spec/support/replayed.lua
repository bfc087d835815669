--- A recording as a server: replayed.start(FOLDER) -> { url =, ca_file =, connect{...}, refused(), stop() }.
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

local replayed = {}

function replayed.start(folder)
  local dir = vcenter.shell("mktemp -d -t gpupt-replay.XXXXXX"):match "%S+"
  local text, ok = vcenter.shell(("env -u LD_PRELOAD openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    .. "-keyout %s/key -out %s/cert -days 2 -subj /CN=replay -addext subjectAltName=IP:127.0.0.1 2>&1"):format(dir, dir))
  assert(ok, text)
  local self = { ca_file = dir .. "/cert" }
  local pipe, port = server.start(("build-support/replay-recording '%s' %s/cert %s/key"):format(folder, dir, dir), dir .. "/port")
  self.url = ("https://127.0.0.1:%d/sdk"):format(port)
  self.environment = { GOVC_URL = self.url, GOVC_USERNAME = "replay", GOVC_PASSWORD = "replay",
    GOVC_TLS_CA_CERTS = self.ca_file }
  function self.connect(more)
    local o = { url = self.url, username = "replay", password = "replay", ca_file = self.ca_file, retries = 0 }
    for key, value in pairs(more or {}) do o[key] = value end
    return gpupt.vim.connect(o)
  end
  --- What was asked that is not in the recording.
  function self.refused() return vcenter.read(dir .. "/port.err") end
  function self.stop()
    pipe:close()
    os.execute("rm -rf " .. dir)
  end
  return self
end

return replayed
