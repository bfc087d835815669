--- p.answer: answer media that a run makes, uploads beside the VM, and deletes when the system is installed.
-- What is written is checked when the playbook is loaded, by making the text without its secrets; the secrets are asked
-- at the upload, and the ISO lies on the datastore only while the installation runs.
local answer = require "gpupt.guest.answer"
local place = require "gpupt.source"
local reveal = require "gpupt.guest.reveal"
local secret = require "gpupt.secret"

local answers = {}

local Answer = {}
Answer.__index = Answer
Answer.__name = "gpupt.playbook.answer"

--- Keeps whoever prints or journals it from the secrets.
function Answer:__tostring() return ("(answer medium for %s, %s)"):format(self.family, self.place) end

function answers.is(value) return getmetatable(value) == Answer end

local function make(family, given)
  local where = place.of(2)
  local name = "p.answer." .. (family == "windows" and "windows" or "cloud_init")
  if type(given) ~= "table" then error(("%s: options must be a table, not a %s"):format(name, type(given)), 3) end
  for _, field in ipairs { "password", "product_key" } do
    if type(given[field]) == "string" then
      error(("%s: %s: a secret does not stand in a playbook: use p.secret.file, .env, .command or .callback")
        :format(name, field), 3)
    end
    if given[field] ~= nil and type(given[field]) ~= "function" and not secret.is(given[field]) then
      error(("%s: %s must be a secret"):format(name, field), 3)
    end
  end
  local self = setmetatable({ family = family, options = given, place = where }, Answer)
  local ok, text, message = pcall(Answer.text, self, true)
  if not ok then
    error(name .. ": " .. tostring(text):gsub("^[^:]*:%d+: ", ""):gsub("^guest%.answer[%w_.]*: ", ""), 3)
  end
  if not text then error(name .. ": " .. message, 3) end
  return self
end

--- Whether its secrets can be had: true, or nil, message, "ESECRET".
function answers.check_secrets(self)
  for _, field in ipairs { "password", "product_key" } do
    if self.options[field] ~= nil then
      local text, message, code = reveal(field, self.options[field])
      if not text then return nil, ("%s: %s"):format(self.place, message), code end
    end
  end
  return true
end

--- The files of the medium and its label; nil, message, code.
function Answer:text(redacted)
  local o = { redacted = redacted or false }
  for key, value in pairs(self.options) do o[key] = value end
  if self.family == "windows" then
    local text, message, code = answer.windows(o)
    if not text then return nil, message, code end
    return { ["autounattend.xml"] = text }, "OEMDRV"
  end
  local files, message, code = answer.cloud_init(o)
  if not files then return nil, message, code end
  return files, "CIDATA"
end

--- p.answer.windows { computer_name =, password =, image = ... }; the fields of gpupt.guest.answer.windows.
function answers.windows(given)
  local made = make("windows", given) -- no tail call: the caller's line is looked up
  return made
end

--- p.answer.cloud_init { hostname =, user =, password = ... }; the fields of gpupt.guest.answer.cloud_init.
function answers.cloud_init(given)
  local made = make("linux", given)
  return made
end

function answers.describe(value)
  return answers.is(value) and "an answer medium made for it" or tostring(value)
end

--- Makes the ISO and uploads it.
function answers.upload(ctx, target, self, path)
  local files, label, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.place, label), code end
  local bytes, message
  bytes, message, code = answer.iso(files, label)
  if not bytes then return nil, message, code end
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  local closed <close> = setmetatable({}, { __close = function() os.remove(name) end }) -- luacheck: ignore
  file:write(bytes)
  file:close()
  local number = ctx:row(target, "change", "upload " .. path, { file = path, bytes = #bytes })
  local ok, detail
  ok, message, code, detail = ctx.vc.datastore:upload(name, path)
  ctx:row(target, "result", "upload " .. path, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, message, code, detail end
  return true
end

--- Deletes it again; a file that is gone already is fine.
function answers.remove(ctx, target, path)
  local number = ctx:row(target, "change", "delete " .. path, { file = path })
  local ok, message, code, detail = ctx.vc.datastore:delete(path)
  if not ok and code == "FileNotFound" then ok = true end
  ctx:row(target, "result", "delete " .. path, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, ("%s: the answer medium stays behind: %s"):format(target.name, message), code, detail end
  return true
end

return answers
