-- The vendor's driver in the guest: packages, NVIDIA's .run file, Windows; then the proof that it runs the cards.
local first_light = require "spec.support.first_light"
local vcenter = require "spec.support.vcenter"

local LINUX = [[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "driver",
  p.vms { name = "vm-1", login = p.login("ops", p.secret.callback(function() return "%s" end)),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create      { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB"%s },
    p.os.install     { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/train-answer.iso" },
    p.gpu.attach     { devices = cards, count = 1 },
    p.driver.install { %s },
    p.guest.verify   { gpus = 1, driver = true, run = "nvidia-smi -L", output = "A100" } } }]]

local WINDOWS = [[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "driver",
  p.vms { name = "vm-1", login = p.login("Administrator", p.secret.callback(function() return "%s" end)),
    place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create      { guest = "windows2022srvNext_64Guest", cpus = 8, memory = "32 GiB", disk = "120 GiB" },
    p.os.install     { iso = "[ds-1] iso/windows-2022.iso", answer = "[ds-1] iso/render-answer.iso" },
    p.gpu.attach     { devices = cards, count = 1 },
    p.driver.install { from = "%s"%s },
    p.guest.verify   { gpus = 1, driver = true } } }]]

describe("driver.install", function()
  local l

  local function enabled(fleet)
    for _, cluster in ipairs(fleet.clusters) do
      for _, host in ipairs(cluster.hosts) do
        for _, card in ipairs(host.cards) do card.enabled = true end
      end
    end
  end

  before_each(function() l = first_light.start { speed = 400, change = enabled } end)
  after_each(function() l:stop() end)

  local function linux(options, create) return LINUX:format(l.secrets.linux, create or "", options) end

  local function file(name, text)
    local path = l.dir .. "/" .. name
    vcenter.write(path, text)
    return path
  end

  local function run_file(version)
    return file(("NVIDIA-Linux-x86_64-%s.run"):format(version),
      ("#!/bin/sh\n# NVIDIA Accelerated Graphics Driver for Linux-x86_64 %s\n"):format(version))
  end

  local function said(events)
    local list = {}
    for _, event in ipairs(events) do list[#list + 1] = event.text end
    return table.concat(list, "\n")
  end

  it("installs a package, reboots the guest that has loaded nouveau, and changes nothing the second time", function()
    local text = linux 'package = "nvidia-driver-550-server", version = "550"'
    local result, events = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("driver 550.107.02", result.targets[1].proofs["driver.install"])
    assert.matches("the guest sees 1 GPU: 10de:20b5; run: A100", result.targets[1].proofs["guest.verify"], 1, true)
    assert.equal(1, l.sim:calls "RebootGuest", said(events))
    l.sim:forget()
    assert.equal("nothing", l:apply(text).status)
    assert.same({}, l:changing())
    result = l:apply((text:gsub('output = "A100"', 'output = "H100"')))
    assert.equal("failed", result.status)
    assert.matches("the output of run does not contain 'H100': GPU 0: .*A100", result.targets[1].message)
    result = l:apply((text:gsub('run = "nvidia%-smi %-L", output = "A100"', 'run = "exit 3"')))
    assert.matches("run ended with 3", result.targets[1].message)
  end)

  it("takes the distribution's signed modules with Secure Boot", function()
    local result, _, rows = l:apply(linux('package = "nvidia-driver-550-server-open"', ", secure_boot = true"))
    assert.equal("done", result.status, result.targets[1].message)
    local installs = {}
    for _, row in ipairs(rows) do
      if row.kind == "change" and (row.what or ""):find "^install " then installs[#installs + 1] = row.what end
    end
    assert.same({ "install linux-modules-nvidia-550-server-open-generic nvidia-driver-550-server-open" }, installs)
  end)

  it("prepares the guest for NVIDIA's .run file, and leaves nothing of it there", function()
    local result, events = l:apply(linux(('from = "%s", modules = "open"'):format(run_file "550.107.02")))
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("driver 550.107.02", result.targets[1].proofs["driver.install"])
    assert.matches("rebooting the guest without it", said(events))
  end)

  it("says why a .run file cannot be used with Secure Boot", function()
    local result = l:apply(linux(('from = "%s"'):format(run_file "550.107.02"), ", secure_boot = true"))
    assert.equal("failed", result.status)
    assert.matches("Secure Boot is on, and the modules of a %.run file are signed with no key", result.targets[1].message)
  end)

  it("names the package that does not exist, and goes on when the playbook is corrected", function()
    local result = l:apply(linux 'package = "nvidia-driver-999"')
    assert.equal("failed", result.status)
    assert.matches("vm%-1: driver: nvidia%-driver%-999: status 100 .*Unable to locate package nvidia%-driver%-999",
      result.targets[1].message)
    result = l:apply(linux 'package = "nvidia-driver-550"')
    assert.equal("done", result.status, result.targets[1].message)
  end)

  it("installs NVIDIA's .exe in Windows and proves it by nvidia-smi and the device's code", function()
    local exe = file("551.61-data-center.exe", "NVIDIA Display Driver 551.61\n")
    local text = WINDOWS:format(l.secrets.windows, exe, ', version = "551.61"')
    local result = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("driver 551.61", result.targets[1].proofs["driver.install"])
    assert.equal("nothing", l:apply(text).status)
  end)

  it("refuses in the plan what cannot work", function()
    local function refused(text)
      local _, message = l:plan(text)
      return message
    end
    assert.matches("Linux needs package, or from", refused(linux(('from = "%s"'):format(file("x.exe", "x")))))
    assert.matches("from: .*none%.run: No such file", refused(linux(('from = "%s/none.run"'):format(l.dir))))
    assert.matches("driver 430 does not support 10de:20b5 %(Ampere%): it needs 450 or later",
      refused(linux 'package = "nvidia-driver-430"'))
    assert.has_error(function() l:load(linux "") end)
  end)
end)
