-- What a new user types from the guide to try its examples: it ends with guests that are proved.
local customization = require "spec.support.customization"
local shell = require "gpupt.shell"
local vcenter = require "spec.support.vcenter"

local GUIDES = {
  { page = "install", folder = "/tmp/bare", proved = { "train%-01 +esx%-b%-1 +[38][b6]:00.0 +changed +the guest sees 1 GPU: 10de:20b5",
    "train%-02 +esx%-b%-1 +[38][b6]:00.0 +changed +the guest sees 1 GPU: 10de:20b5" } },
  { page = "horizon", folder = "/tmp/vdi", proved = { "W11%-001 +esx%-vdi%-0%d +[35][be]:00.0 +changed +the guest sees 1 GPU: 10de:1eb8",
    "W11%-002 +esx%-vdi%-0%d +[35][be]:00.0 +changed +the guest sees 1 GPU: 10de:1eb8" } },
}

describe("an example of the guide", function()
  for _, guide in ipairs(GUIDES) do
    it("is tried as it says: " .. guide.page, function()
      local folder = vcenter.shell "mktemp -d /tmp/gpupt-try.XXXXXX":match "%S+"
      local text = assert(assert(vcenter.read(("docs/guide/%s.md"):format(guide.page))):match "\n```sh\n(make build.-)\n```\n")
      text = text:gsub(guide.folder, folder):gsub("make build vcenter && ", ""):gsub("build/vcenter ",
        (os.getenv "GPUPT_BUILD" or "build") .. "/vcenter ")
      vcenter.write(folder .. "/try.sh", "trap 'kill $vcenter 2>/dev/null' EXIT\n" .. text)
      local said, ok = vcenter.shell(("env -u LD_PRELOAD -u GPUPT_TRACE LUA_INIT=%s bash -e %s/try.sh 2>&1"):format(
        shell.quote(customization.INIT), folder))
      os.execute("rm -rf " .. folder)
      assert.is_true(ok, said)
      for _, line in ipairs(guide.proved) do assert.matches(line, said) end
    end)
  end
end)
