-- A Connection Server that refused a pool's update with 409 was quoted, and that was all: not what had changed, and not
-- what to do. One that ignored the filter of a search had "no such pool".
local facts = require "gpupt.facts.horizon_rest"
local pool = require "gpupt.horizon.pool"

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for name, one in pairs(value) do result[name] = copy(one) end
  return result
end

describe("the update of a pool that the server refuses with 409", function()
  local INFO = { id = "1", name = "W11", type = "MANUAL", source = "VIRTUAL_CENTER", description = "old", num_sessions = 1,
    display_protocol_settings = { renderer3d = "DISABLED", max_number_of_monitors = 2 } }
  local CHANGES = { { part = "display_protocol_settings", name = "renderer3d", after = "MANAGE_BY_VSPHERE_CLIENT" } }

  -- `now`: a change of what the server has then, or an error.
  local function refused(now, status)
    local sent = {}
    local session = { base = "https://cs" }
    function session.send(_, method)
      sent[#sent + 1] = method
      return nil, "https://cs: PUT /x: HTTP 409: The entity was modified", "EHORIZON", { status = status or 409, sent = true }
    end
    function session.get()
      sent[#sent + 1] = "GET"
      if type(now) == "string" then return nil, now, "ECONNECT" end
      local info = copy(INFO)
      now(info)
      return info
    end
    local list, message, code = pool.update(session, { id = "1", name = "W11", version = facts.versions[1], info = copy(INFO) },
      CHANGES)
    assert.is_nil(list)
    assert.equal("EHORIZON", code)
    return message, sent
  end

  it("says what another user has changed, and to plan again", function()
    local message, sent = refused(function(info)
      info.description, info.num_sessions, info.display_protocol_settings.max_number_of_monitors = "new", 7, 4
    end)
    assert.equal("https://cs: PUT /x: HTTP 409: The entity was modified. Nothing of pool W11 was updated; since it was read, "
      .. "another user changed: description old -> new; display_protocol_settings.max_number_of_monitors 2 -> 4. "
      .. "Then run gpupt plan again", message)
    assert.same({ "PUT", "GET" }, sent)
  end)

  it("says that nothing was changed, so that something is in progress", function()
    local message = refused(function() end)
    assert.matches("it is as it was read, so another operation on it may be in progress: wait for its end. Then run gpupt plan",
      message, 1, true)
  end)

  it("says that the pool cannot be read again", function()
    assert.matches("it cannot be read again (no route). Then run gpupt plan again", refused "no route", 1, true)
  end)

  it("is not asked about after other refusals", function()
    local message, sent = refused("no route", 400)
    assert.equal("https://cs: PUT /x: HTTP 409: The entity was modified", message)
    assert.same({ "PUT" }, sent)
  end)
end)

describe("a search for a pool", function()
  local function find(more)
    local session = { base = "https://cs", account = "LAB\\svc", pool_version = facts.versions[1] }
    function session.get() return { { id = "2", name = "other" } }, { headers = { has_more_records = more } } end
    return pool.find(session, "W11")
  end

  it("that the server answers with a page of other pools does not say that there is none", function()
    local found, message, code = find "TRUE"
    assert.same({ nil, "EPROTOCOL" }, { found, code })
    assert.matches("ignores the filter", message, 1, true)
  end)

  it("that is answered in full does", function()
    assert.equal("ENOENT", (select(3, find())))
    assert.equal("ENOENT", (select(3, find "FALSE")))
  end)
end)
