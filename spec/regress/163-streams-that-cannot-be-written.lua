--- A reader that left (`| head -1`) ended a command by SIGPIPE: the session stayed open, and a run stopped between two of
-- its changes. With standard output closed, the next file that was opened got its number.
local cli = require "gpupt.cli"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

-- what a command line that prints something needs; others print their help
local cases = {
  plan = { "plan PLAY", "plan PLAY --json" },
  status = { "status --journal DIR/old.db", "status old --journal DIR/old.db --json" },
  role = { "role", "role PLAY --json", "role --govc x" },
  gpus = { "gpus", "gpus --json" },
  doctor = { "doctor /DC0/vm/vm-1", "doctor --vmx DIR/a.vmx --json", "doctor --rules" },
  vmx = { "vmx get DIR/a.vmx firmware", "vmx check DIR/a.vmx", "vmx set DIR/a.vmx a=b -n", "vmx diff DIR/a.vmx DIR/b.vmx",
    "vmx get DIR/a.vmx firmware --json" },
  bar = { "bar 2x10de:20b5", "bar --table", "bar --kb 7 --json" },
  pci = { "pci --from DIR/pci.txt", "pci --from DIR/pci.txt --json" },
  log = { "log DIR/a.log", "log --catalogue" },
  vim = { "vim get /DC0/vm/vm-1 --property name", "vim help HostSystem RebootHost_Task" },
  logout = { "logout" },
  apply = {}, -- below
}

local broken = {
  ["closed"] = "exec >&-; ", ["full"] = "exec >/dev/full; ",
  -- the only reader of a FIFO leaves
  ["without a reader"] = "mkfifo DIR/fifo.$$; exec 3<>DIR/fifo.$$; exec >DIR/fifo.$$ 3<&-; rm DIR/fifo.$$; ",
}

