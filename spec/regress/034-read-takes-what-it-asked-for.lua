--- A file read in chunks was loaded whole into memory from a server that ignores ranges, or sends more than was
-- requested. A chunk is never longer than requested, and never contains other bytes.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"

describe("reading a datastore file in chunks", function()
  local server, vc
  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    server:calm()
    server:datastore()
    vc = gpupt.check(server:connect())
  end)
  after_each(function() vc:close() end)

  local function read(options)
    local parts, before = {}, liar.resident()
    local ok, err = pcall(function()
      for bytes in vc.datastore:read("[ds] f/x", options) do parts[#parts + 1] = bytes end
    end)
    assert.is_true(liar.resident() - before < (os.getenv "GPUPT_SANITIZED" and 300000 or 24000))
    return table.concat(parts), parts, not ok and err or nil
  end

  local huge = [[b"0123456789abcdef" * (1 << 16) for _ in range(300)]]

  it("drops what is sent beyond the range, and closes the connection", function()
    server:answer("GET", ([[
a.stream((%s), status="206 Partial Content", extra="Content-Range: bytes 0-9/10\r\n")]]):format(huge))
    local text, _, err = read { length = 10, chunk = 10 }
    assert.is_nil(err)
    assert.are.equal("0123456789", text)
  end)

  it("reads the first bytes from a server that ignores the range", function()
    server:answer("GET", ("a.stream((%s))"):format(huge))
    local text, _, err = read { length = 10 }
    assert.is_nil(err)
    assert.are.equal("0123456789", text)
    assert.are.equal(1, server:requests "GET")
  end)

  it("reads a whole short file from a server that ignores the range", function()
    server:answer("GET", [[a.reply(b"short")]])
    assert.are.equal("short", (read()))
    assert.are.equal("short", (read { length = 100 }))
    assert.are.equal("short", (read { chunk = 5 }))
  end)

  it("is an error when a later range is ignored: these are other bytes", function()
    server:answer("GET", ("a.stream((%s))"):format(huge))
    local text, parts, err = read { chunk = 16 }
    assert.are.equal("0123456789abcdef", text)
    assert.are.equal(1, #parts)
    assert.are.equal("EPROTOCOL", err.code)
    assert.matches("ignores ranges", err.message)
    text, parts, err = read { offset = 4, length = 4 }
    assert.are.same({}, parts)
    assert.are.equal("", text)
    assert.are.equal("EPROTOCOL", err.code)
  end)

  it("is an error when another range is sent than requested", function()
    for _, range in ipairs { "Content-Range: bytes 5-14/100", "Content-Range: nonsense", "X: y" } do
      server:answer("GET", ([[a.reply(b"0123456789", status="206 Partial Content", extra="%s\r\n")]]):format(range))
      local text, _, err = read { offset = 0, length = 10 }
      assert.are.equal("", text)
      assert.are.equal("EPROTOCOL", err.code, range)
    end
  end)

  it("continues over ranges that are respected", function()
    server:answer("GET", [[
import re
first, last = map(int, re.match(r"bytes=(\d+)-(\d+)", a.header("Range")).groups())
data = bytes(range(65, 91))
part = data[first:last + 1]
if part:
    a.reply(part, status="206 Partial Content", extra="Content-Range: bytes %d-%d/26\r\n" % (first, first + len(part) - 1))
else:
    a.reply(b"", status="416 Range Not Satisfiable")]])
    assert.are.equal("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (read { chunk = 10 }))
    assert.are.equal("CDEFG", (read { offset = 2, length = 5, chunk = 2 }))
    assert.are.equal("", (read { offset = 30 }))
  end)

  it("is an error for an endless error page", function()
    server:answer("GET", ([[a.stream((%s), status="500 Internal Server Error", kind="text/plain")]]):format(huge))
    local _, _, err = read()
    assert.are.equal("EHTTP", err.code)
  end)

  it("refuses an empty chunk", function()
    for _, bad in ipairs { { chunk = 0 }, { chunk = -1 }, { offset = -1 }, { length = -1 } } do
      local _, _, err = read(bad)
      assert.are.equal("ERANGE", type(err) == "table" and err.code)
    end
    assert.are.equal("", (read { length = 0 }))
    assert.are.equal(0, server:requests "GET")
  end)

  it("does not end a download with the bytes of another range", function()
    local target = server.dir .. "/down"
    server:answer("GET", [[
if a.header("Range"):
    a.reply(b"WRONG", status="206 Partial Content", extra="Content-Range: bytes 0-4/10\r\n")
else:
    a.reply(b"0123456789")]])
    local file = assert(io.open(target .. ".part", "wb"))
    file:write("01234")
    file:close()
    assert.are.equal(10, gpupt.check(vc.datastore:download("[ds] f/x", target, { resume = true })))
    assert.are.equal("0123456789", require("spec.support.vcenter").read(target))
  end)
end)
