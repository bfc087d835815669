local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("datastore files", function()
  local sim, vc, ds, here
  setup(function()
    sim = vcenter.start { fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1", files = { ["logs/vmware.log"] = { text = ("a line of the log\n"):rep(1000) } } } },
    } }
    vc = sim:connect()
    ds = vc.datastore
    here = sim.dir .. "/local.bin"
    local file = assert(io.open(here, "wb"))
    for i = 1, 4000 do file:write(tostring(i):rep(20), "\0\r\n") end
    file:close()
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
  after_each(function() sim:calm() end)

  local function same(a, b) return vcenter.read(a) == vcenter.read(b) end

  it("are uploaded with their folders and downloaded the same", function()
    local last
    assert.is_true(gpupt.check(ds:upload(here, "[ds-1] a b/c#d/up.bin", { progress = function(sent, total)
      last = { sent, total }
    end })))
    assert.are.equal(last[1], last[2])
    local there = sim.dir .. "/down.bin"
    assert.are.equal(last[2], gpupt.check(ds:download("[ds-1] a b/c#d/up.bin", there)))
    assert.is_true(same(here, there))
    assert.is_nil(vcenter.read(there .. ".part"))
  end)

  it("are sent from an open file without a name, which stays open", function()
    local file <close> = assert(io.tmpfile())
    assert(file:write(("z"):rep(70000)))
    assert(file:flush())
    assert.is_true(gpupt.check(ds:upload(file, "[ds-1] open/up.bin", { size = 70000, verify = true })))
    assert.are.equal(("z"):rep(70000), gpupt.check(ds:text "[ds-1] open/up.bin"))
    assert.are.equal("file", io.type(file))
    local shut = assert(io.tmpfile())
    shut:close()
    assert.error_matches(function() ds:upload(shut, "[ds-1] open/x") end, "closed")
  end)

  it("of another size than they should have are not sent", function()
    sim:forget()
    local ok, message, code = ds:upload(here, "[ds-1] short/up.bin", { size = 1 << 20 })
    assert.is_nil(ok)
    assert.are.equal("EIO", code)
    assert.matches("the local file has %d+ bytes, not 1048576", message)
    assert.are.equal(0, sim:calls "HTTP PUT")
    assert.is_false(gpupt.check(ds:stat "[ds-1] short/up.bin"))
  end)

  it("get their name when they are complete", function()
    gpupt.check(ds:upload(here, "[ds-1] x/y.bin"))
    local names = {}
    for _, entry in ipairs(gpupt.check(ds:list "[ds-1] x")) do names[#names + 1] = entry.name end
    assert.are.same({ "y.bin" }, names)
    local entry = gpupt.check(ds:stat "[ds-1] x/y.bin")
    assert.are.equal("[ds-1] x/y.bin", entry.path)
    assert.are.equal(#vcenter.read(here), entry.size)
    assert.is_false(ds:stat "[ds-1] x/z.bin")
    assert.is_false(ds:stat "[ds-1] nowhere/z.bin")
  end)

  it("leave nothing behind when the transfer breaks", function()
    sim:trouble({ method = "HTTP PUT", count = -1 }, { kind = "reset-before" })
    local ok, message = ds:upload(here, "[ds-1] broken/y.bin")
    assert.is_nil(ok)
    assert.is_string(message)
    sim:calm()
    local list = ds:list "[ds-1] broken"
    assert.are.equal(0, #(list or {}))
    local there = sim.dir .. "/broken.bin"
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "truncate", bytes = 1000 })
    ok = ds:download("[ds-1] logs/vmware.log", there)
    assert.is_nil(ok)
    assert.is_nil(vcenter.read(there))
    assert.is_nil(vcenter.read(there .. ".part"))
  end)

  -- Everything on the datastore, by path.
  local function everything()
    local names = {}
    for _, entry in ipairs(check(ds:list("[ds-1]", { recursive = true }))) do
      if not entry.folder then names[#names + 1] = entry.path end
    end
    table.sort(names)
    return names
  end

  it("keep what was there until the new one is complete", function()
    vcenter.write(sim.dir .. "/old.txt", "old")
    check(ds:upload(sim.dir .. "/old.txt", "[ds-1] kept/y.bin"))
    local before = everything()
    for _, trouble in ipairs { { kind = "status", code = 507 }, { kind = "reset-before" }, { kind = "status", code = 403 } } do
      sim:trouble({ method = "HTTP PUT", count = -1 }, trouble)
      local ok, message, code = ds:upload(here, "[ds-1] kept/y.bin")
      assert.is_nil(ok)
      assert.is_string(message)
      if trouble.code == 507 then assert.are.equal("NoDiskSpace", code) end
      if trouble.code == 403 then assert.are.equal("NoPermission", code) end
      sim:calm()
      assert.are.equal("old", check(ds:text "[ds-1] kept/y.bin"))
      assert.are.same(before, everything())
    end
  end)

  it("leave nothing behind when the sending fiber is cancelled, or times out", function()
    local before = everything()
    local long = sim.dir .. "/long.bin" -- so long that nobody has sent it in a tenth of a second
    check(io.open(long, "wb")):close()
    vcenter.shell("truncate -s 2G " .. long)
    local ok, _, code = ds:upload(long, "[ds-1] never.bin", { timeout = 0.1 })
    assert.is_nil(ok)
    assert.are.equal("ETIMEDOUT", code)
    assert.are.same(before, everything())
    loop.run(function()
      local fiber = loop.spawn(function() return ds:upload(long, "[ds-1] never.bin") end)
      loop.sleep(0.1)
      fiber:cancel "enough"
      local done, err = pcall(fiber.join, fiber)
      assert.is_false(done)
      assert.are.equal("ECANCELLED", err.code)
    end)
    assert.are.same(before, everything())
  end)

  it("say how far they are while they go", function()
    local big = sim.dir .. "/big.bin"
    vcenter.write(big, ("0123456789abcdef"):rep(1 << 16))
    local seen = {}
    check(ds:upload(big, "[ds-1] big.bin"))
    sim:trouble({ method = "HTTP GET" }, { kind = "slow", bytes = 300000, seconds = 1.5 })
    check(ds:download("[ds-1] big.bin", big .. ".back", { progress = function(bytes) seen[#seen + 1] = bytes end }))
    for i = 2, #seen do assert.is_true(seen[i] >= seen[i - 1]) end
    assert.are.equal(1 << 20, seen[#seen])
    assert.are.equal(vcenter.read(big), vcenter.read(big .. ".back"))
  end)

  it("go on where an answer was cut", function()
    local there = sim.dir .. "/resumed.log"
    sim:trouble({ method = "HTTP GET", count = 2 }, { kind = "truncate", bytes = 5000 })
    assert.are.equal(18000, gpupt.check(ds:download("[ds-1] logs/vmware.log", there)))
    assert.are.equal(("a line of the log\n"):rep(1000), vcenter.read(there))
  end)

  it("continue what an earlier run left, on request", function()
    local there = sim.dir .. "/again.log"
    vcenter.write(there .. ".part", ("a line of the log\n"):rep(10))
    assert.are.equal(18000, gpupt.check(ds:download("[ds-1] logs/vmware.log", there, { resume = true })))
    assert.are.equal(("a line of the log\n"):rep(1000), vcenter.read(there))
    vcenter.write(there .. ".part", ("x"):rep(50000)) -- longer than the file: begun anew
    assert.are.equal(18000, gpupt.check(ds:download("[ds-1] logs/vmware.log", there, { resume = true })))
    assert.are.equal(("a line of the log\n"):rep(1000), vcenter.read(there))
  end)

  it("are read in chunks, from an offset, for a number of bytes", function()
    local parts, count = {}, 0
    for chunk in ds:read("[ds-1] logs/vmware.log", { chunk = 4096 }) do
      parts[#parts + 1] = chunk
      count = count + 1
    end
    assert.are.equal(("a line of the log\n"):rep(1000), table.concat(parts))
    assert.are.equal(5, count)
    parts = {}
    for chunk in ds:read("[ds-1] logs/vmware.log", { offset = 2, length = 9, chunk = 4 }) do parts[#parts + 1] = chunk end
    assert.are.equal("line of t", table.concat(parts))
    assert.are.equal(18000, #gpupt.check(ds:text "[ds-1] logs/vmware.log"))
    local text, _, code = ds:text("[ds-1] logs/vmware.log", { max = 100 })
    assert.is_nil(text)
    assert.are.equal("ELIMIT", code)
  end)

  it("can be moved, deleted, and not overwritten by mistake", function()
    gpupt.check(ds:upload(here, "[ds-1] m/one.bin"))
    local ok, message, code = ds:upload(here, "[ds-1] m/one.bin", { overwrite = false })
    assert.is_nil(ok)
    assert.matches("already exists", message)
    assert.are.equal("FileAlreadyExists", code)
    gpupt.check(ds:move("[ds-1] m/one.bin", "[ds-1] m/two.bin"))
    assert.is_false(ds:stat "[ds-1] m/one.bin")
    gpupt.check(ds:delete "[ds-1] m")
    ok, message, code = ds:delete "[ds-1] m"
    assert.is_nil(ok)
    assert.is_string(message)
    assert.are.equal("FileNotFound", code)
  end)

  it("are listed by the paths that name them, from the root too", function()
    for _, path in ipairs(everything()) do
      assert.is_true(#check(ds:text(path)) > 0)
      assert.is_nil(path:find("] /", 1, true))
    end
  end)

  it("report missing files, bad paths and unknown datastores", function()
    local value, message, code = ds:download("[ds-1] nothing.bin", sim.dir .. "/n")
    assert.is_nil(value)
    assert.matches("the file does not exist", message)
    assert.are.equal("FileNotFound", code)
    value, message, code = ds:list "no brackets"
    assert.is_nil(value)
    assert.matches("%[datastore%] folder/file", message)
    assert.are.equal("EINVAL", code)
    value, message, code = ds:list "[ds-2] x"
    assert.is_nil(value)
    assert.matches("did you mean 'ds%-1'", message)
    assert.are.equal("ENOENT", code)
    value, message, code = ds:upload("/nonexistent/file", "[ds-1] x")
    assert.is_nil(value)
    assert.are.equal("ENOENT", code)
    assert.matches("/nonexistent/file", message)
    value, message, code = ds:upload(here, "[ds-1]")
    assert.is_nil(value)
    assert.matches("does not name a file", message)
    assert.are.equal("EINVAL", code)
    local folder = sim.dir .. "/a-folder"
    vcenter.shell("mkdir -p " .. folder)
    value, message, code = ds:download("[ds-1] logs/vmware.log", folder)
    assert.is_nil(value)
    assert.matches("cannot write " .. folder .. ": Is a directory", message, 1, true)
    assert.are.equal("EIO", code)
    assert.is_nil(vcenter.read(folder .. ".part"))
    local ok, err = pcall(function()
      for _ in ds:read "[ds-1] nothing.bin" do error "never" end
    end)
    assert.is_false(ok)
    assert.are.equal("FileNotFound", err.code)
  end)
end)
