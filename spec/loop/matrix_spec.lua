-- One body in six surroundings: the same results everywhere, and afterwards descriptors and sessions as at the start.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local cqueues = require "cqueues"
local uv = require "luv"

local function descriptors()
  local count = 0
  local pipe = io.popen "sleep 0.05; ls /proc/$PPID/fd" -- (the pipe itself has settled by then)
  for _ in pipe:lines() do count = count + 1 end
  pipe:close()
  return count
end

local surroundings = {
  plain = function(fn) return fn() end,
  fiber = loop.run,
  ["a generator in a fiber"] = function(fn)
    return loop.run(function()
      return coroutine.wrap(function() coroutine.yield(fn()) end)()
    end)
  end,
  ["table.sort in a fiber"] = function(fn)
    return loop.run(function()
      local results
      table.sort({ 2, 1 }, function(a, b)
        results = results or table.pack(fn())
        return a < b
      end)
      return table.unpack(results, 1, results.n)
    end)
  end,
  cqueues = function(fn)
    loop.use "cqueues"
    local controller, results = cqueues.new(), nil
    controller:wrap(function() results = table.pack(pcall(fn)) end)
    local ok, err = controller:loop()
    loop.use(nil)
    assert(ok, err)
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end,
  luv = function(fn)
    local luv = loop.use "luv"
    local results
    luv.go(function() results = table.pack(pcall(fn)) end)
    uv.run()
    loop.use(nil)
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end,
}
local names = {}
for name in pairs(surroundings) do names[#names + 1] = name end
table.sort(names)

describe("a call of vSphere in", function()
  local sim, warn
  setup(function()
    sim = vcenter.start { speed = 100 }
    warn = require("gpupt.loop.wait").warn
    loop.on_warning(function() end)
    -- everything that is created once and stays: the engine, luv's loop, cqueues' own descriptors
    for _, name in ipairs(names) do surroundings[name](function() return loop.sleep(0.001) end) end
  end)
  teardown(function()
    loop.on_warning(warn)
    sim:stop()
  end)

  for _, name in ipairs(names) do
    describe(name, function()
      local around = surroundings[name]
      local before
      before_each(function()
        collectgarbage()
        before = descriptors()
      end)
      after_each(function()
        sim:calm()
        sim:close_all()
        collectgarbage()
        collectgarbage()
        local left = sim:leftovers()
        assert.are.equal(0, left.sessions)
        assert.are.equal(0, left.filters)
        assert.are.equal(before, descriptors())
      end)

      it("gives its value", function()
        assert.are.equal("esx-a-1", around(function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          local host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
          return gpupt.check(host:get "name")
        end))
      end)

      it("waits for a task", function()
        assert.are.equal("success", around(function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          local host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
          local _, info = gpupt.check(vc:wait(gpupt.check(host:EnterMaintenanceMode_Task { timeout = 0 })))
          gpupt.check(vc:wait(gpupt.check(host:ExitMaintenanceMode_Task { timeout = 0 })))
          return info.state
        end))
      end)

      it("walks through pages", function()
        assert.are.equal(2, around(function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          local count = 0
          for object in vc:collect { type = "HostSystem", paths = { "name" }, page = 1 } do
            count = count + (object.name and 1 or 0)
          end
          return count
        end))
      end)

      it("gives a fault", function()
        local value, message, code = around(function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          return vc.content.rootFolder:CreateFolder { name = "DC0" }
        end)
        assert.is_nil(value)
        assert.is_string(message)
        assert.are.equal("DuplicateName", code)
      end)

      it("ends at its time", function()
        local from = loop.now()
        local value, _, code = around(function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          sim:trouble({ method = "CurrentTime" }, { kind = "hold", seconds = 0 })
          return vc.instance:CurrentTime({}, { timeout = 0.2 })
        end)
        assert.is_nil(value)
        assert.are.equal("ETIMEDOUT", code)
        assert.is_true(loop.now() - from < 3)
      end)

      it("is given up by a deadline around it, the connection being closed", function()
        local value, _, code = around(function()
          return loop.deadline(0.4, function()
            local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
            sim:trouble({ method = "CurrentTime" }, { kind = "hold", seconds = 0 })
            return vc.instance:CurrentTime()
          end)
        end)
        assert.is_nil(value)
        assert.are.equal("ETIMEDOUT", code)
      end)

      it("raises what Lua code raises, the connection being closed", function()
        local ok, err = pcall(around, function()
          local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
          error(vc.version, 0)
        end)
        assert.is_false(ok)
        assert.matches("8.0.3.0$", err) -- a generator puts its place before it
      end)

      it("runs fibers beside it", function()
        local total = around(function()
          return loop.run(function()
            local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
            local hosts = gpupt.check(vc:find "/DC0/host/*/esx-*")
            local fibers, sum = {}, 0
            for i, host in ipairs(hosts) do
              fibers[i] = loop.spawn(function() return #gpupt.check(host:get "name") end)
            end
            for _, fiber in ipairs(fibers) do sum = sum + fiber:join() end
            return sum
          end)
        end)
        assert.are.equal(14, total)
      end)

      it("cancels a fiber in mid-call, the connection being closed", function()
        local status, code = around(function()
          return loop.run(function()
            local fiber = loop.spawn(function()
              local vc <close> = gpupt.check(gpupt.vim.connect(sim:options()))
              sim:trouble({ method = "CurrentTime" }, { kind = "hold", seconds = 0 })
              return vc.instance:CurrentTime()
            end)
            loop.sleep(0.3)
            fiber:cancel "enough"
            local _, err = pcall(fiber.join, fiber)
            return fiber:status(), err.code
          end)
        end)
        assert.are.equal("cancelled", status)
        assert.are.equal("ECANCELLED", code)
      end)
    end)
  end

  it("another loop runs many at once", function()
    loop.use "cqueues"
    local controller, done = cqueues.new(), 0
    local vc = sim:connect()
    local host = gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1")
    for _ = 1, 10 do
      controller:wrap(function()
        assert(gpupt.check(host:get "name") == "esx-a-1")
        cqueues.sleep(0.01)
        done = done + 1
      end)
    end
    assert(controller:loop())
    loop.use(nil)
    assert.are.equal(10, done)
    local luv = loop.use "luv"
    local ticks = 0
    local timer = uv.new_timer()
    timer:start(5, 5, function() ticks = ticks + 1 end)
    for _ = 1, 10 do
      luv.go(function()
        assert(gpupt.check(host:get "name") == "esx-a-1")
        loop.sleep(0.05)
        done = done + 1
        if done == 20 then timer:close() end
      end)
    end
    uv.run()
    loop.use(nil)
    assert.are.equal(20, done)
    assert.is_true(ticks >= 5)
    vc:close()
  end)

  it("an invalid adapter is refused", function()
    local ok, message = pcall(loop.use, "nosuchloop")
    assert.is_false(ok)
    assert.matches("nosuchloop", message)
    ok, message = pcall(loop.use, { mine = function() end })
    assert.is_false(ok)
    assert.matches("wait", message)
  end)

  it("a child process after fork is refused, and may connect again", function()
    -- Lua cannot fork; a library of a few lines can
    vcenter.write(sim.dir .. "/forker.c", [[
      #include <lauxlib.h>
      #include <sys/wait.h>
      #include <unistd.h>
      int luaopen_forker(lua_State *L);
      int luaopen_forker(lua_State *L) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) { lua_getglobal(L, "forked_body"); lua_call(L, 0, 1); _exit((int)lua_tointeger(L, -1)); }
        waitpid(child, &status, 0);
        lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        return 1;
      }]])
    local text, ok = vcenter.shell(("cc -shared -fPIC $(pkg-config --cflags lua5.4) -o %s/forker.so %s/forker.c 2>&1"):format(
      sim.dir, sim.dir))
    assert.is_true(ok, text)
    local vc = sim:connect()
    local root = vc.content.rootFolder
    rawset(_G, "forked_body", function()
      local _, _, code = root:get "name"
      local fresh = gpupt.vim.connect(sim:options())
      local name = fresh and fresh.content.rootFolder:get "name"
      if fresh then fresh:close() end
      return code == "EFORK" and name == "Datacenters" and 42 or 1
    end)
    local open = assert(package.loadlib(sim.dir .. "/forker.so", "luaopen_forker"))
    assert.are.equal(42, open())
    rawset(_G, "forked_body", nil)
    assert.are.equal("Datacenters", gpupt.check(vc.content.rootFolder:get "name"))
    sim:close_all()
  end)
end)
