--- persist_session: a session that outlives the program, kept in a file that only its owner can read.
local vcenter = require "spec.support.vcenter"

describe("a kept session", function()
  local sim, dir, folder
  setup(function()
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      users = { { name = "ops@vsphere.local", password = "an0ther-secret", role = "ReadOnly" } } } }
    dir = sim.dir
    folder = dir .. "/run/gpupt-sessions"
  end)
  teardown(function() sim:stop() end)
  before_each(function()
    sim:forget()
    vcenter.shell(("rm -rf %s/run; mkdir -m 700 %s/run"):format(dir, dir))
  end)
  after_each(function()
    sim:post("sessions/drop", {})
    sim:calm()
  end)

  local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

  -- Runs the command as a user does; o.env overrides a variable.
  local function gpupt_command(words, o)
    o = o or {}
    local environment = { GOVC_URL = sim.url, GOVC_USERNAME = sim.username, GOVC_PASSWORD = sim.password,
      GOVC_TLS_CA_CERTS = sim.ca_file, XDG_RUNTIME_DIR = dir .. "/run", HOME = dir .. "/home" }
    for name, value in pairs(o.env or {}) do environment[name] = value or nil end
    local line = { "env -i PATH=$PATH LUA_PATH=\"$LUA_PATH\" LUA_CPATH=\"$LUA_CPATH\" LD_PRELOAD=\"$LD_PRELOAD\"" }
    for name, value in pairs(environment) do line[#line + 1] = name .. "=" .. quote(value) end
    line[#line + 1] = "bin/gpupt " .. words .. " 2>&1; echo \" status $?\""
    local text = vcenter.shell(table.concat(line, " "))
    return text, tonumber(text:match "status (%d+)\n$")
  end

  local TIME = "vim CurrentTime ServiceInstance --persist-session"

  local function good(words, o)
    local text, status = gpupt_command(words, o)
    assert.are.equal(0, status, text)
    return text
  end

  local function files() return vcenter.shell(("find %s -type f 2>/dev/null"):format(folder)) end

  it("is not kept unless it is asked for", function()
    good "vim CurrentTime ServiceInstance"
    assert.are.equal("", files())
    assert.are.equal(0, sim:get("sessions").sessions)
  end)

  it("serves the next command, which does not log in", function()
    for _ = 1, 4 do good(TIME) end
    assert.are.equal(1, sim:calls "Login")
    assert.are.equal(0, sim:calls "Logout")
    assert.are.equal(1, sim:get("sessions").sessions)
    -- nor does it need a password
    good(TIME, { env = { GOVC_PASSWORD = false } })
    assert.are.equal(1, sim:calls "Login")
  end)

  it("is kept by GOVC_PERSIST_SESSION=true, too", function()
    for _ = 1, 2 do good("vim CurrentTime ServiceInstance", { env = { GOVC_PERSIST_SESSION = "true" } }) end
    good("vim CurrentTime ServiceInstance", { env = { GOVC_PERSIST_SESSION = "false" } })
    assert.are.equal(2, sim:calls "Login")
  end)

  it("is in a file of mode 0600, in a folder of mode 0700, and neither names server or user", function()
    good(TIME)
    local path = files():match "%S+"
    assert.are.equal("600 700", vcenter.shell(("stat -c %%a %s; stat -c %%a %s"):format(path, folder)):gsub("\n$", ""):gsub("\n", " "), nil)
    assert.matches("/%x+$", path)
    local text = vcenter.read(path)
    assert.is_nil(text:find(sim.password, 1, true))
    -- a strict umask is not needed, and a loose one changes nothing
    vcenter.shell("rm -rf " .. folder)
    vcenter.shell(("umask 000; mkdir -p %s/run"):format(dir))
    good(TIME)
    assert.are.equal("600\n", vcenter.shell(("stat -c %%a %s"):format(files():match "%S+")))
  end)

  it("falls back to the home folder without XDG_RUNTIME_DIR", function()
    vcenter.shell(("rm -rf %s/home; mkdir -m 755 %s/home"):format(dir, dir))
    for _ = 1, 2 do good(TIME, { env = { XDG_RUNTIME_DIR = false } }) end
    assert.are.equal(1, sim:calls "Login")
    assert.are.equal("700\n700\n", vcenter.shell(("stat -c %%a %s/home/.gpupt %s/home/.gpupt/sessions"):format(dir, dir)))
    assert.are.equal("", files())
  end)

  it("that has ended on the server is silently replaced by a login", function()
    good(TIME)
    sim:post("sessions/drop", {})
    local text = good(TIME)
    assert.matches("^%d%d%d%d%-[^\n]+\n status 0\n$", text)
    assert.are.equal(2, sim:calls "Login")
    good(TIME)
    assert.are.equal(2, sim:calls "Login")
  end)

  it("that ends while a program runs is replaced, and the new one is saved", function()
    local script = dir .. "/work.lua"
    vcenter.write(script, [[
      local gpupt = require "gpupt"
      local vc <close> = gpupt.check(gpupt.vim.connect { persist_session = true })
      os.execute(arg[1])
      print(gpupt.check(vc.content.rootFolder:get "name"))
    ]])
    vcenter.write(dir .. "/drop", ("curl -sS --cacert %s -X POST %s/sessions/drop >/dev/null\n"):format(sim.ca_file, sim.control))
    local text = vcenter.shell(("XDG_RUNTIME_DIR=%s/run GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS=%s "
      .. "lua5.4 %s 'env -u LD_PRELOAD sh %s/drop' 2>&1"):format(dir, sim.url, sim.username, sim.password, sim.ca_file, script, dir))
    assert.are.equal("Datacenters\n", text)
    assert.are.equal(2, sim:calls "Login")
    good(TIME)
    assert.are.equal(2, sim:calls "Login")
  end)

  it("is one for each server and user, and for checked and unchecked certificates", function()
    good(TIME)
    local text = good("vim get sessionManager --property currentSession.userName --persist-session", { env = {
      GOVC_USERNAME = "ops@vsphere.local", GOVC_PASSWORD = "an0ther-secret" } })
    assert.matches("ops@vsphere.local", text)
    good(TIME, { env = { GOVC_INSECURE = "1", GOVC_TLS_CA_CERTS = false } })
    assert.are.equal(3, sim:calls "Login")
    local _, count = files():gsub("\n", "")
    assert.are.equal(3, count)
  end)

  it("is ended and deleted by gpupt logout", function()
    good(TIME)
    assert.matches("^logged out\n", (good "logout"))
    assert.are.equal(0, sim:get("sessions").sessions)
    assert.are.equal("", files())
    assert.matches("^there is no saved session\n", (good "logout"))
    good(TIME)
    sim:post("sessions/drop", {})
    assert.matches("^there is no saved session\n", (good "logout"))
    assert.are.equal("", files())
    assert.are.equal(2, sim:calls "Login")
  end)

  it("of a token or a ticket needs a user name, and belongs to that user", function()
    vcenter.write(dir .. "/token", sim:post("token", { user = "ops@vsphere.local" }).token)
    vcenter.shell("chmod 600 " .. dir .. "/token")
    local words = TIME .. " --token-file " .. dir .. "/token"
    local text, status = gpupt_command(words, { env = { GOVC_USERNAME = false } })
    assert.are.equal(2, status)
    assert.matches("needs --username", text, 1, true)
    for _ = 1, 2 do good(words, { env = { GOVC_USERNAME = "VSPHERE.LOCAL\\Ops" } }) end
    assert.are.equal(1, sim:calls "LoginByToken")
    text = good(words, { env = { GOVC_USERNAME = "somebody.else@vsphere.local" } })
    assert.matches("the session is not saved: it is the session of ops@vsphere.local", text)
    assert.are.equal(1, sim:get("sessions").sessions)
  end)

  describe("that is not safe", function()
    local function unsafe(pattern)
      sim:forget()
      local text, status = gpupt_command(TIME)
      assert.are.equal(3, status, text)
      assert.matches(pattern, text)
      assert.are.equal(0, sim:calls "Login")
    end

    it("because others can read the file is refused", function()
      good(TIME)
      local path = files():match "%S+"
      for _, mode in ipairs { "644", "640", "606" } do
        vcenter.shell(("chmod %s %s"):format(mode, path))
        unsafe "chmod 600"
      end
      vcenter.shell("chmod 600 " .. path)
      good(TIME)
    end)

    it("because the folder is open to others, or is a link, is refused", function()
      good(TIME)
      vcenter.shell("chmod 755 " .. folder)
      unsafe "chmod 700"
      vcenter.shell(("chmod 700 %s; mv %s %s/elsewhere; ln -s %s/elsewhere %s"):format(folder, folder, dir, dir, folder))
      unsafe "symbolic links are not followed"
      vcenter.shell(("rm -rf %s %s/elsewhere"):format(folder, dir))
    end)

    it("because the file is a link is refused, and nothing is written through it", function()
      good(TIME)
      local path = files():match "%S+"
      vcenter.shell(("mv %s %s/target; ln -s %s/target %s"):format(path, dir, dir, path))
      unsafe "symbolic link"
      vcenter.write(dir .. "/target", "untouched")
      unsafe "symbolic link"
      assert.are.equal("untouched", vcenter.read(dir .. "/target"))
      local _, status = gpupt_command "logout"
      assert.are.equal(3, status)
      assert.are.equal("untouched", vcenter.read(dir .. "/target"))
    end)

    it("because it is a pipe is refused at once", function()
      good(TIME)
      local path = files():match "%S+"
      vcenter.shell(("rm %s; mkfifo -m 600 %s"):format(path, path))
      unsafe "not a regular file"
    end)

    it("because it belongs to another user is refused", function()
      if vcenter.shell "id -u" ~= "0\n" then return pending "needs root" end
      good(TIME)
      local path = files():match "%S+"
      vcenter.shell(("chown 12345 %s"):format(path))
      unsafe "another user"
      vcenter.shell(("chown 0 %s; chown 12345 %s"):format(path, folder))
      unsafe "another user"
    end)
  end)

  it("of nonsense is replaced by a login", function()
    good(TIME)
    local path = files():match "%S+"
    for _, text in ipairs { "", "x", "gpupt session 1\nhttps://other/sdk\nu\nc\n", ("x"):rep(1000),
      ("gpupt session 1\n%s\n%s\nabc; path=/\n"):format(sim.url, sim.username),
      ("gpupt session 1\n%s\n%s\n%s\n"):format(sim.url, sim.username, "0123456789abcdef"),
      ("gpupt session 1\n%s\n%s\n%s\n"):format(sim.url, "somebody", vcenter.read(path):match '([^\n]+)\n$') } do
      sim:forget()
      vcenter.write(path, text)
      good(TIME)
      assert.are.equal(1, sim:calls "Login", text)
    end
  end)

  it("that cannot be written gives a warning, and the session ends with the command", function()
    vcenter.shell(("rm -rf %s/run"):format(dir))
    local text = good(TIME, { env = { XDG_RUNTIME_DIR = "/proc/none/there" } })
    assert.matches("the session is not saved", text)
    assert.are.equal(0, sim:get("sessions").sessions)
  end)

  it("is deleted when the program logs out by hand", function()
    good(TIME)
    good "vim Logout sessionManager --persist-session"
    assert.are.equal("", files())
    assert.are.equal(0, sim:get("sessions").sessions)
  end)
end)
