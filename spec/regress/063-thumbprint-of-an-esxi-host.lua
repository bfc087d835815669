--- With a thumbprint for the vCenter and `insecure`, a guest's files were sent to an ESXi host whose certificate was not
-- checked, and with `insecure` alone there was no warning. A host has its own certificate: its entry in the known-hosts
-- file decides; otherwise what the vCenter reports for it; `insecure` counts only without a thumbprint.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("guest files over an ESXi host", function()
  local sim, face, port, host_port, warnings, before
  local login = { username = "ops", password = "gu3st-Secret" }
  local prints = {}

  local function openssl(line)
    local text, ok = vcenter.shell(("cd %s && env -u LD_PRELOAD openssl %s 2>&1"):format(sim.dir, line))
    assert(ok, text)
    return text
  end

  local function certificate(name, subject)
    openssl(("req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem -days 2 -subj /CN=%s -addext subjectAltName=%s")
      :format(name, name, name, subject))
    prints[name] = openssl(("x509 -in %s.pem -noout -fingerprint -sha256"):format(name)):match "=(%S+)"
  end

  setup(function()
    sim = vcenter.start { speed = 200, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
        firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } },
    } }
    certificate("vcenter", "IP:127.0.0.1")
    certificate("host", "DNS:h1.test.invalid")
    vcenter.write(sim.dir .. "/modes", "")
    local d = sim.dir
    face = assert(io.popen(("exec env -u LD_PRELOAD python3 spec/client/esx_face.py %s/vcenter.pem %s/vcenter.key %s/host.pem "
      .. "%s/host.key %s h1.test.invalid %s/modes %s/host-log >%s/ports 2>%s/face-errors"):format(d, d, d, d, sim.ready.host, d,
      d, d, d), "w"))
    for _ = 1, 100 do
      port, host_port = (vcenter.read(d .. "/ports") or ""):match "(%d+) (%d+)"
      if port then break end
      vcenter.sleep(0.05)
    end
    assert(port, vcenter.read(d .. "/face-errors"))
    local first = sim:connect { url = ("https://127.0.0.1:%s/sdk"):format(port), ca_file = d .. "/vcenter.pem" }
    check(first.guest:ready(check(first:one("lin", { type = "VirtualMachine" })), { timeout = 30 }))
    before = require("gpupt.loop.wait").warn
    gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
  end)
  teardown(function()
    gpupt.loop.on_warning(before)
    sim:close_all()
    face:close()
    sim:stop()
  end)
  before_each(function() warnings = {} end)

  -- How the vCenter itself is verified; whether by anything but `insecure`.
  local vcenter_ways = {
    { "a CA file", function(dir) return { ca_file = dir .. "/vcenter.pem" } end },
    { "a thumbprint", function() return { ca_file = false, thumbprint = prints.vcenter } end },
    { "a thumbprint and insecure", function() return { ca_file = false, thumbprint = prints.vcenter, insecure = true } end },
    { "insecure", function() return { ca_file = false, insecure = true } end, insecure = true },
    { "a CA file and insecure", function(dir) return { ca_file = dir .. "/vcenter.pem", insecure = true } end, insecure = true },
  }
  -- What the vCenter reports for the host.
  local reports = {
    { "its certificate", "", right = true },
    { "another certificate", "another-certificate", right = false },
    { "its thumbprint only", "no-certificate thumbprint", right = true },
    { "another thumbprint only", "no-certificate other-thumbprint", right = false },
    { "nothing", "no-certificate" },
  }
  local entries = { { "no entry" }, { "its entry", "host", right = true }, { "another's entry", "vcenter", right = false } }

  local function transfer(options)
    options.url = ("https://127.0.0.1:%s/sdk"):format(port)
    local o = sim:options(options)
    if options.ca_file == false then o.ca_file = nil end
    local vc <close> = check(gpupt.vim.connect(o))
    return vc.guest:get(check(vc:one("lin", { type = "VirtualMachine" })), login, "/etc/hostname")
  end

  for _, way in ipairs(vcenter_ways) do
    for _, report in ipairs(reports) do
      for _, entry in ipairs(entries) do
        local right = entry.right
        if right == nil then right = way.insecure or report.right end
        it(("through a vCenter verified by %s, which reports %s, with %s in the known-hosts file: %s"):format(way[1], report[1], entry[1],
          right and "transferred" or "refused"), function()
          vcenter.write(sim.dir .. "/modes", report[2])
          vcenter.write(sim.dir .. "/known", entry[2] and ("h1.test.invalid:%s %s\n"):format(host_port, prints[entry[2]]) or "# none\n")
          vcenter.write(sim.dir .. "/host-log", "")
          local options = way[2](sim.dir)
          options.known_hosts = sim.dir .. "/known"
          local text, message, code = transfer(options)
          if right then
            assert.is_string(text, message)
            return
          end
          assert.is_nil(text)
          assert.are.equal("EUNTRUSTED", code)
          assert.are.equal("", vcenter.read(sim.dir .. "/host-log"))
          if entry.right == nil and report.right == nil then
            assert.matches("known-hosts file", message, 1, true)
            assert.matches("h1.test.invalid:" .. host_port, message, 1, true)
          else
            assert.matches(prints.host, message, 1, true) -- the one that was shown, to compare
          end
        end)
      end
    end
  end

  it("are not sent unencrypted, nor to a URL with a user name, even if the server returns one", function()
    vcenter.write(sim.dir .. "/known", ("h1.test.invalid:%s %s\n"):format(host_port, prints.host))
    for modes, wanted in pairs { http = "ETLS", ["http own"] = "ETLS", user = "EPROTOCOL", ["user own"] = "EPROTOCOL" } do
      vcenter.write(sim.dir .. "/modes", modes)
      local text, message, code = transfer { ca_file = sim.dir .. "/vcenter.pem", known_hosts = sim.dir .. "/known" }
      assert.is_nil(text, modes)
      assert.are.equal(wanted, code, message)
      assert.is_nil(message:find("t0p", 1, true))
    end
  end)

  it("cause one warning per host with insecure alone, that its certificate is not checked", function()
    -- in a separate process: a warning is printed only once
    vcenter.write(sim.dir .. "/modes", "")
    vcenter.write(sim.dir .. "/one.lua", ([[
      local gpupt = require "gpupt"
      local vc <close> = gpupt.check(gpupt.vim.connect { url = %q, username = %q, password = %q, insecure = true })
      local lin = gpupt.check(vc:one("lin", { type = "VirtualMachine" }))
      for _ = 1, 2 do gpupt.check(vc.guest:get(lin, { username = %q, password = %q }, "/etc/hostname")) end
    ]]):format(("https://127.0.0.1:%s/sdk"):format(port), sim.username, sim.password, login.username, login.password))
    local text = vcenter.shell(("lua5.4 %s/one.lua 2>&1"):format(sim.dir))
    local _, count = text:gsub("the certificate of https://h1%.test%.invalid:" .. host_port .. " is not checked", "")
    assert.are.equal(1, count, text)
  end)
end)
