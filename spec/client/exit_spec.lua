-- However a program ends: its session does not stay on the server, and nothing waits longer than it must.
local vcenter = require "spec.support.vcenter"

describe("a program that is connected and", function()
  local sim
  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  local prelude = [[local gpupt = require "gpupt"
    local loop = gpupt.loop
    local function connect() return gpupt.check(gpupt.vim.connect {}) end
    local function mark(text) local f = assert(io.open(os.getenv "MARK", "a")) f:write(text, "\n") f:close() end
    local function hold(vc) mark "ready" vc.instance:CurrentTime() mark "answered" end
  ]]

  -- Runs the text as a program of its own. With a signal: sends it when the program has reported that it is ready.
  -- Gives what it printed, its exit status, and the seconds from the signal to its end.
  local function run(text, signal, trouble)
    local mark = sim.dir .. "/mark"
    vcenter.write(mark, "")
    vcenter.write(sim.dir .. "/program.lua", prelude .. text)
    if trouble then sim:trouble({ method = "CurrentTime", count = -1 }, { kind = "hold", seconds = 0 }) end
    local environment = ("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' MARK=%s"):format(
      sim.url, sim.username, sim.password, sim.ca_file, mark)
    -- the shell of a background job ignores SIGINT, and its children with it: python sets it right
    local line = ("%s python3 -c 'import os,signal,sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
      .. "os.execvp(sys.argv[1], sys.argv[1:])' lua5.4 %s/program.lua >%s/out 2>&1 & child=$!; "):format(environment,
        sim.dir, sim.dir)
    if signal then
      line = line .. ("for i in $(seq 200); do grep -q ready %s && break; sleep 0.05; done; sleep 0.2; kill -%s $child; ")
        :format(mark, signal)
    end
    local text_out = vcenter.shell(line .. "from=$(date +%s%N); wait $child; echo $? $(( ($(date +%s%N) - from) / 1000000 ))")
    local status, milliseconds = text_out:match "(%d+) (%d+)"
    return vcenter.read(sim.dir .. "/out"), tonumber(status), tonumber(milliseconds) / 1000, vcenter.read(mark)
  end

  local function nothing_left()
    local left = sim:leftovers()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
    assert.are.equal(0, left.waiting)
  end

  it("ends with its work done logs out", function()
    local out, status = run "do local vc <close> = connect() end"
    assert.are.equal("", out)
    assert.are.equal(0, status)
    assert.are.equal(1, sim:calls "Logout")
    nothing_left()
  end)

  it("fails logs out", function()
    local out, status = run [[local vc <close> = connect() error "broken"]]
    assert.matches("broken", out)
    assert.are.equal(1, status)
    nothing_left()
  end)

  it("calls os.exit with its state closed logs out", function()
    local _, status = run "local vc <close> = connect() os.exit(7, true)"
    assert.are.equal(7, status)
    assert.are.equal(1, sim:calls "Logout")
    nothing_left()
  end)

  for name, text in pairs {
    ["plainly"] = "local vc <close> = connect() hold(vc)",
    ["in a fiber"] = "loop.run(function() local vc <close> = connect() hold(vc) end)",
    ["in one of many fibers"] = [[loop.run(function()
      local vc <close> = connect()
      for _ = 1, 5 do loop.spawn(function() loop.sleep(60) end) end
      hold(vc) end)]],
    ["for a task"] = [[local vc <close> = connect()
      local host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
      mark "ready"
      vc:wait_for(host, { "runtime.inMaintenanceMode" }, function(v) return v["runtime.inMaintenanceMode"] end)
      mark "answered"]],
  } do
    it("is interrupted by SIGINT while it waits " .. name .. " logs out and ends", function()
      local out, status, seconds, mark = run(text, "INT", true)
      assert.are.equal(1, status, out) -- lua.c's own end after "interrupted!"
      assert.matches("interrupted", out)
      assert.is_nil(mark:find("answered", 1, true))
      assert.is_true(seconds < 4, seconds)
      assert.are.equal(1, sim:calls "Logout")
      nothing_left()
    end)
  end

  it("that forgets to close warns, and leaves the session to the server", function()
    local out, status = run "vc = connect()"
    assert.matches("never closed", out)
    assert.are.equal(0, status)
    assert.are.equal(0, sim:calls "Logout")
    local page = sim:get "sessions"
    assert.are.equal(1, page.sessions)
    assert.are.equal(0, page.waiting)
  end)
end)
