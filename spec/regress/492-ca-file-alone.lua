--- With ca_file, the authorities of the system's folder (/etc/ssl/certs) were trusted besides those of the file: libcurl
-- keeps its default CURLOPT_CAPATH when CURLOPT_CAINFO is set.
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

local ASK = [[
local net, loop, transport = require "gpupt.net", require "gpupt.loop.engine", require "gpupt.rest.transport"
local http = assert(net.http.client(loop.shared().core, { ca_file = arg[1] }))
print(transport.exchange({ http = http }, { url = ("https://127.0.0.1:%s/"):format(arg[2]), timeout = 10, answer = "bytes",
  body = "the password" }, { name = "question" }))
]]

describe("authorities that are given in a file", function()
  local dir, pipe, port

  local function openssl(line)
    local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl %s 2>&1"):format(dir, line))
    assert(ok, text)
    return text
  end

  setup(function()
    dir = vcenter.shell("mktemp -d -t gpupt-tls.XXXXXX"):match "%S+"
    for _, name in ipairs { "system", "own" } do
      openssl(("req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem -days 2 -subj /CN=%s -addext "
        .. "subjectAltName=IP:127.0.0.1"):format(name, name, name))
    end
    vcenter.shell(("cp %s/system.pem %s/cert; cp %s/system.key %s/key; mkdir %s/certs"):format(dir, dir, dir, dir, dir))
    vcenter.shell(("cd %s && cp own.pem certs/ca-certificates.crt && cp system.pem certs/%s.0"):format(dir,
      openssl "x509 -in system.pem -noout -hash":match "%x+"))
    vcenter.write(dir .. "/ask.lua", ASK)
    pipe, port = server.start("spec/client/tls_server.py " .. dir, dir .. "/port")
  end)
  teardown(function()
    pipe:close()
    os.execute("rm -rf " .. dir)
  end)

  -- What a client says for whom the system trusts the server's certificate.
  local function ask(file)
    local text = vcenter.shell(("unshare -m sh -c 'mount --bind %s/certs /etc/ssl/certs && echo mounted && "
      .. "lua5.4 %s/ask.lua %s/%s.pem %d' 2>&1"):format(dir, dir, dir, file, port))
    return text:match "^mounted\n(.*)"
  end

  it("are the only ones", function()
    local said = ask "own"
    if not said then pending "cannot mount here" return end
    assert.matches("nil\t.*certificate", said)
    assert.not_matches("fine", said)
  end)

  it("are enough, control: of the server's own", function()
    local said = ask "system"
    if not said then pending "cannot mount here" return end
    assert.matches("fine", said)
  end)
end)
