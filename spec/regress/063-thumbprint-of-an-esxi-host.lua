--- With a thumbprint for the vCenter and `insecure`, a guest's files were sent to an ESXi host whose certificate was not
-- checked, and with `insecure` alone there was no warning. A host has its own certificate: its entry in the known-hosts
-- file decides; otherwise what the vCenter reports for it; `insecure` counts only without a thumbprint.
local gpupt = require "gpupt"
local esx_host = require "spec.support.esx_host"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("guest files over an ESXi host", function()
  local site, sim, port, host_port, warnings, before
  local login = esx_host.login
  local prints = {}

  setup(function()
    site = esx_host.start()
    sim, port, host_port = site.sim, site.port, site.host_port
    for _, name in ipairs { "vcenter", "host" } do prints[name] = site:thumbprint(name) end
    site:connect()
    before = require("gpupt.loop.wait").warn
    gpupt.loop.on_warning(function(text) warnings[#warnings + 1] = text end)
  end)
  teardown(function()
    gpupt.loop.on_warning(before)
    site:stop()
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
