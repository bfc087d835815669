--- With the option limits.depth raised, an answer of 80,000 elements in each other overran the C stack (on a small stack
-- 3,000 did). The depth now has a ceiling of 256 elements that no limit raises, and these fit on a stack of 128 KiB.
local net = require "gpupt.net"
local vcenter = require "spec.support.vcenter"

-- What a program does with a value: read it, walk it, write it as JSON and as a request, and let it go.
local program = [[
local net, json, wire = require "gpupt.net", require "gpupt.json", require "spec.codec.wire"
local depth, shape = tonumber(arg[1]), arg[2]
local open, close = "<a>", "</a>"
if shape == "lists" then open, close = "<a>1</a><a>", "</a>" end
if shape == "merged" then open, close = "<a>1</a><b/><a>", "</a>" end
if shape == "arrays" then
  open, close = '<anyType xsi:type="ArrayOfAnyType"><anyType xsi:type="xsd:int">1</anyType>', "</anyType>"
end
if shape == "objects" then
  open, close = '<faultCause><fault xsi:type="SystemError"><reason>r</reason>', "</fault></faultCause>"
end
local outer = shape == "arrays" and "ArrayOfAnyType" or shape == "objects" and "SystemError" or "X"
local text = wire.page { { "Folder", "f", { { "p",
  ('<val xsi:type="%s">'):format(outer) .. open:rep(depth) .. close:rep(depth) .. "</val>" } } } }
local limits = { depth = 1000000000 }
local function run()
  local tape, message, code = net.codec.decode("RetrievePropertiesEx", text, limits)
  if not tape then return code, message end
  local value = tape:value()
  local again = net.codec.decode("RetrievePropertiesEx", text, limits)
  local _, _, step = again:page()
  select(2, step())
  local function walk(t) local n = 1 for _, v in pairs(t) do if type(v) == "table" then n = n + walk(v) end end return n end
  assert(walk(value) > 1)
  local ok, why = json.encode(value)
  assert(ok or type(why) == "string")
  ok, why = net.codec.encode("UpdateOptions", "OptionManager", "o",
    { changedValue = { { key = "k", value = value.objects[1].propSet[1].val } } }, { version = "8.0.3.0" })
  assert(ok or type(why) == "string")
  value = nil
  collectgarbage()
  return "fine"
end
print(coroutine.wrap(run)())
]]

describe("an answer that is nested deeply", function()
  local dir
  setup(function()
    dir = vcenter.shell("mktemp -d -t gpupt-depth.XXXXXX"):match "%S+"
    vcenter.write(dir .. "/program.lua", program)
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function run(stack, depth, shape)
    return vcenter.shell(("(ulimit -s %d; lua5.4 %s/program.lua %d %s; echo status $?) 2>&1"):format(stack, dir, depth, shape))
  end

  -- a sanitizer's frames are several times as large
  local small = os.getenv "GPUPT_SANITIZED" and 4096 or 128
  for _, shape in ipairs { "fields", "lists", "merged", "arrays", "objects" } do
    it("is refused beyond the ceiling, whatever the limits say: " .. shape, function()
      for _, stack in ipairs { 8192, small } do
        local out = run(stack, 100000, shape)
        assert.matches("^ELIMIT\tthe response is nested deeper than 256 elements\nstatus 0", out)
      end
    end)
    it("is read, walked, written and freed on a small stack just below it: " .. shape, function()
      assert.are.equal("fine\nstatus 0\n", run(small, shape == "objects" and 120 or 240, shape))
    end)
  end

  it("is refused as JSON, too, on a small stack", function()
    vcenter.write(dir .. "/json.lua", [[
local json = require "gpupt.json"
for _, pair in ipairs { { "[", "]" }, { '{"a":', "}" }, { '["]",{"\\"":[', "]}]" } } do
  for _, depth in ipairs { 60, 2000, 100000 } do
    local value, message, code = json.decode(pair[1]:rep(depth) .. "1" .. pair[2]:rep(depth))
    io.write(type(value), " ", tostring(code), ";")
  end
end]])
    local out = vcenter.shell(("(ulimit -s %d; lua5.4 %s/json.lua; echo status $?) 2>&1"):format(small, dir))
    assert.are.equal(("table nil;nil EPARSE;nil EPARSE;"):rep(3) .. "status 0\n", out)
  end)

  it("is refused at the limit that is set, when that is lower", function()
    local wire = require "spec.codec.wire"
    local text = wire.page { { "Folder", "f", { { "p", '<val xsi:type="X">' .. ("<a>"):rep(60) .. ("</a>"):rep(60) .. "</val>" } } } }
    assert.are.equal("ELIMIT", select(3, net.codec.decode("RetrievePropertiesEx", text, { depth = 50 })))
    assert.is_truthy(net.codec.decode("RetrievePropertiesEx", text, { depth = 100 }))
  end)
end)
