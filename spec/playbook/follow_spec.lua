local clock = require "gpupt.clock"
local json = require "gpupt.json"
local process = require "gpupt.process"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

describe("gpupt status --follow", function()
  local dir, path, book, this
  before_each(function()
    dir = vcenter.shell "mktemp -d":match "%S+"
    path = dir .. "/journal.db"
    book = assert(store.open(path))
    assert(book:begin { id = "light-1", playbook = "light.lua", who = "ops", endpoint = "vc.example" })
    this = process.this()
  end)
  after_each(function()
    book:close()
    os.execute("rm -rf " .. dir)
  end)

  local function row(fields)
    fields.run = "light-1"
    fields.detail = fields.detail and json.encode(fields.detail)
    return assert(book:append(fields))
  end

  local function change(target, what)
    return row { kind = "change", target = target, step = "host.enable", what = what, operation = "light-1-1",
      action = what, object = "HostSystem:host-1" }
  end

  -- The spec's own process is the one that works on the run.
  local function work(more)
    local entry = { run = "light-1", process = "p1", pid = this.pid, started = this.started,
      client_host = this.client_host, seconds = 300 }
    for name, value in pairs(more or {}) do entry[name] = value end
    assert(book:enter(clock.read(), entry))
  end

  -- Starts the command; gives a function that waits for a text in its output, and one that waits for its end.
  local function start(words, signal)
    vcenter.write(dir .. "/run.sh", ("bin/gpupt status --follow %s --journal %s >%s/out 2>%s/err & echo $! >%s/pid\n"
      .. "wait $!; echo $? >%s/status\n"):format(words, path, dir, dir, dir, dir))
    -- a shell in the background ignores SIGINT, and its children inherit that
    os.execute(("python3 -c 'import signal, os; signal.signal(signal.SIGINT, signal.SIG_DFL); "
      .. "os.execvp(\"sh\", [\"sh\", \"%s/run.sh\"])' >/dev/null 2>&1 &"):format(dir))
    local function until_true(what, check)
      for _ = 1, 3000 do
        local found = check()
        if found then return found end
        vcenter.sleep(0.02)
      end
      error(("%s: %s %s"):format(what, vcenter.read(dir .. "/out") or "", vcenter.read(dir .. "/err") or ""), 3)
    end
    local function shows(text)
      return until_true("not shown: " .. text, function()
        return (vcenter.read(dir .. "/out") or ""):find(text, 1, true)
      end)
    end
    local function ends()
      local status = until_true("it does not end", function()
        return (vcenter.read(dir .. "/status") or ""):match "%d+"
      end)
      return math.tointeger(tonumber(status)), vcenter.read(dir .. "/out"), vcenter.read(dir .. "/err")
    end
    local function kill()
      os.execute(("kill -%s %s"):format(signal or "INT", vcenter.read(dir .. "/pid"):match "%d+"))
    end
    return shows, ends, kill
  end

  it("prints each row when it is written, and the outcome when the run has ended well", function()
    work()
    row { kind = "plan", target = "esx-1", step = "host.enable", what = "~ reboot" }
    local shows, ends = start "light"
    shows "works on it"
    local number = change("esx-1", "RebootHost")
    shows "esx-1        host.enable  RebootHost\n"
    row { kind = "result", target = "esx-1", step = "host.enable", what = "RebootHost", of = number,
      detail = { ok = true } }
    shows "RebootHost: done\n"
    row { kind = "target", target = "esx-1", what = "changed" }
    row { kind = "end", what = "done" }
    assert(book:leave("light-1", "p1"))
    local status, out, err = ends()
    assert.equal(0, status, err)
    assert.matches("the run has ended: done\n\nlight-1  done  light.lua", out, 1, true)
    assert.matches("esx%-1 +changed\n$", out)
    assert.equal("", err)
  end)

  it("prints the same on a terminal as in a pipe", function()
    local number = change("esx-1", "RebootHost")
    row { kind = "result", target = "esx-1", step = "host.enable", what = "RebootHost", of = number, detail = { ok = true } }
    row { kind = "target", target = "esx-1", what = "changed" }
    row { kind = "end", what = "done" }
    local piped = vcenter.shell(("bin/gpupt status --follow light --journal %s 2>&1"):format(path))
    local shown = vcenter.shell(("python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' bin/gpupt status --follow light "
      .. "--journal %s </dev/null; echo status $?"):format(path))
    assert.matches("RebootHost: done", piped, 1, true)
    assert.equal(piped .. "status 0\n", (shown:gsub("\r", ""):gsub("%^D\b\b", "")))
  end)

  it("of the newest run that has failed says so, and is not a success", function()
    row { kind = "target", target = "esx-1", step = "host.enable", what = "failed",
      detail = { message = "no such card", code = "ENOENT" } }
    row { kind = "end", what = "failed" }
    local _, ends = start ""
    local status, out = ends()
    assert.equal(1, status)
    assert.matches("esx-1        host.enable  failed: no such card\n", out, 1, true)
    assert.matches("the run has ended: failed\n", out, 1, true)
  end)

  it("ends when the process of the run is gone, and says how to go on", function()
    local pid = (vcenter.shell "sleep 300 >/dev/null 2>&1 & echo $!"):match "%d+"
    -- when it was started (proc(5): field 22 of stat), and where this process sees it
    local fields = vcenter.read(("/proc/%s/stat"):format(pid)):match "%) (.*)"
    local since = fields:match(("%S+ "):rep(19) .. "(%d+)")
    work { pid = math.tointeger(tonumber(pid)), started = since .. this.started:match "@.*" }
    change("esx-1", "RebootHost")
    local shows, ends = start "light-1"
    shows "RebootHost\n"
    os.execute("kill -9 " .. pid)
    local status, out, err = ends()
    assert.equal(1, status)
    assert.matches("the process of run light-1 is gone, and the run has not ended", err, 1, true)
    assert.matches("apply %-%-resume light%-1", out)
  end)

  it("ends on Ctrl-C, and leaves the run and the journal alone", function()
    work()
    change("esx-1", "RebootHost")
    local shows, ends, interrupt = start "light-1"
    shows "RebootHost\n"
    interrupt()
    local status, _, err = ends()
    assert.equal(130, status)
    assert.equal("gpupt: interrupted\n", err)
    assert.is_truthy(book:runner(clock.read(), "light-1"))
    change("esx-1", "ExitMaintenance")
  end)

  it("ends when the reader of its pipe has left", function()
    work()
    change("esx-1", "RebootHost")
    os.execute(("(bin/gpupt status --follow --journal %s 2>%s/err; echo $? >%s/status) | head -n 1 >%s/out &"):format(path,
      dir, dir, dir))
    local status
    for i = 1, 2000 do
      status = (vcenter.read(dir .. "/status") or ""):match "%d+"
      if status then break end
      if i % 20 == 0 then change("esx-1", "RebootHost") end
      vcenter.sleep(0.02)
    end
    assert.equal("1", status)
    assert.matches("standard output cannot be written", vcenter.read(dir .. "/err"), 1, true)
  end)

  it("with --json prints each row as one line", function()
    local number = change("esx-1", "RebootHost")
    row { kind = "result", of = number, detail = { ok = true } }
    row { kind = "end", what = "done" }
    local _, ends = start "--json"
    local status, out = ends()
    assert.equal(0, status)
    local kinds = {}
    for line in out:gmatch "[^\n]+" do
      local one = assert(json.decode(line))
      kinds[#kinds + 1] = one.kind
      if one.kind == "result" then assert.is_true(one.detail.ok) end
    end
    assert.same({ "change", "result", "end" }, kinds)
  end)

  it("cannot be combined with --all", function()
    local _, ends = start "--all"
    assert.equal(2, (ends()))
  end)
end)
