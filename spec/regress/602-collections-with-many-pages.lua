-- A Redfish collection of more than 20 pages ended after them as if that were all: a job or registry of a later page did
-- not exist.
local liar = require "spec.support.liar"

local ANSWER = [[
import json
path = a.head.split(" ")[1]
if path == "/redfish/v1/":
    body = {"Systems": {"@odata.id": "/redfish/v1/Systems"}, "Links": {}}
elif path.startswith("/redfish/v1/Systems"):
    page = int(path.partition("=")[2] or 1)
    body = {"Members": [{"@odata.id": "/redfish/v1/Systems/%%d" %% page}]}
    if page < %d:
        body["Members@odata.nextLink"] = "/redfish/v1/Systems?page=%%d" %% (page + 1)
a.reply(json.dumps(body).encode(), kind="application/json")
]]

describe("a collection of a BMC", function()
  local server

  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)

  local function members(pages)
    server:answer("GET", ANSWER:format(pages))
    local client <close> = assert(require "gpupt.redfish.client".open { url = ("https://127.0.0.1:%d"):format(server.port),
      ca_file = server.dir .. "/cert", username = "root", password = "Pw-1-long" })
    return client:members "/redfish/v1/Systems"
  end

  it("is read over 20 pages", function()
    local list = assert(members(20))
    assert.equal(20, #list)
    assert.equal("/redfish/v1/Systems/20", list[20]["@odata.id"])
  end)

  for pages, what in pairs { [21] = "has one page more", [1000000] = "never ends" } do
    it("is an error if it " .. what, function()
      local list, message, code = members(pages)
      assert.same({ nil, "ELIMIT" }, { list, code })
      assert.matches("/redfish/v1/Systems has more than 20 pages, of which 20 members are read. Remove finished entries of it",
        message, 1, true)
    end)
  end
end)
