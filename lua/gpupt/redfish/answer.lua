--- What a BMC answers: its JSON, bounded, and its errors as people read them.
-- Errors are those of DSP0266 (Redfish Specification 1.20, "Error responses"): error["@Message.ExtendedInfo"] is a list
-- of { MessageId, Message, Resolution }; some services answer without that, or with HTML.
local json = require "gpupt.json"

local answer = {}

-- Texts of a BMC end up in messages: one line, of bounded length.
local function line(text, most)
  text = text:gsub("%s+", " "):match "^%s*(.-)%s*$"
  return #text > most and text:sub(1, most) .. "..." or text
end

local function texts_of(list)
  local words, ids = {}, {}
  for i = 1, math.min(#list, 4) do
    local one = list[i]
    if type(one) == "table" then
      if type(one.Message) == "string" and one.Message ~= "" then words[#words + 1] = line(one.Message, 300) end
      if type(one.MessageId) == "string" then ids[#ids + 1] = line(one.MessageId, 100) end
    end
  end
  return words, ids
end

--- The messages of an error or of a settings resource's @Redfish.Settings: { texts }, { MessageIds }.
function answer.messages(body)
  if type(body) ~= "table" then return {}, {} end
  local inner = type(body.error) == "table" and body.error or body
  for _, name in ipairs { "@Message.ExtendedInfo", "Messages" } do
    if type(inner[name]) == "table" then
      local words, ids = texts_of(inner[name])
      if #words > 0 or #ids > 0 then return words, ids end
    end
  end
  if type(inner.message) == "string" and inner.message ~= "" then return { line(inner.message, 300) }, {} end
  return {}, {}
end

--- Whether an error has a message of this kind: "SYS011" for "IDRAC.2.8.SYS011".
function answer.has(body, id)
  local _, ids = answer.messages(body)
  for _, one in ipairs(ids) do if one:match "[^.]+$" == id then return true end end
  return false
end

--- A body as a table; nil, message, "EPROTOCOL" if it is no JSON object.
function answer.decode(text)
  local body, message = json.decode(text)
  if body == nil then return nil, "the answer is no JSON: " .. message, "EPROTOCOL" end
  if type(body) ~= "table" then return nil, "the answer is no JSON object", "EPROTOCOL" end
  return body
end

local codes = { [401] = "InvalidLogin", [403] = "NoPermission", [404] = "ENOENT", [405] = "ENOTSUP", [412] = "ESTALE",
  [428] = "ESTALE", [501] = "ENOTSUP", [503] = "EBUSY" }

--- message, code of an HTTP status that reports no success.
function answer.failure(status, body)
  local words = answer.messages(body)
  local text = #words > 0 and ": " .. table.concat(words, " "):gsub("%.$", "") or ""
  return ("HTTP %d%s"):format(status, text), codes[status] or "EREDFISH"
end

return answer
