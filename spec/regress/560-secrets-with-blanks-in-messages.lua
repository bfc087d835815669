--- A BMC or Connection Server that repeats a password in an error: blanks were folded and the text cut at 300 characters
-- before the password was looked for, so one with two blanks, or at the cut, was shown.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"

local PASSWORDS = { "two  blanks", 'quo"te\\s at 9', "tab\there too", "ümläut   %d" }

-- Python for the text `before` .. password .. "." as a JSON error of this form.
local function error_with(password, before, form)
  return ('import json\na.reply(json.dumps(%s).encode(), "500 Internal Server Error", "application/json")'):format(form:format(
    ("%q + bytes.fromhex(%q).decode() + '.'"):format(before, (password:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))))
end

local ROOT = [[
import json
path = a.head.split(" ")[1]
if path == "/redfish/v1/":
    a.reply(json.dumps({"Systems": {"@odata.id": "/redfish/v1/Systems"},
        "Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}}).encode(), kind="application/json")
else:
    a.reply(b"{}", "404 Not Found", "application/json")
]]

describe("an error that repeats the password", function()
  local server

  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:calm() end)

  local function base() return ("https://127.0.0.1:%d"):format(server.port) end

  local function shown_nowhere(message, password)
    assert.is_truthy(message:find("(secret)", 1, true), message)
    assert.is_nil(message:find(password:sub(1, 6), 1, true), message)
    assert.is_nil(message:find(password:gsub("%s+", " "), 1, true), message)
  end

  for _, password in ipairs(PASSWORDS) do
    for _, before in ipairs { "no user with ", ("x"):rep(292) } do
      it(("of a BMC is shown without it: %q after %d letters"):format(password, #before), function()
        server:answer("GET", ROOT)
        server:answer("POST", error_with(password, before, '{"error": {"message": %s}}'))
        local client, message = gpupt.redfish.open { url = base(), ca_file = server.dir .. "/cert", username = "root",
          password = password }
        assert.is_nil(client)
        shown_nowhere(message, password)
      end)

      it(("of a Connection Server is shown without it: %q after %d letters"):format(password, #before), function()
        server:answer("POST", error_with(password, before, '{"error_message": %s}'))
        local client, message = require "gpupt.horizon.client".open { server = base(), ca_file = server.dir .. "/cert",
          domain = "LAB", username = "svc", password = password }
        assert.is_nil(client)
        shown_nowhere(message, password)
      end)
    end
  end
end)
