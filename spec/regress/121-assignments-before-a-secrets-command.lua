-- Messages about p.secret.command named the first word of the command line, which may be an assignment that contains a
-- secret itself: VAULT_TOKEN=... vault kv get.
local gpupt = require "gpupt"
local p = gpupt.playbook

describe("a secret's command", function()
  for _, line in ipairs { "VAULT_TOKEN=s3cret false", " VAULT_TOKEN='s3cret 1' false", "A=1 B=s3cret false",
    "X+=s3cret false", "'s3cret' 2>/dev/null", '"s3cret" 2>/dev/null', "false<<<s3cret", "false;s3cret",
    "$(echo s3cret) 2>/dev/null" } do
    it("is named without what may be secret: " .. line, function()
      local secret = p.secret.command(line)
      assert.is_nil(tostring(secret):find("s3cret", 1, true))
      local text, message, code = secret:read()
      assert.is_nil(text)
      assert.equal("ESECRET", code)
      assert.is_nil(message:find("s3cret", 1, true))
    end)
  end

  it("is still named by its program", function()
    assert.equal("(secret of the command pass ...)", tostring(p.secret.command "pass show lab"))
    assert.equal("(secret of the command /usr/bin/get-it)", tostring(p.secret.command "/usr/bin/get-it"))
  end)
end)
