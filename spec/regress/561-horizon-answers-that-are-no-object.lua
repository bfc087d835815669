--- A Connection Server (or a proxy before it) whose answer was JSON and neither an object nor a list ended the run with a
-- Lua error: "attempt to index a number value".
local liar = require "spec.support.liar"

local SCALARS = { "5", "true", "false", "null", '"text"' }

local function replied(text, status)
  return ("a.reply(%q.encode(), %q, 'application/json')"):format(text, status or "200 OK"):gsub('^a.reply%("', 'a.reply("')
end

describe("a Connection Server that answers", function()
  local server

  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:calm() end)

  local function open()
    return require "gpupt.horizon.client".open { server = ("https://127.0.0.1:%d"):format(server.port),
      ca_file = server.dir .. "/cert", domain = "LAB", username = "svc", password = "Pw-1-long" }
  end

  for _, text in ipairs(SCALARS) do
    it(text .. " to the login is no Horizon", function()
      server:answer("POST", replied(text))
      local client, message, code = open()
      assert.is_nil(client)
      assert.equal("EPROTOCOL", code)
      assert.is_truthy(message:find("POST /login: the answer is neither a JSON object nor a list", 1, true), message)
    end)

    it(text .. " to the list of pools is no Horizon", function()
      server:answer("POST", replied '{"access_token": "a", "refresh_token": "r"}')
      server:answer("GET", replied(text))
      local client <close> = assert(open())
      local found, message, code = require "gpupt.horizon.pool".find(client, "W11")
      assert.same({ nil, "EPROTOCOL" }, { found, code }, message)
    end)

    it(text .. " with an error says the status", function()
      server:answer("POST", replied(text, "500 Internal Server Error"))
      local client, message, code = open()
      assert.same({ nil, "EHORIZON" }, { client, code }, message)
      assert.is_truthy(message:find("HTTP 500", 1, true), message)
    end)
  end
end)
