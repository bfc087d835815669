--- p.answer: answer media that a run creates and uploads to the VM's folder; gpupt.step.install_medium deletes them.
-- The answers are checked when the playbook is loaded, by creating the text without its secrets, and again with them
-- before the run changes anything. The secrets are read again for the upload, and the ISO is on the datastore only
-- during the installation.
local answer = require "gpupt.guest.answer"
local source = require "gpupt.source"
local secret = require "gpupt.secret"

local answers = {}

local Answer = {}
Answer.__index = Answer
Answer.__name = "gpupt.playbook.answer"

--- Printed and journalled without the secrets.
function Answer:__tostring() return ("(answer medium for %s, %s)"):format(self.family, self.source) end

function answers.is(value) return getmetatable(value) == Answer end

local function make(family, given)
  local where = source.of(2)
  local name = "p.answer." .. (family == "windows" and "windows" or "cloud_init")
  if type(given) ~= "table" then error(("%s: options must be a table, not a %s"):format(name, type(given)), 3) end
  for _, field in ipairs { "password", "product_key" } do
    if type(given[field]) == "string" then
      error(("%s: %s: a secret must not be written in the playbook. Use p.secret.file, .env, .command or .callback")
        :format(name, field), 3)
    end
    if given[field] ~= nil and type(given[field]) ~= "function" and not secret.is(given[field]) then
      error(("%s: %s must be a p.secret or a function"):format(name, field), 3)
    end
  end
  local self = setmetatable({ family = family, options = given, source = where }, Answer)
  local ok, text, message = pcall(Answer.text, self, true)
  if not ok then
    error(name .. ": " .. tostring(text):gsub("^[^:]*:%d+: ", ""):gsub("^guest%.answer[%w_.]*: ", ""), 3)
  end
  if not text then error(name .. ": " .. message, 3) end
  return self
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
  local made = make("windows", given) -- not a tail call: the caller's line is needed
  return made
end

--- p.answer.cloud_init { hostname =, user =, password = ... }; the fields of gpupt.guest.answer.cloud_init.
function answers.cloud_init(given)
  local made = make("linux", given)
  return made
end

function answers.describe(value)
  return answers.is(value) and "a generated answer medium" or tostring(value)
end

--- Creates the text with its secrets and discards it: invalid values are reported before a VM is created.
function answers.rehearse(self)
  local files, message, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.source, message), code end
  return true
end

--- The bytes of the ISO, including the secrets; nil, message, code.
function answers.image(self)
  local files, label, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.source, label), code end
  return answer.iso(files, label)
end

--- An unnamed local file with the bytes (mode 0600, unlinked when it is opened); nil, message, code if they could not
-- all be written.
local function spool(bytes)
  local file, message = io.tmpfile()
  if not file then return nil, "the answer medium cannot be stored for the upload: " .. message, "EIO" end
  local ok, problem = file:write(bytes)
  if ok then ok, problem = file:flush() end
  if ok and file:seek "end" ~= #bytes then ok, problem = nil, "it could be written only in part" end
  if ok then return file end
  file:close()
  return nil, ("the answer medium cannot be stored for the upload: %s. Check the free space in /tmp")
    :format(problem), "EIO"
end

--- Uploads the image; it gets its name only after the upload is complete.
function answers.upload(ctx, target, image, path)
  local change = { action = "upload-medium", object = path, text = "upload " .. path }
  local number = ctx:row(target, "change", change, { file = path, bytes = #image })
  local file, message, code = spool(image)
  local ok, detail
  if file then
    local closed <close> = file -- luacheck: ignore
    ok, message, code, detail = ctx.vc.datastore:upload(file, path, { size = #image, verify = true, overwrite = false })
  end
  ctx:row(target, "result", change, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, message, code, detail end
  return true
end

return answers
