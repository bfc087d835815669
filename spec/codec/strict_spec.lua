--- Every method's request, full and bare, sent to the test vCenter: its strict check is built on govmomi's structs and
-- knows nothing of our table. The objects do not exist, so nothing happens there; but no request may be malformed.
local net = require "gpupt.net"
local values = require "spec.codec.values"
local wire = require "spec.codec.wire"
local schema, codec = net.schema, net.codec

local version = "8.0.3.0"

local function json(text, key)
  return (text:match('"' .. key .. '":%s*"([^"]*)"'))
end

local function start(folder)
  -- it ends when its standard input does
  local server = assert(io.popen(("build/vcenter -ready %s/ready -speed 100 -version %s -until-stdin-closes "
    .. ">%s/log 2>&1"):format(folder, version, folder), "w"))
  for _ = 1, 200 do
    local file = io.open(folder .. "/ready")
    if file then
      local text = file:read("a")
      file:close()
      return server, text
    end
    os.execute("sleep 0.05")
  end
  server:close()
  error("the test vCenter did not start: " .. wire.read(folder .. "/log"))
end

local function requests()
  local list = {}
  for _, managed in ipairs(schema.types "managed") do
    for _, name in ipairs(schema.methods(managed)) do
      local method = schema.method(name)
      local session = name:find "^Log" or name == "LoginByToken"
      if method.owner == managed and values.known(version, method.version) and not session then
        for depth = 0, 2 do
          local args = {}
          for _, param in ipairs(method.params) do
            if values.known(version, param.version) and (param.required or depth > 0) then
              args[param.name] = values.slot(param, version, depth)
            end
          end
          local body = assert(codec.encode(name, managed, "obj-1", args, { version = version }))
          list[#list + 1] = { name = name .. " " .. depth, text = body:bytes() }
        end
      end
    end
  end
  return list
end

describe("the strict check of the test vCenter", function()
  it("accepts every method's request", function()
    wire.with_folder(function(folder)
      local server, ready = start(folder)
      local login = codec.encode("Login", "SessionManager", "SessionManager",
        { userName = json(ready, "username"), password = json(ready, "password") }, { version = version })
      local list, commands = requests(), {}
      table.insert(list, 1, { name = "Login", text = login:bytes() })
      for i, request in ipairs(list) do
        wire.write(("%s/q%d"):format(folder, i), request.text)
        commands[i] = ('url="%s"\ncacert="%s"\nsilent\ncookie="%s/jar"\n%sheader="SOAPAction: '
          .. 'urn:vim25/%s"\nheader="Content-Type: text/xml"\nheader="Expect:"\ndata-binary="@%s/q%d"\n'
          .. 'output="%s/a%d"\n'):format(json(ready, "url"), json(ready, "ca_file"), folder,
            i == 1 and ('cookie-jar="%s/jar"\n'):format(folder) or "", version, folder, i, folder, i)
      end
      wire.write(folder .. "/commands", table.concat(commands, "next\n"))
      local ok, text = wire.run("curl -K " .. folder .. "/commands")
      server:close()
      assert.is_true(ok, text)
      local wrong, judged = {}, 0
      for i, request in ipairs(list) do
        local answer = wire.read(("%s/a%d"):format(folder, i))
        assert.is_nil(answer:find("NotAuthenticated", 1, true), request.name)
        if answer:find('xsi:type="InvalidRequest"', 1, true) or answer:find('xsi:type="InvalidType"', 1, true) then
          wrong[#wrong + 1] = request.name .. ": " .. (answer:match("<faultstring>%s*(.-)</faultstring>") or answer)
        end
        judged = judged + 1
      end
      assert.same({}, wrong)
      assert.is_true(judged > 2800, judged)
    end)
  end)
end)
