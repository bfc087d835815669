--- Checks an AutoYaST profile (autoinst.xml, SUSE Linux Enterprise) that a user supplies. gpupt writes none: its parts
-- depend on the product, its modules and its registration. A problem is { code=, severity=, line=, message= }.
-- Sources: SUSE, "AutoYaST Guide" (general/mode/confirm, software, users); linuxrc, linuxrc_and_autoyast.md, and
-- SUSE/doc-sle#1410: /autoinst.xml is searched for and loaded from a volume with the label OEMDRV.
local crypt = require "gpupt.guest.crypt"
local xml = require "gpupt.guest.xml"

local NAMESPACE = "http://www.suse.com/1.0/yast2ns"

local function mentions(element, text)
  if element.text:find(text, 1, true) then return true end
  for _, child in ipairs(element) do
    if mentions(child, text) then return true end
  end
end

local function check_accounts(root, add)
  local users = xml.all(root, "users", "user")
  local able
  for _, user in ipairs(users) do
    local name, password = xml.value(user, "username"), xml.value(user, "user_password")
    if name == "" then add("bad-name", "error", user.line, "a user has no username") end
    if password ~= "" and password ~= "!" and password ~= "*" then
      able = true
      if xml.value(user, "encrypted") == "true" and not crypt.is_hash(password) then
        add("plain-password", "error", user.line, ("the password of '%s' is not a hash, and encrypted is true: it "
          .. "never matches"):format(name))
      end
    end
  end
  if not able then
    add("no-account", "error", (users[1] or root).line, "no user has a user_password: guest operations cannot log in")
  end
end

--- The problems of the text, in the order of its lines. nil, message, "ENOLIBRARY" where gpupt was built without the
-- library that reads XML.
return function(text, file)
  local problems = {}
  local function add(code, severity, line, message)
    problems[#problems + 1] = { code = code, severity = severity, line = line, message = message }
  end
  -- every profile of YaST begins with it, and it declares nothing
  local plain = text:gsub("<!DOCTYPE%s+profile%s*>", "", 1)
  local root, message, code, detail = xml.parse(plain, file or "autoinst.xml")
  if not root then
    if code == "ENOLIBRARY" then return nil, message, code end
    add("not-xml", "error", detail and detail.line, message)
    return problems
  end
  if root.name ~= "profile" or root.ns ~= NAMESPACE then
    add("not-profile", "error", root.line, ('the root is not <profile xmlns="%s">: AutoYaST refuses the file')
      :format(NAMESPACE))
    return problems
  end
  local confirm = xml.first(root, "general", "mode", "confirm")
  if xml.value(root, "general", "mode", "confirm") ~= "false" then
    add("asks", "error", (confirm or root).line, "general/mode/confirm is not false: AutoYaST asks before it installs")
  end
  for _, name in ipairs { "halt", "final_halt" } do
    local halt = xml.first(root, "general", "mode", name)
    if halt and xml.value(halt) == "true" then
      add("powers-off", "error", halt.line, ("general/mode/%s: the VM is powered off, and its Tools never run")
        :format(name))
    end
  end
  check_accounts(root, add)
  if not mentions(root, "open-vm-tools") then
    add("no-tools", "error", (xml.first(root, "software") or root).line, "open-vm-tools is neither in "
      .. "software/packages nor in a script: without VMware Tools, guest operations are not available")
  end
  table.sort(problems, function(a, b)
    if (a.line or 0) ~= (b.line or 0) then return (a.line or 0) < (b.line or 0) end
    return a.code < b.code
  end)
  return problems
end
