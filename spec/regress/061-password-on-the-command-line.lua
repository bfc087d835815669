--- `--url https://user:password@host` was accepted, although every user can see it in the list of processes. And an
-- unknown option was repeated with its value.
local command = require "spec.support.command"

describe("a password on the command line", function()
  it("in --url is refused, with what to use instead", function()
    for _, url in ipairs { "https://ops:t0p-secret@vc.invalid/sdk", "ops:t0p-secret@vc.invalid", "HTTPS://ops:t0p@vc.invalid",
      "administrator@vsphere.local:t0p-secret@vc.invalid", "ops:t0p/secret@vc.invalid", "http://ops:t0p-secret@vc.invalid" } do
      for _, words in ipairs { "gpus --url '%s'", "vim CurrentTime ServiceInstance --url='%s'" } do
        local status, out, err = command.run(words:format(url))
        assert.are.equal(2, status, err)
        assert.are.equal("", out)
        assert.matches("GOVC_URL", err)
        assert.matches("%-%-password%-file", err)
        assert.is_nil(err:find("t0p", 1, true), err)
      end
    end
  end)

  it("is not repeated with an unknown option", function()
    local status, _, err = command.run "gpus --urll=https://ops:t0p-secret@vc.invalid"
    assert.are.equal(2, status)
    assert.matches("unknown option '%-%-urll'", err)
    assert.is_nil(err:find("t0p", 1, true))
  end)

  it("is not refused in a URL that contains only a user name", function()
    local status, _, err = command.run "gpus --url https://ops@127.0.0.1:1/sdk"
    assert.are.equal(3, status, err)
    assert.is_nil(err:find("ops", 1, true), err)
  end)
end)
