--- Every type and every method, at three versions (at all of them in `make soak`): what we write validates against an XML Schema of that version
-- (xmllint), and it decodes back to the same value.
local net = require "gpupt.net"
local values = require "spec.codec.values"
local wire = require "spec.codec.wire"

local schema, codec = net.schema, net.codec

--- The one method with an anyType parameter carries values of any type. It also needs the others.
local carrier
for _, managed in ipairs(schema.types "managed") do
  for _, name in ipairs(schema.methods(managed)) do
    local method = schema.method(name)
    for _, param in ipairs(method.params) do
      if param.type == "anyType" and not param.array then carrier = carrier or { method = method, param = param.name } end
    end
  end
end

--- The value as the carrier's request, and as XML of the element `as`.
local function carried(value, version, as)
  local args = {}
  for _, param in ipairs(carrier.method.params) do
    if param.name == carrier.param then
      args[param.name] = value
    elseif param.required then
      args[param.name] = values.slot(param, version, 0)
    end
  end
  local body, message = codec.encode(carrier.method.name, carrier.method.owner, "x", args, { version = version })
  if not body then return nil, message end
  local text = wire.body(body:bytes())
  local first, last = text:find("<" .. carrier.param .. " xsi:type=.*</" .. carrier.param .. ">")
  local element = text:sub(first, last):gsub("^<" .. carrier.param, "<" .. as)
  element = element:gsub("</" .. carrier.param .. ">$", "</" .. as .. ">")
  return element, text
end

local function validate(version, requests)
  wire.with_folder(function(folder)
    local ok, text = wire.run(("%s csrc/gen/generate.py --xsd %s %s/vim.xsd"):format(wire.python, version, folder))
    assert.is_true(ok, text)
    -- one run of xmllint per 4,000 requests, so that its tree stays small
    for first = 1, #requests, 4000 do
      wire.write(folder .. "/batch.xml", '<batch xmlns="urn:vim25" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        .. 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        .. table.concat(requests, "\n", first, math.min(first + 3999, #requests)) .. "</batch>")
      ok, text = wire.run(("xmllint --huge --noout --schema %s/vim.xsd %s/batch.xml"):format(folder, folder))
      assert.is_true(ok, text:sub(1, 2000))
    end
  end)
end

local versions = { "7.0.3.0", "8.0.3.0", "9.1.0.0" }
if package.loaded["spec.codec.soak"] then versions = { table.unpack(schema.versions(), 6) } end -- all since 5.0

for _, version in ipairs(versions) do
  describe("vim25 " .. version, function()
    it("carries every data type there and back", function()
      local requests, tried = {}, 0
      for _, name in ipairs(schema.types "data") do
        local t = values.type_of(name)
        if values.known(version, t.version) then
          for depth = 0, 2 do
            local value = values.of(name, version, depth)
            local xml, request = carried(value, version, "val")
            assert.is_truthy(xml, name .. ": " .. tostring(request))
            requests[#requests + 1] = request
            local answer = wire.page { { "Folder", "group-1", { { "p", xml } } } }
            local tape, message = codec.decode("RetrievePropertiesEx", answer)
            assert.is_truthy(tape, name .. ": " .. tostring(message))
            local _, _, step = tape:page()
            local _, properties = step()
            local difference = values.difference(value, properties.p)
            assert.is_nil(difference, name)
            tried = tried + 1
          end
        end
      end
      assert.is_true(tried > 5000, "only " .. tried .. " values were tried")
      validate(version, requests)
    end)

    it("writes every method's request and reads its answer", function()
      local requests, tried = {}, 0
      for _, managed in ipairs(schema.types "managed") do
        for _, name in ipairs(schema.methods(managed)) do
          local method = schema.method(name)
          if method.owner == managed and values.known(version, method.version) then
            for depth = 0, 2 do
              local args = {}
              for _, param in ipairs(method.params) do
                if values.known(version, param.version) and (param.required or depth > 0) then
                  args[param.name] = values.slot(param, version, depth)
                end
              end
              local body, message = codec.encode(name, managed, "obj-1", args, { version = version })
              assert.is_truthy(body, name .. ": " .. tostring(message))
              requests[#requests + 1] = wire.body(body:bytes())
            end
            local result, expected, xml = method.result, true, ""
            if result.type ~= "void" then
              expected = values.slot(result, version, 1)
              local slots = result.array and expected or { expected }
              local single = { type = result.type }
              for i, value in ipairs(slots) do
                local element, problem = carried(values.for_any(value, single), version, "returnval")
                assert.is_truthy(element, name .. ": " .. tostring(problem))
                slots[i] = value
                xml = xml .. element
              end
            end
            local tape = assert(codec.decode(name, wire.answer(name, xml)))
            assert.equal("result", tape:kind())
            local decoded = tape:value()
            assert.is_nil(values.difference(expected, decoded), name)
            tried = tried + 1
          end
        end
      end
      assert.is_true(tried > 500, "only " .. tried .. " methods were tried")
      validate(version, requests)
    end)
  end)
end

describe("the XML Schema that judges", function()
  it("rejects a request with an element out of order, and one with a field that came later", function()
    wire.with_folder(function(folder)
      assert(wire.run(("%s csrc/gen/generate.py --xsd 7.0.3.0 %s/vim.xsd"):format(wire.python, folder)))
      local function verdict(xml)
        wire.write(folder .. "/one.xml", xml)
        return (wire.run(("xmllint --noout --schema %s/vim.xsd %s/one.xml"):format(folder, folder)))
      end
      local function login(inside)
        return '<Login xmlns="urn:vim25"><_this type="SessionManager">S</_this>' .. inside .. "</Login>"
      end
      assert.is_true(verdict(login "<userName>a</userName><password>b</password>"))
      assert.is_falsy(verdict(login "<password>b</password><userName>a</userName>"))
      local function lock(inside)
        return '<ReconfigVM_Task xmlns="urn:vim25"><_this type="VirtualMachine">v</_this><spec>' .. inside
          .. "</spec></ReconfigVM_Task>"
      end
      assert.is_true(verdict(lock "<firmware>efi</firmware>"))
      assert.is_falsy(verdict(lock "<firmware>efi</firmware><vmOpNotificationToAppEnabled>true"
        .. "</vmOpNotificationToAppEnabled><numaInfo></numaInfo>"))
    end)
  end)
end)
