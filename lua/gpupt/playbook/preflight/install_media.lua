--- The media of installations: a wrong ISO, an edition that it does not have, answers that an installer would refuse.
-- Each file is read once, by ranges (gpupt.step.install_iso). What is wrong with the answer medium of a user is a
-- remark: its scripts may do what is missed. Only a wrong label and a missing answer file are problems: no script
-- helps.
local look = require "gpupt.step.install_iso"

local FATAL = { ["wrong-label"] = true, ["no-answer"] = true }

local function unread(found, one, path, message)
  one.text = ("%s: what is on %s"):format(one.text, path)
  one.why = message:gsub("^%%[[^%%]]*%%][^:]*: ", "")
  found:open(one)
end

local function check_medium(plan, cache, need, install, found)
  local one = { source = need.instance.source, target = need.target.name, code = "EMEDIUM", text = need.instance.name }
  local is, message, code = look.medium(plan.vc, cache, install.iso)
  if not is then
    if code ~= "EPARSE" then return unread(found, one, install.iso, message) end
    one.text = ("%s: %s: %s"):format(one.text, install.iso, message)
    return found:problem(one)
  end
  local misfit = look.misfit(is, install.family, install.answer)
  if misfit then
    one.text = ("%s: %s: %s"):format(one.text, install.iso, misfit)
    found:problem(one)
  elseif is.asks and install.keys == "none" then
    one.text = ("%s: %s asks \"Continue with autoinstall?\", and keys is \"none\". Remove keys, or use a medium whose "
      .. "kernel line has the word autoinstall"):format(one.text, install.iso)
    found:problem(one)
  elseif not is.system then
    one.text = ("%s: %s%s has none of the known installers. Is it the right ISO?"):format(one.text, install.iso,
      is.label and is.label ~= "" and (" (%s)"):format(is.label) or "")
    found:remark(one)
  elseif is.unread and install.answer then
    one.text, one.why = ("%s: the editions on %s"):format(one.text, install.iso), is.unread
    found:open(one)
  end
end

local function check_answers(plan, cache, need, install, found)
  local function finding(text)
    return { source = need.instance.source, target = need.target.name, code = "EMEDIUM", text = text }
  end
  local name = need.instance.name
  local problems, message, code = look.answers(plan.vc, cache, install.answers)
  if not problems then
    if code ~= "EPARSE" then return unread(found, finding(name), install.answers, message) end
    return found:problem(finding(("%s: %s: %s"):format(name, install.answers, message)))
  end
  for _, problem in ipairs(problems) do
    local where = problem.file and (" (%s:%d)"):format(problem.file, problem.line or 1) or ""
    local one = finding(("%s: %s%s: %s"):format(name, install.answers, where, problem.message))
    if FATAL[problem.code] then found:problem(one) else found:remark(one) end
  end
end

-- Files that are not there, and datastores that the account must not browse, are findings of
-- gpupt.playbook.preflight.media.
local MISSING = { FileNotFound = true, ENOENT = true, EAMBIGUOUS = true, NoPermission = true }

return function(plan, needs, found)
  local media, answers = {}, {}
  for _, need in ipairs(needs) do
    local install = need.requires.install
    if install then
      local _, _, code = look.medium(plan.vc, media, install.iso)
      if not MISSING[code] then check_medium(plan, media, need, install, found) end
      if install.answers then
        _, _, code = look.answers(plan.vc, answers, install.answers)
        if not MISSING[code] then check_answers(plan, answers, need, install, found) end
      end
    end
  end
end
