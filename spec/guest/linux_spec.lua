-- open-vm-tools by distribution. The shell texts are really run, by /bin/sh with a PATH of scripted commands.
local linux = require "gpupt.guest.linux"

local function write(path, content)
  local f = assert(io.open(path, "w"))
  f:write(content)
  f:close()
end

describe("open-vm-tools", function()
  local dir

  before_each(function()
    local pipe = assert(io.popen "mktemp -d")
    dir = pipe:read "l"
    pipe:close()
  end)
  after_each(function() os.execute("rm -rf '" .. dir .. "'") end)

  -- a command that notes its call and ends with `status`
  local function command(name, status, more)
    write(dir .. "/" .. name, ("#!/bin/sh\necho \"%s $*\" >>'%s/log'\n%s\nexit %d\n"):format(name, dir, more or "", status))
    os.execute("chmod +x '" .. dir .. "/" .. name .. "'")
  end

  local function run(script)
    write(dir .. "/script", script)
    local _, _, status = os.execute(("PATH='%s' /bin/sh '%s/script' >/dev/null 2>&1"):format(dir, dir))
    local f = io.open(dir .. "/log")
    local log = f and f:read "a" or ""
    if f then f:close() end
    return status, log
  end

  it("is installed and started when it is missing", function()
    command("apt-get", 0)
    command("systemctl", 0, 'case "$1" in is-active) exit 3;; esac')
    local status, log = run(linux.tools({ id = "ubuntu" }).ensure)
    assert.equal(0, status)
    assert.equal("apt-get update\napt-get -o DPkg::Lock::Timeout=300 install -y open-vm-tools\n"
      .. "systemctl is-active --quiet open-vm-tools.service\nsystemctl enable --now open-vm-tools.service\n", log)
  end)

  it("changes nothing when it is there and runs", function()
    command("vmtoolsd", 0)
    command("systemctl", 0)
    local status, log = run(linux.tools({ id = "rocky" }).ensure)
    assert.equal(0, status)
    assert.equal("vmtoolsd -v\nsystemctl is-active --quiet vmtoolsd.service\n", log)
  end)

  it("fails with the package manager's code, and starts nothing then", function()
    command("zypper", 104)
    command("systemctl", 0)
    local status, log = run(linux.tools({ id = "sles" }).ensure)
    assert.equal(104, status)
    assert.equal("zypper --non-interactive install open-vm-tools\n", log)
    assert.matches("no such package", linux.outcome("suse", status).meaning)
  end)

  it("uses yum where dnf is absent, with the desktop package when wanted", function()
    command("yum", 0)
    command("systemctl", 0)
    local _, log = run(linux.tools({ family = "rhel", desktop = true }).ensure)
    assert.matches("^yum install %-y open%-vm%-tools open%-vm%-tools%-desktop\n", log)
  end)

  it("uses sudo without a password for a user other than root", function()
    command("sudo", 0, 'shift; exec "$@"')
    command("apt-get", 0)
    command("systemctl", 0, 'case "$1" in is-active) exit 3;; esac')
    local status, log = run(linux.tools({ id = "debian", sudo = true }).ensure)
    assert.equal(0, status)
    assert.matches("sudo %-n /bin/sh %-c DEBIAN_FRONTEND=noninteractive apt%-get update\napt%-get update\n", log)
    assert.matches("sudo %-n /bin/sh %-c systemctl enable %-%-now open%-vm%-tools.service\n", log)
  end)
end)

describe("a distribution", function()
  it("is known by ID, else by ID_LIKE", function()
    assert.equal("debian", linux.family "ubuntu")
    assert.equal("rhel", linux.family "almalinux")
    assert.equal("rhel", linux.family("mylinux", "rhel fedora"))
    assert.equal("suse", linux.family "opensuse-leap")
    assert.equal("photon", linux.family "photon")
  end)

  it("that is unknown is refused, with the nearest name", function()
    local family, message, code = linux.family "ubunto"
    assert.is_nil(family)
    assert.matches("did you mean 'ubuntu'", message)
    assert.equal("EINVAL", code)
    assert.equal("EINVAL", select(3, linux.tools { os_release = "NAME=x\n" }))
  end)

  it("is read from /etc/os-release with its quotes", function()
    local release = 'PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\r\nID="rocky"\r\nID_LIKE="rhel centos fedora"\r\n'
    assert.equal("rocky", linux.os_release(release).ID)
    assert.equal("rhel", linux.tools({ os_release = release }).family)
  end)
end)

describe("a package manager's end", function()
  it("tells a lock, which passes, from a real failure", function()
    assert.is_true(linux.outcome("debian", 100).retry)
    assert.is_true(linux.outcome("suse", 7).retry)
    assert.is_false(linux.outcome("suse", 104).retry)
    assert.same({ true, true }, { linux.outcome("suse", 102).success, linux.outcome("suse", 102).reboot })
    assert.is_true(linux.outcome("rhel", 0).success)
    assert.matches("check the distribution", linux.outcome("rhel", 127).meaning)
  end)
end)
