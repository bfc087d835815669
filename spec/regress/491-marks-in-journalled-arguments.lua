--- The arguments of a journalled call were copied without their secrets twice, so that the second copy escaped the
-- marks of the first: {"$$missing":"secret"}, which is a field of the user's and no mark.
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"
local secret = require "gpupt.secret"

local MARK = { ["$missing"] = "secret" }

local function stored(method, args)
  local text, copy = kept.encode { method = method, args = kept.arguments(method, args) }
  local read = json.decode(text)
  assert.same(read, copy)
  return read.args, text
end

describe("the journalled arguments of a call", function()
  it("have marks where something is omitted", function()
    local args, text = stored("StartProgramInGuest", { auth = { username = "ops", password = "Train-1-pass" },
      spec = { programPath = "/bin/sh", arguments = "-c 'echo Train-1-pass'", envVariables = { "P=Train-1-pass" } } })
    assert.same(MARK, args.auth)
    assert.same({ programPath = "/bin/sh", arguments = MARK, envVariables = MARK }, args.spec)
    assert.is_nil(text:find("Train-1-pass", 1, true))
    assert.same(MARK, stored("ReconfigVM_Task", { spec = { name = "vm", thing =
      secret.callback(function() return "x" end) } }).spec.thing)
  end)

  it("omit what looks secret by its name, at any depth", function()
    local args = stored("ReconfigVM_Task", { newPassword = "x", apiKey = "x", spec = { adminKey = "x", name = "vm-1",
      list = { { sessionToken = "x", n = 1 } }, extraConfig = { { key = "guestinfo.userdata", value = "x" } } } })
    assert.same({ newPassword = MARK, apiKey = MARK, spec = { adminKey = MARK, name = "vm-1",
      list = { { sessionToken = MARK, n = 1 } }, extraConfig = { { key = "guestinfo.userdata", value = MARK } } } }, args)
  end)

  it("escape a name that begins with $ once", function()
    assert.same({ ["$$missing"] = "depth" }, stored("ReconfigVM_Task", { spec = { ["$missing"] = "depth" } }).spec)
  end)
end)
