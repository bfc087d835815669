--- The URL of a proxy contains a password too: with a '/' in it gpupt used another host as the proxy, and libcurl's message
-- about an unusable proxy repeated the whole URL. The address that a server returns for a file transfer may contain a user
-- name and a password: messages about it showed them.
local gpupt = require "gpupt"
local loop = require "gpupt.loop.engine"
local net = require "gpupt.net"
local transport = require "gpupt.rest.transport"

describe("an error about a URL", function()
  local function connect(proxy)
    return gpupt.vim.connect { url = "https://127.0.0.1:1/sdk", username = "u", password = "p", proxy = proxy, retries = 0,
      connect_timeout = 1 }
  end

  it("of a proxy does not show its password", function()
    for _, proxy in ipairs { "http://ops:t0p/secret@127.0.0.1:1", "gopher://ops:t0p-secret@127.0.0.1:1",
      "http://ops:t0p?secret@127.0.0.1:1", "http://ops:t0p#secret@127.0.0.1:1", "ops:t0p secret@127.0.0.1:1" } do
      local vc, message, code = connect(proxy)
      assert.is_nil(vc)
      assert.are.equal("EINVAL", code, message)
      assert.matches("proxy", message)
      assert.matches("percent%-encode", message)
      assert.is_nil(message:find("t0p", 1, true), message)
    end
    local vc, message, code = connect "http://ops:t0p%2Fsecret@127.0.0.1:1"
    assert.is_nil(vc)
    assert.are.equal("ECONNECT", code)
    assert.is_nil(message:find("t0p", 1, true), message)
  end)

  it("of the HTTP client shows neither user name nor password", function()
    for _, proxy in ipairs { false, "gopher://ops:t0p-secret@127.0.0.1:1" } do
      local http <close> = assert(net.http.client(loop.shared().core, { proxy = proxy or nil }))
      for _, url in ipairs { "https://ops:t0p-secret@127.0.0.1:1/x", "https://ops:t0p/secret@127.0.0.1:1/x",
        "https://ops@dom:t0p-secret@127.0.0.1:1/x" } do
        local text, message = transport.exchange({ http = http }, { url = url, timeout = 5, answer = "bytes" }, { name = "x" })
        assert.is_nil(text)
        assert.is_nil(message:find("t0p", 1, true), message)
        assert.is_nil(message:find("ops", 1, true), message)
      end
    end
  end)
end)
