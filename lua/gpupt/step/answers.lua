--- p.answer: answer media that a run creates and uploads to the VM's folder; gpupt.step.install_medium deletes them.
-- The answers are made from options (windows, cloud_init, kickstart), or they are a file of the user's own (also
-- autoyast). They are checked when the playbook is loaded, by creating the text without its secrets, and again with
-- them before the run changes anything. The secrets are read again for the upload, and the ISO is on the datastore only
-- during the installation. A host name that is not given is the VM's name.
local later = require "gpupt.later"
local options = require "gpupt.options"
local secret = require "gpupt.secret"

local answer = later "gpupt.guest.answer"

local answers = {}

local Answer = {}
Answer.__index = Answer
Answer.__name = "gpupt.playbook.answer"

-- The field with the name of the guest, and what Setup calls the kind. autoyast is always a file.
local kinds = {
  windows = { family = "windows", name = "computer_name", make = "windows" },
  cloud_init = { family = "linux", name = "hostname", make = "cloud_init" },
  kickstart = { family = "linux", name = "hostname", make = "kickstart" },
  autoyast = { family = "linux" },
}

--- The kinds, in order.
answers.kinds = { "windows", "cloud_init", "kickstart", "autoyast" }

--- Printed and journalled without the secrets.
function Answer:__tostring() return ("(answer medium for %s, %s)"):format(self.family, self.source) end

function answers.is(value) return getmetatable(value) == Answer end

local function check_secrets(given)
  for _, field in ipairs { "password", "password_hash", "product_key" } do
    if type(given[field]) == "string" then
      return ("%s: a secret must not be written in the playbook. Use p.secret.file, .env, .command or .callback")
        :format(field)
    end
    if given[field] ~= nil and type(given[field]) ~= "function" and not secret.is(given[field]) then
      return field .. " must be a p.secret or a function"
    end
  end
end

local file_options = options.declare("p.answer", {
  { "file", "string", required = true, doc = "a file of your own, next to the playbook" },
})

-- What is wrong with a file of the user's own: the problems that stop the installer. The others are kept for the plan.
local function check_file(self, name, text)
  local medium = answer.media[self.kind]
  self.files = { [medium.file] = text }
  if self.kind == "cloud_init" then self.files["meta-data"] = "" end
  local problems, message = answer.problems(self.files, { label = medium.label })
  if not problems then return message end
  local errors = {}
  self.warnings = {}
  for _, problem in ipairs(problems) do
    local line = ("%s:%s %s"):format(name, problem.line or 1, problem.message)
    table.insert(problem.severity == "error" and errors or self.warnings, line)
  end
  if #errors > 0 then return table.concat(errors, "\n  ") end
end

--- An answer of a kind; raises for what cannot be. `read(name)` gives the bytes of a file next to the playbook.
function answers.make(kind, given, where, read)
  local name = "p.answer." .. kind
  local function fail(message) error(("%s: %s"):format(name, message), 4) end -- the line of the playbook
  if type(given) ~= "table" then fail(("options must be a table, not a %s"):format(type(given))) end
  local self = setmetatable({ kind = kind, family = kinds[kind].family, options = given, source = where }, Answer)
  if given.file ~= nil or not kinds[kind].make then
    local problem = file_options:problem(given)
    if problem then fail((problem:gsub("^p%.answer: ", ""))) end
    local text, message = read(given.file)
    if not text then fail(message) end
    message = check_file(self, given.file, text)
    if message then fail(message) end
    return self
  end
  local problem = check_secrets(given)
  if problem then fail(problem) end
  local ok, text, message = pcall(Answer.text, self, true)
  if not ok then fail((tostring(text):gsub("^[^:]*:%d+: ", ""):gsub("^guest%.answer[%w_.]*: ", ""))) end
  if not text then fail(message) end
  return self
end

--- The files of the medium and its label; nil, message, code. `guest` is { name = of the VM, image = its edition },
-- which fill what is not given.
function Answer:text(redacted, guest)
  local label, kind = answer.media[self.kind].label, kinds[self.kind]
  if self.files then return self.files, label end
  local o = { redacted = redacted or false }
  for key, value in pairs(self.options) do o[key] = value end
  if o[kind.name] == nil then o[kind.name] = guest and guest.name or "vm" end
  if answers.needs_image(self) then o.image = guest and guest.image or 1 end
  local made, message, code = answer[kind.make](o)
  if not made then return nil, message, code end
  return type(made) == "table" and made or { [answer.media[self.kind].file] = made }, label
end

--- Whether the answers fit the VM (its name must be one of a guest): true, or nil, message, code.
function answers.fit(self, guest)
  local files, message, code = self:text(true, guest)
  if not files then return nil, ("%s: %s"):format(self.source, message), code end
  return true
end

function answers.describe(value)
  if not answers.is(value) then return tostring(value) end
  return value.files and ("a medium with %s"):format(value.options.file) or "a generated answer medium"
end

--- Whether the edition of Windows has to be read from the medium.
function answers.needs_image(self)
  return self.kind == "windows" and not self.files and self.options.image == nil and self.options.product_key == nil
end

--- The host name that the answers give the guest; nil if it is in a file of the user's own.
function answers.host_name(self, guest)
  if self.files then return nil end
  return self.options[kinds[self.kind].name] or guest.name
end

--- The account that the answers create, or whose password they set; nil if that is in a file of the user's own.
function answers.account(self)
  if self.files then return nil end
  return self.options.user or (self.kind == "windows" and "Administrator" or nil)
end

--- Creates the text with its secrets and discards it: invalid values are reported before a VM is created.
function answers.rehearse(self)
  local files, message, code = self:text(false)
  if not files then return nil, ("%s: %s"):format(self.source, message), code end
  return true
end

--- The bytes of the ISO, including the secrets; nil, message, code.
function answers.image(self, guest)
  local files, label, code = self:text(false, guest)
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
    local shown
    ok, message, code, detail = ctx.vc.datastore:upload(file, path, { size = #image, verify = true, overwrite = false,
      folders = false, -- the VM's own
      progress = function(sent, total)
        local percent = sent * 100 // math.max(1, total)
        if percent == shown then return end
        shown = percent
        ctx.emit { kind = "progress", target = target.name, step = target.instance and target.instance.name,
          text = change.text, percent = percent }
      end })
  end
  ctx:row(target, "result", change, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if not ok then return nil, message, code, detail end
  return true
end

return answers
