--- Answer media: what an operating system's installer reads instead of asking questions.
-- Windows gets an autounattend.xml, Ubuntu user-data and meta-data, the RHEL family a ks.cfg; all install VMware Tools,
-- without which there are no guest operations. A SUSE profile (autoinst.xml) is always the user's own. A file that the
-- user supplies is checked before an hour of installation is spent on it.
--
--   local answer = require "gpupt.guest.answer"
--   local text = assert(answer.windows { computer_name = "CAD-01", password = secret, image = 2 })
--   local files = assert(answer.cloud_init { hostname = "train-01", user = "ops", password = secret })
--   local ks = assert(answer.kickstart { hostname = "train-01", user = "ops", password = secret })
--   local image = assert(answer.iso(files, "CIDATA"))              -- bytes of an ISO 9660 image, by gpupt.iso
--   assert(answer.save("answer.iso", image))                       -- readable by you alone
--   local problems = answer.problems(text)                         -- or answer.problems(files, { label = "CIDATA" })
--     --> { { code="no-msr", severity="error", file=, line=12, message="no partition of Type MSR: ..." }, ... }
--   answer.media.kickstart                                         --> { file = "ks.cfg", label = "OEMDRV" }
--
-- Secrets are read when the text is created (a function, a p.secret) and appear in no message; `redacted = true`
-- creates the same text with ******** instead, for logs and comparisons.
local cloud = require "gpupt.guest.cloud"
local kickstart = require "gpupt.guest.kickstart"
local media = require "gpupt.guest.media"
local options = require "gpupt.options"
local windows = require "gpupt.guest.windows"

local answer = {
  windows = windows.answer,
  cloud_init = cloud.answer,
  kickstart = kickstart.answer,
}

--- The name of the file in the root of the medium, and the volume's label. Windows looks on every medium, so that its
-- label is free. (linuxrc and Anaconda both look for the label OEMDRV: see gpupt.guest.kickstart, autoyast_problems.)
answer.media = {
  windows = { file = "autounattend.xml", label = "OEMDRV" },
  cloud_init = { file = "user-data", label = cloud.label },
  kickstart = { file = "ks.cfg", label = kickstart.label },
  autoyast = { file = "autoinst.xml", label = "OEMDRV" },
}

local problem_options = options.declare("guest.answer.problems", {
  { "label", "string", doc = "the volume label of the medium, when it is known" },
})

-- The name may be spelt in capitals for Windows Setup (it looks for Autounattend.xml); Linux distinguishes the case.
local function find(files, name, exact)
  for path, text in pairs(files) do
    if path == name or not exact and path:lower() == name then return text, path end
  end
end

local function with_file(problems, file)
  for _, problem in ipairs(problems) do problem.file = problem.file or file end
  return problems
end

-- The files of a medium with this text alone.
local function files_of(text)
  text = text:gsub("^\u{FEFF}", "")
  if text:find "^%s*<" then
    return { [text:find "<profile[%s>]" and "autoinst.xml" or "autounattend.xml"] = text }
  end
  if not text:find "^#cloud%-config" and ("\n" .. text):find "\n%s*%%packages%f[%s]" then
    return { ["ks.cfg"] = text }
  end
  return { ["user-data"] = text, ["meta-data"] = "" }
end

-- What is wrong with a medium of a kind that is found by its label.
local function labelled(problems, given, label, who)
  if given and given:lower() ~= label:lower() then
    table.insert(problems, 1, { code = "wrong-label", severity = "error", message =
      ("the medium's label is '%s': %s requires %s"):format(given, who, label) })
  end
  return problems
end

--- The problems of an answer medium: of one text (its kind follows from its content) or of a table of files.
-- An empty list when nothing is wrong. Problems with severity "error" stop the installation or leave out Tools.
-- nil, message, "ENOLIBRARY" when gpupt was built without the library that reads them.
function answer.problems(given, opts)
  local o = problem_options:check(opts)
  local files = given
  if type(given) == "string" then
    files = files_of(given)
  elseif type(given) ~= "table" then
    error("guest.answer.problems: expected a string or a table of files, not a " .. type(given), 2)
  end
  local unattend, path = find(files, "autounattend.xml")
  if unattend then
    local problems, message, code = windows.problems(unattend, path)
    if not problems then return nil, message, code end
    return with_file(problems, path)
  end
  if find(files, "user-data") or find(files, "meta-data") then
    local problems, message, code = cloud.problems(files)
    if not problems then return nil, message, code end
    return labelled(problems, o.label, cloud.label, "cloud-init")
  end
  if find(files, "ks.cfg", true) then
    return labelled(with_file(kickstart.problems(files["ks.cfg"]), "ks.cfg"), o.label, kickstart.label, "Anaconda")
  end
  if find(files, "autoinst.xml", true) then
    local problems, message, code = require "gpupt.guest.autoyast_problems"(files["autoinst.xml"])
    if not problems then return nil, message, code end
    return labelled(with_file(problems, "autoinst.xml"), o.label, answer.media.autoyast.label, "the SUSE installer")
  end
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  return { { code = "no-answer", severity = "error", message =
    ("none of autounattend.xml, user-data, ks.cfg and autoinst.xml is in the root of the medium (it contains: %s)")
      :format(#names > 0 and table.concat(names, ", ") or "nothing") } }
end

--- The bytes of an ISO 9660 image (Joliet, Rock Ridge) with the files { path = bytes } and the volume label.
-- nil, message, code: "ENOLIBRARY" when gpupt was built without the media library.
function answer.iso(files, label)
  local library, message, code = media.library("answer media cannot be written")
  if not library then
    return nil, message .. ", or write the ISO with another program: xorriso -as mkisofs -J -r -V LABEL", code
  end
  return library.write(files, label)
end

--- Writes a medium to a local file that only its owner may read, whatever the umask and the file's previous mode; a
-- symbolic link is not followed. true, or nil, message, code.
function answer.save(path, bytes)
  if type(path) ~= "string" or type(bytes) ~= "string" then
    error("guest.answer.save: expected a path and the bytes of the medium", 2)
  end
  return require("gpupt.core").system.write(path, bytes)
end

return answer
