--- Requests and answers as text, for the codec's specs.
local wire = {}

--- A SOAP envelope around `body`, the prefixes as a real server writes them.
function wire.envelope(body)
  return '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/'
    .. 'encoding/" xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    .. 'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    .. "<soapenv:Body>\n" .. body .. "\n</soapenv:Body>\n</soapenv:Envelope>"
end

--- The answer to `method` with this inside.
function wire.answer(method, inside)
  return wire.envelope(('<%sResponse xmlns="urn:vim25">%s</%sResponse>'):format(method, inside or "", method))
end

--- The answer to RetrievePropertiesEx with these objects: { {type, value, {path = xml...}}... }.
function wire.page(objects, token)
  local out = { "<returnval>" }
  if token then out[#out + 1] = "<token>" .. token .. "</token>" end
  for _, object in ipairs(objects) do
    out[#out + 1] = ('<objects><obj type="%s">%s</obj>'):format(object[1], object[2])
    for _, set in ipairs(object[3] or {}) do
      out[#out + 1] = ("<propSet><name>%s</name>%s</propSet>"):format(set[1], set[2])
    end
    out[#out + 1] = (object[4] or "") .. "</objects>"
  end
  out[#out + 1] = "</returnval>"
  return wire.answer("RetrievePropertiesEx", table.concat(out))
end

--- The content of a request's Body.
function wire.body(request)
  return (request:match("<soapenv:Body>(.*)</soapenv:Body>"))
end

--- A fault's answer.
function wire.fault(element, inside, text)
  return wire.envelope(("<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>"
    .. "<detail><%s%s</detail></soapenv:Fault>"):format(text or "", element, inside))
end

--- A temporary folder that is gone after fn.
function wire.with_folder(fn)
  local pipe = assert(io.popen("mktemp -d"))
  local folder = pipe:read("l")
  pipe:close()
  local ok, err = pcall(fn, folder)
  os.execute("rm -rf '" .. folder .. "'")
  if not ok then error(err, 0) end
end

function wire.run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  local ok, _, status = pipe:close()
  return ok, text, status
end

function wire.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

function wire.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

--- A Python that has pyVmomi; `make setup` makes it.
wire.python = "build/venv/bin/python"

return wire
