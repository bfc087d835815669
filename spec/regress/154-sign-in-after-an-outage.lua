--- A vCenter whose session was lost while it answered 503 ended reads with the first login that was not answered, whatever
-- way the client signs in.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("after an outage of the vCenter", function()
  local sim

  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)
  before_each(function() sim:forget() end)
  after_each(function()
    sim:calm()
    sim:close_all()
  end)

  local function token(lifetime)
    return sim:post("token", { user = sim.ready.username, lifetime = lifetime }).token
  end

  local function token_file(lifetime)
    local path = sim.dir .. "/token.xml"
    os.remove(path)
    vcenter.write(path, token(lifetime))
    os.execute("chmod 600 " .. path)
    return path
  end

  local function with_token(file)
    return sim:connect { username = false, password = false, token_file = file, retries = 1, outage = 60 }
  end

  local function name_of(vc) return gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1"):get "name" end

  local function signed_in(vc)
    gpupt.check(name_of(vc))
    sim:forget()
  end

  it("a client signs in again while 503 is the answer to the login itself", function()
    local vc = sim:connect { retries = 1, outage = 60 }
    signed_in(vc)
    sim:post "sessions/drop"
    sim:trouble({ method = "Login", count = 3 }, { kind = "status", code = 503 })
    assert.equal("esx-a-1", gpupt.check(name_of(vc)))
    assert.equal(4, sim:calls "Login")
  end)

  it("a password is not sent while nothing of the server answers", function()
    local vc = sim:connect { retries = 1, outage = 60 }
    signed_in(vc)
    sim:post "sessions/drop"
    sim:trouble({ method = "Logout", count = 3 }, { kind = "status", code = 503 })
    assert.equal("esx-a-1", gpupt.check(name_of(vc)))
    assert.equal(1, sim:calls "Login")
  end)

  it("a token that is renewed outside is read again", function()
    local vc = with_token(token_file(300))
    signed_in(vc)
    sim:restart { seconds = 1.5 }
    token_file(600)
    assert.equal("esx-a-1", gpupt.check(name_of(vc)))
    assert.equal(1, sim:calls "LoginByToken")
  end)

  it("a token that has expired meanwhile is sent once, and the message says until when it was valid", function()
    local vc = with_token(token_file(6))
    signed_in(vc)
    sim:restart { seconds = 7 }
    local codes = {}
    for i = 1, 2 do
      local _, message, code = vc.content.rootFolder:get "name"
      codes[i] = code
      assert.matches("refused the SAML token %(valid until ", message)
    end
    assert.same({ "InvalidLogin", "InvalidLogin" }, codes)
    assert.equal(1, sim:calls "LoginByToken")
  end)

  it("many calls at once make one login, and none of them ends in another's failure", function()
    local vc = sim:connect { retries = 1, outage = 60 }
    signed_in(vc)
    sim:restart { seconds = 1.5 }
    local functions = {}
    for i = 1, 20 do functions[i] = function() return gpupt.check(name_of(vc)) end end
    for _, name in ipairs(gpupt.loop.all(functions)) do assert.equal("esx-a-1", name) end
    assert.equal(1, sim:calls "Login")
  end)
end)