describe("standard output that cannot be written", function()
  local l, play

  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1" } } },
      datastores = { { name = "ds-1", capacity_gb = 100 } },
      vms = { { name = "vm-1", host = "esx-1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } } } }
    play = l:write [[return p.playbook { name = "x",
      p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} } }]]
    vcenter.write(l.dir .. "/a.vmx", 'firmware = "efi"\nguestOS = "ubuntu-64"\n')
    vcenter.write(l.dir .. "/b.vmx", 'firmware = "bios"\n')
    vcenter.write(l.dir .. "/pci.txt", "0000:3b:00.0 3D controller [0302]: NVIDIA Corporation GA100 [10de:20b5] (rev a1)\n")
    vcenter.write(l.dir .. "/a.log", "2026-01-02T00:00:01.000Z In(05) vmx - PCIPassthru: total number of pages needed (33566722) "
      .. "exceeds limit (917504), failing\n")
    local book = assert(require "gpupt.store".open(l.dir .. "/old.db"))
    assert(book:begin { id = "old-1", playbook = "x.lua" })
    book:close()
    l:command { "bar", "2x10de:20b5" } -- writes the environment
  end)
  teardown(function() l:stop() end)

  before_each(function()
    l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false } })
    l.sim:forget()
  end)

  local function active()
    for _, card in ipairs(l:truth("hosts", "esx-1").cards) do
      if card.address == "0000:3b:00.0" then return card.active end
    end
  end

  -- in a shell whose streams `setup` has changed; gives the status and, if it could be written, standard error
  local function run(words, setup, err)
    local line = ("%s; . DIR/environment; " .. setup .. "bin/gpupt %s %s </dev/null; echo $? >DIR/status"):format("umask 077",
      words:gsub("PLAY", play), err or "2>DIR/err"):gsub("DIR", l.dir)
    vcenter.write(l.dir .. "/err", "")
    vcenter.write(l.dir .. "/script", line)
    os.execute("sh " .. l.dir .. "/script >/dev/null 2>&1")
    if words:find "^apply" or words:find "^plan" or words:find "^gpus" or words:find "/DC0" then
      assert.equal(0, l.sim:leftovers().sessions, words)
    end
    return tonumber(vcenter.read(l.dir .. "/status")), vcenter.read(l.dir .. "/err")
  end

  for how, setup in pairs(broken) do
    it(("gives every command that prints data status 1, and a message: %s"):format(how), function()
      for _, name in ipairs(cli.commands) do
        for _, words in ipairs(cases[name] or { name .. " --help" }) do
          local status, err = run(words, setup)
          assert.equal(1, status, words .. ": " .. err)
          assert.matches("gpupt: standard output cannot be written: ", err, 1, true)
          assert.is_nil(err:find "traceback", err)
        end
      end
    end)

    it(("does not end a run, and the run's status counts: %s"):format(how), function()
      for _, more in ipairs { "", "--events" } do
        l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
        local journal = ("%s/run-%s%s.db"):format(l.dir, how:gsub(" ", ""), more)
        local status, err = run(("apply PLAY --allow reboot --journal %s %s"):format(journal, more), setup)
        assert.equal(0, status, err)
        assert.matches("gpupt: standard output cannot be written: .*; see gpupt status x%-", err)
        assert.matches("  done  ", l:command { "status", "--journal", journal }.out, 1, true)
        assert.is_true(active())
      end
    end)

    it(("is an error for the result of apply as JSON, after the run: %s"):format(how), function()
      l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
      local status, err = run(("apply PLAY --allow reboot --json --journal DIR/json-%s.db"):format(how:gsub(" ", "")), setup)
      assert.equal(1, status, err)
      assert.is_true(active())
    end)
  end

  it("does not end a run when the reader leaves in mid-run", function()
    l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
    local text = vcenter.shell((". %s/environment; (bin/gpupt apply %s --allow reboot --journal %s/head.db 2>&1; echo $? >%s/status) "
      .. "</dev/null | head -n 1"):format(l.dir, play, l.dir, l.dir))
    assert.matches("^127.0.0.1 8", text)
    for _ = 1, 100 do
      if l.sim:leftovers().sessions == 0 then break end
    end
    vcenter.sleep(0.3)
    assert.equal("0\n", vcenter.read(l.dir .. "/status"))
    assert.matches("  done  ", l:command { "status", "--journal", l.dir .. "/head.db" }.out, 1, true)
    assert.is_true(active())
  end)

  for how, err in pairs { closed = "2>&-", full = "2>/dev/full" } do
    it(("on standard error changes no status: %s"):format(how), function()
      l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
      assert.equal(0, run("gpus", "exec >DIR/out; ", err))
      assert.equal(3, run("gpus --username wrong", "exec >DIR/out; ", err))
      assert.equal(2, run("gpus --bogus", "exec >DIR/out; ", err))
      assert.equal(0, run(("apply PLAY --allow reboot --journal DIR/err-%s.db"):format(how), "exec >DIR/out; ", err))
      assert.matches("esx-1", vcenter.read(l.dir .. "/out"), 1, true)
      -- and with neither
      l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
      assert.equal(0, run(("apply PLAY --allow reboot --journal DIR/both-%s.db"):format(how), "exec >&-; ", err))
      assert.is_true(active())
    end)
  end

  it("is not replaced by a file that is opened later", function()
    -- with descriptor 1 free, the journal's file would get it
    local status = run("status --journal DIR/old.db", "exec >&-; ")
    assert.equal(1, status)
    assert.matches("^SQLite format 3", vcenter.read(l.dir .. "/old.db"))
    assert.equal(0, l:command({ "status", "--journal", l.dir .. "/old.db" }).status)
  end)

  it("as standard input is an error of the file, not of gpupt", function()
    for _, words in ipairs { "log -", "vmx check -", "doctor --log -", "doctor --vmx -", "pci --from -", "bar --learn -n -",
      "vim CurrentTime ServiceInstance --args -", "doctor --evidence -" } do
      for _, input in ipairs { "<&-", "</" } do
        local text = vcenter.shell((". %s/environment; bin/gpupt %s %s 2>&1; echo status $?"):format(l.dir, words, input))
        assert.matches("status [12]\n$", text)
        assert.matches("gpupt: standard input[%w: ]*: " .. (input == "</" and "Is a directory" or "Bad file descriptor"), text)
        assert.is_nil(text:find "traceback", text)
      end
    end
  end)
end)
