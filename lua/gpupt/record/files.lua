--- The form of a recording's files: lines "name: value", then the request after a line "== request", and the answer
-- after a line "== answer".
local files = {}

local order = { "method", "path", "version", "status", "result", "note" }

function files.text(exchange)
  local out = {}
  for _, name in ipairs(order) do
    if exchange[name] then out[#out + 1] = ("%s: %s"):format(name, exchange[name]) end
  end
  out[#out + 1] = ""
  for _, name in ipairs { "request", "answer" } do
    if exchange[name] then out[#out + 1] = ("== %s\n%s"):format(name, exchange[name]) end
  end
  return table.concat(out, "\n")
end

--- An exchange from a file's text.
function files.read(text)
  local exchange = {}
  local head, rest = text:match "^(.-)\n\n(.*)$"
  for name, value in (head or text):gmatch "(%l+): ([^\n]*)" do exchange[name] = value end
  rest = "\n" .. (rest or "")
  exchange.answer = rest:match "\n== answer\n(.*)$"
  exchange.request = rest:gsub("\n== answer\n.*$", ""):match "\n== request\n(.*)$"
  return exchange
end

return files
