-- The page that `gpupt doctor --report` writes, in a real browser: it shows what was found, runs no code of the
-- evidence and asks for nothing outside the file.
local command = require "spec.support.command"

local VMX = [[
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "<img src=x onerror=document.title='ran'><script>document.title='ran'</script>"
firmware = "bios"
memsize = "8192"
pciPassthru0.present = "TRUE"
pciPassthru0.id = "00000:066:00.0"
pciPassthru0.deviceId = "0x20b5"
pciPassthru0.vendorId = "0x10de"
]]

local function browser(folder, words)
  local pipe = assert(io.popen(("cd '%s' && timeout 120 chromium --headless --no-sandbox --disable-gpu "
    .. "--user-data-dir='%s/profile' --window-size=900,1400 %s 'file://%s/page.html' 2>browser.err"):format(folder, folder, words,
    folder)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

describe("the doctor's page in a browser", function()
  local folder = command.folder()
  folder.write("<b>vm.vmx", VMX)
  local status = folder.gpupt("doctor --vmx '<b>vm.vmx' --report page.html")
  teardown(folder.remove)

  it("is written with the findings' status", function() assert.equal(1, status) end)

  it("shows findings and evidence as text, and runs nothing of it", function()
    local dom = browser(folder.path, "--dump-dom")
    assert.matches("<html", dom)
    assert.not_matches("<title>ran</title>", dom, 1, true)
    assert.not_matches("<img", dom)
    assert.not_matches("<script", dom)
    assert.matches("memory", dom)
  end)

  it("names no address outside itself", function()
    local page = folder.read "page.html"
    assert.not_matches("https?://[^\"'<%s]+[\"']%s*>", page:gsub("<a [^>]*>", ""))
    assert.not_matches("@import", page)
    assert.not_matches("src=", (page:gsub("&lt;.-&gt;", "")))
  end)

  it("is drawn", function()
    browser(folder.path, "--screenshot=page.png")
    local png = folder.read "page.png"
    assert.equal("\137PNG", png:sub(1, 4))
    assert.is_true(#png > 10000, "an empty page: " .. #png .. " bytes")
  end)
end)
