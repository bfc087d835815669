--- Run by oomhost: whatever fails, the document is as it was or as it should be, and the file on disk is whole.
local vmx = require "gpupt.core".vmx

local TEXT = '#!/usr/bin/vmware\r\n.encoding = "windows-1252"\r\nfirmware = "bios" # c\r\nodd\r\n'
  .. 'a = "caf\233|22"\r\nA = "2"\r\npciPassthru0.id = "x"'

local function wrong(what) error("WRONG: " .. what, 0) end

--- nil, message, "ENOMEM" is what a failed allocation may give.
local function try(value, message, code)
  if value == nil and code ~= "ENOMEM" then wrong(tostring(message)) end
  if value == nil then error(message, 0) end
  return value
end

local function read(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read "a"
  f:close()
  return text
end

local bodies = {}

function bodies.parse_and_read()
  local doc = try(vmx.parse(TEXT))
  if tostring(doc) ~= TEXT then wrong "it does not come out as it went in" end
  if doc:get "firmware" ~= "bios" or doc:get "pciPassthru0.id" ~= "x" then wrong "a value differs" end
  doc:_pairs()
  if #doc:problems() ~= 2 then wrong "not two problems" end
end

function bodies.edit()
  local doc = try(vmx.parse(TEXT))
  local before = tostring(doc)
  local function step(edit, check)
    local value, message, code = edit()
    local after = tostring(doc)
    -- a failed edit may have done one of its lines (a duplicate removed), never garbled one
    if value == nil then
      if code ~= "ENOMEM" then wrong(message) end
      local again = vmx.parse(after)
      if again and tostring(again) ~= after then wrong "a failed edit garbled the document" end
      error(message, 0)
    end
    if not check(after) then wrong("an edit went wrong: " .. after) end
    before = after
  end
  step(function() return doc:set("firmware", "efi") end, function(t) return t == (before:gsub("bios", "efi")) end)
  step(function() return doc:set("a", "\195\169") end,
    function(t) return t:find('A = "\233"', 1, true) and not t:find "caf" end)
  step(function() return doc:set("pciPassthru0.present", true) end, function(t) return t:find '"x"\r\npciPassthru0.present = "TRUE"$' end)
  step(function() return doc:unset "pciPassthru0.present" end, function(t) return t:find '"x"$' end)
  local whole = tostring(doc)
  step(function() return doc:_replace((whole:gsub("efi", "EFI"))) end, function(t) return t == (whole:gsub("efi", "EFI")) end)
  step(function() return doc:_replace(whole) end, function(t) return t == whole end)
  for i = 1, 40 do try(doc:set("a", ("y"):rep(3000) .. i)) end
  if tostring(doc) ~= (before:gsub('A = "\233"', 'A = "' .. ("y"):rep(3000) .. '40"')) then wrong "many edits" end
end

function bodies.save()
  local path = os.getenv "GPUPT_OOM_FOLDER" .. "/oom.vmx"
  local f = assert(io.open(path, "wb"))
  f:write(TEXT)
  f:close()
  local doc = try(vmx.open(path))
  try(doc:set("firmware", "efi"))
  local after = tostring(doc)
  local ok, message, code = doc:_save(nil, false)
  local now = read(path)
  if not ok then
    if code ~= "ENOMEM" then wrong(message) end
    if now and now ~= TEXT then wrong "a failed save touched the file" end
    error(message, 0)
  end
  if now and now ~= after then wrong "the saved file differs" end
  local copy = path .. "2"
  os.remove(copy)
  try(doc:_save(copy, false))
  now = read(copy)
  if now and now ~= after then wrong "the copy differs" end
end

return bodies
