--- Before a login any server at the address may answer, and 155 kB of gzip became 1.26 GB of memory. Before the login
-- an answer has at most 4 MiB after gunzip; later one beyond 1 MiB unpacks to at most 200 times its size on the wire,
-- and a page of an error is closed after its beginning, whatever its headers say.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"
local loop = require "gpupt.loop"

describe("a server that sends little and means much", function()
  local server
  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:calm() end)

  local sanitized = os.getenv "GPUPT_SANITIZED" and 10 or 1

  -- Runs fn; its results, and by how many kB this process has grown at most.
  local function measured(most, fn)
    collectgarbage()
    collectgarbage()
    os.execute "echo 5 >/proc/$PPID/clear_refs 2>/dev/null" -- the peak counts from here
    local before, from = liar.resident(), loop.now()
    local results = table.pack(fn())
    local peak = before
    for line in io.lines "/proc/self/status" do peak = tonumber(line:match "^VmHWM:%s*(%d+)" or peak) end
    assert.is_true(peak - before < most * sanitized, ("grown by %d kB"):format(peak - before))
    assert.is_true(loop.now() - from < 10 * sanitized)
    return table.unpack(results, 1, results.n)
  end

  local function refused_connect(code, pattern)
    local vc, message, got = measured(32000, function() return server:connect() end)
    assert.is_nil(vc and tostring(vc))
    assert.are.equal(code, got, message)
    if pattern then assert.matches(pattern, message) end
  end

  local bombs = {
    ["one text"] = 'b"<x>" + b"A" * (1 << 20) * 64 + b"</x>"',
    ["many elements"] = 'b"<x><y/></x>" * 6000000',
    ["many texts"] = 'b"<x>a</x>" * 8000000',
  }
  for name, bytes in pairs(bombs) do
    it("is refused before the login: " .. name, function()
      server:answer("RetrieveServiceContent", ([[
inside = b"<RetrieveServiceContentResponse xmlns='urn:vim25'><returnval>" + %s + b"</returnval></RetrieveServiceContentResponse>"
body = b"".join(gzip([HEAD, inside, TAIL]))
note("packed %%d" %% len(body))
a.reply(body, extra="Content-Encoding: gzip\r\n")]]):format(bytes))
      refused_connect("ELIMIT")
      local packed = tonumber(server:log():match "packed (%d+)")
      assert.is_true(packed < 200000)
    end)
    it("is refused in chunks, too: " .. name, function()
      server:answer("RetrieveServiceContent", ([[
inside = b"<RetrieveServiceContentResponse xmlns='urn:vim25'><returnval>" + %s + b"</returnval></RetrieveServiceContentResponse>"
body = b"".join(gzip([HEAD, inside, TAIL]))
a.stream([body[i:i + 8192] for i in range(0, len(body), 8192)], extra="Content-Encoding: gzip\r\n")]]):format(bytes))
      refused_connect("ELIMIT")
    end)
  end

  it("is refused without gzip beyond 4 MiB before the login", function()
    server:answer("RetrieveServiceContent", [[
a.reply(HEAD + b"<RetrieveServiceContentResponse xmlns='urn:vim25'><returnval><x>" + b"A" * (5 << 20) + b"</x></returnval>"
  b"</RetrieveServiceContentResponse>" + TAIL)]])
    refused_connect("ELIMIT", "4194304 bytes")
  end)

  it("is refused in the answer to the login itself", function()
    server:answer("Login", [[
a.reply(HEAD + b"<LoginResponse xmlns='urn:vim25'><returnval><x>" + b"A" * (5 << 20) + b"</x></returnval></LoginResponse>" + TAIL)]])
    refused_connect("ELIMIT", "4194304 bytes")
  end)

  it("is refused when it lists its versions", function()
    for _, body in ipairs { 'b"<namespace>" * 6000000', 'b"A" * (256 << 20)' } do
      server:answer("versions", ([[a.reply(b"".join(gzip([%s])), extra="Content-Encoding: gzip\r\n")]]):format(body))
      refused_connect("ELIMIT")
    end
  end)

  it("is left after the beginning of an error, packed or not", function()
    for _, name in ipairs { "versions", "RetrieveServiceContent", "Login" } do
      for _, status in ipairs { "404 Not Found", "503 Service Unavailable", "500 Internal Server Error" } do
        server:answer(name, ([[a.stream(gzip([b"<html>no</html>"] + [b"B" * (1 << 20)] * 256), status="%s", kind="text/html",
          extra="Content-Encoding: gzip\r\n")]]):format(status))
        local vc, message = measured(32000, function() return server:connect() end)
        assert.is_nil(vc and tostring(vc))
        assert.matches(status:sub(1, 3), message)
      end
      server:answer(name)
    end
  end)

  describe("when the client is logged in,", function()
    local vc
    before_each(function() vc = gpupt.check(server:connect()) end)
    after_each(function() vc:close() end)

    local function page(objects, more)
      server:answer("RetrievePropertiesEx", ([[
inside = b"<RetrievePropertiesExResponse xmlns='urn:vim25'><returnval>" + %s + b"</returnval></RetrievePropertiesExResponse>"
body = b"".join(gzip([HEAD, inside, TAIL]))
note("packed %%d of %%d" %% (len(body), len(inside)))
%s]]):format(objects, more or [[a.reply(body, extra="Content-Encoding: gzip\r\n")]]))
    end

    it("unpacks to at most 200 times its size beyond 1 MiB", function()
      for _, more in ipairs { [[a.reply(body, extra="Content-Encoding: gzip\r\n")]],
        [[a.stream([body[i:i + 8192] for i in range(0, len(body), 8192)], extra="Content-Encoding: gzip\r\n")]] } do
        page('b"<x><y/></x>" * 6000000', more)
        local values, message, code = measured(64000, function() return vc.content.rootFolder:get { "name" } end)
        assert.is_nil(values)
        assert.are.equal("ELIMIT", code)
        assert.matches("200", message)
      end
    end)

    it("may unpack to anything up to 1 MiB, and to much when much comes", function()
      local object = [[b'<objects><obj type="Folder">f</obj><propSet><name>name</name><val xsi:type="xsd:string">%s</val></propSet></objects>']]
      page(object:format "n" .. ' + b"<x/>" * 200000')
      assert.are.same({ name = "n" }, (gpupt.check(vc.content.rootFolder:get { "name" })))
      -- texts that hardly compress: 12 MB
      local many = object:format("%s"):gsub(">f<", ">f%%d<")
      page([[b"".join((]] .. many .. [[ % (i, __import__("hashlib").sha512(b"%d" % i).hexdigest().encode())) for i in range(50000)) ]])
      assert.are.equal(50000, #gpupt.check(vc:collect_all { type = "Folder", paths = { "name" } }))
    end)

    it("is closed after the beginning of an error page instead of a file", function()
      server:answer("RetrievePropertiesEx", [[
if b"DatacenterXX" not in a.body:
    a.soap(b'<returnval><objects><obj type="Datacenter">dc</obj><propSet><name>name</name><val xsi:type="xsd:string">dc</val>'
      b'</propSet></objects></returnval>')]])
      local http = vc.http
      server:answer("GET", [[a.stream((b"C" * (1 << 20) for _ in range(1 << 10)), status="503 Service Unavailable", kind="text/plain")]])
      local text, message, code = measured(32000, function()
        return require("gpupt.vim.files").transfer(vc, { url = vc.base .. "/folder/x", answer = "bytes", timeout = 10 },
          { name = "x" }, 0)
      end)
      assert.is_nil(text)
      assert.are.equal("EHTTP", code)
      assert.matches("503", message)
      assert.are.equal(http, vc.http)
    end)
  end)
end)
