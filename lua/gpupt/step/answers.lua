--- p.answer: answer media that a run makes and uploads beside the VM; gpupt.step.install_medium deletes them.
-- What is written is checked when the playbook is loaded, by making the text without its secrets, and once more with
-- them before the run changes anything. The secrets are asked again for the upload, and the ISO lies on the datastore
-- only while the installation runs.
local answer = require "gpupt.guest.answer"
local source = require "gpupt.source"
local secret = require "gpupt.secret"

local answers = {}

local Answer = {}
Answer.__index = Answer
Answer.__name = "gpupt.playbook.answer"

--- Keeps whoever prints or journals it from the secrets.
function Answer:__tostring() return ("(answer medium for %s, %s)"):format(self.family, self.source) end

function answers.is(value) return getmetatable(value) == Answer end

local function make(family, given)
  local where = source.of(2)
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

--- Makes the text with its secrets and forgets it: what cannot stand in an answer file is told before a VM is made.
function answers.rehearse(self)
  local files, message, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.source, message), code end
  return true
end

--- The bytes of the ISO, the secrets in it; nil, message, code.
function answers.image(self)
  local files, label, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.source, label), code end
  return answer.iso(files, label)
end

--- A local file without a name that holds the bytes (mode 0600, unlinked while it is opened); nil, message, code when
-- not all of them could be written.
local function spool(bytes)
  local file, message = io.tmpfile()
  if not file then return nil, "the answer medium cannot be kept for its upload: " .. message, "EIO" end
  local ok, problem = file:write(bytes)
  if ok then ok, problem = file:flush() end
  if ok and file:seek "end" ~= #bytes then ok, problem = nil, "not all of it could be written" end
  if ok then return file end
  file:close()
  return nil, ("the answer medium cannot be kept for its upload: %s (is the disk of /tmp full?)"):format(problem), "EIO"
end

--- Uploads the image; the datastore must hold all of it before it gets its name.
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
