-- Stock media ask someone at the console: Windows for a key before it boots, Ubuntu Server before it installs. The test
-- vCenter's guests ask the same (spec/vcenter/internal/vm/keys_test.go shows it by raw XML).
local answer = require "gpupt.guest.answer"
local iso = require "gpupt.iso"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local WINDOWS = 'p.answer.windows { computer_name = "CAD-01", password = password, image = 2 }'
local CLOUD = 'p.answer.cloud_init { user = "ops", password = password }'

local function play(o)
  return ([[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "keys",
  p.vms { name = "vm-1", login = p.login("ops", password), place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "%s", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install   { iso = "[ds-1] iso/%s", answer = %s, boot_within = "%s", within = "60s", keys = %s } } }]]):format(
    o.windows and "windows2022srvNext_64Guest" or "ubuntu64Guest", o.iso, o.answer or o.windows and WINDOWS or CLOUD, o.boot or "30s",
    o.keys or '"auto"')
end

-- The rows of the keys, and what any row says of them.
local function rows_of(rows)
  local list = {}
  for _, row in ipairs(rows) do
    if row.action == "keys" then list[#list + 1] = ("%s %s"):format(row.kind, row.what) end
    for _, text in ipairs { row.what or "", row.detail or "" } do
      assert.is_nil(text:find "usbHidCode", text)
      assert.is_nil(text:find "qwertz", text)
    end
  end
  return list
end

describe("keys at the console", function()
  local l, dir
  local files = { ["iso/windows-stock.iso"] = { os = "windows-prompt", prompt = 2400 }, -- 8 s here
    ["iso/windows.iso"] = { os = "windows" }, ["iso/ubuntu-stock.iso"] = { os = "ubuntu-stock" }, ["iso/ubuntu.iso"] = { os = "ubuntu-live" } }

  setup(function()
    dir = vcenter.shell "mktemp -d /tmp/gpupt-keys.XXXXXX":match "%S+"
    local own = assert(answer.cloud_init { hostname = "vm-1", user = "ops", password = "Secret-1-of-it" })
    vcenter.write(dir .. "/own.iso", assert(iso.write(own, "CIDATA")))
    files["iso/own.iso"] = { source = dir .. "/own.iso" }
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  before_each(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = files } } } }
  end)
  after_each(function() l:stop() end)

  local function installed(o, ...)
    local result, events, rows = l:apply(play(o))
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.same({ ... }, rows_of(rows))
    assert.equal("nothing", l:apply(play(o)).status)
    return events
  end

  it("start a stock Windows medium", function()
    installed({ windows = true, iso = "windows-stock.iso" }, "change PutUsbScanCodes (Enter, every 3 s for 30 s)",
      "result PutUsbScanCodes (Enter, every 3 s for 30 s)")
  end)

  it("do no harm to a Windows medium that waits for none, and end with the installation", function()
    installed({ windows = true, iso = "windows.iso" }, "change PutUsbScanCodes (Enter, every 3 s for 30 s)",
      "result PutUsbScanCodes (Enter, every 3 s for 30 s)")
    assert.is_true(l.sim:calls "PutUsbScanCodes" < 10, l.sim:calls "PutUsbScanCodes")
  end)

  for name, own in pairs { ["generated answers"] = false, ["answers of the user's own"] = '"[ds-1] iso/own.iso"' } do
    it("answer the stock Ubuntu installer, and only where it asks: " .. name, function()
      installed({ iso = "ubuntu-stock.iso", answer = own or nil }, "change PutUsbScanCodes (yes, until the installer begins)",
        "result PutUsbScanCodes (yes, until the installer begins)")
    end)
  end

  it("are not typed where the medium has the word autoinstall", function()
    installed { iso = "ubuntu.iso" }
    assert.equal(0, l.sim:calls "PutUsbScanCodes")
  end)

  it("of the playbook are typed after the power-on, and no row has them", function()
    installed({ windows = true, iso = "windows-stock.iso", keys = '{ "<wait 1s>", "qwertz<enter>" }' },
      "change PutUsbScanCodes (7 keys of the playbook)", "result PutUsbScanCodes (7 keys of the playbook)")
    assert.equal(1, l.sim:calls "PutUsbScanCodes")
  end)

  it("are pressed again when a host has refused some", function()
    l.sim:trouble({ method = "PutUsbScanCodes", count = 1 }, { kind = "fault", fault = "SystemError" })
    installed({ windows = true, iso = "windows-stock.iso" }, "change PutUsbScanCodes (Enter, every 3 s for 30 s)",
      "result PutUsbScanCodes (Enter, every 3 s for 30 s)")
  end)

  it("that are refused are in the message of the phase, and the playbook's own are wanted by the plan", function()
    l.sim:trouble({ method = "PutUsbScanCodes" }, { kind = "fault", fault = "NoPermission" })
    local result, _, rows = l:apply(play { windows = true, iso = "windows-stock.iso", boot = "1s" })
    local message = result.targets[1].message
    assert.matches("phase boot: .*Of keys, could not be pressed: the account lacks VirtualMachine.Interact.PutUsbScanCodes", message)
    assert.equal(2, #rows_of(rows))
    assert.equal(1, l.sim:calls "PutUsbScanCodes")
  end)

  it("that are not to be pressed are missed by the plan where the medium is known to ask", function()
    local plan, message = l:plan(play { iso = "ubuntu-stock.iso", keys = '"none"' })
    assert.is_nil(plan)
    assert.matches('[ds-1] iso/ubuntu-stock.iso asks "Continue with autoinstall?", and keys is "none"', message, 1, true)
  end)

  for value, why in pairs { ['"autos"'] = "keys: 'autos' (did you mean 'auto'?)", ['{ "<return>" }'] = "keys: there is no key <return>" } do
    it("that do not exist are refused when the playbook is loaded: " .. value, function()
      local ok, err = pcall(l.load, l, play { iso = "ubuntu.iso", keys = value })
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(why, 1, true), tostring(err))
    end)
  end
end)
