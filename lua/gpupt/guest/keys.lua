--- Keys as a user writes them, as the events of vim25's UsbScanCodeSpec (6.5 and later): usbHidCode is the HID usage in
-- the upper 16 bits and its page, 7, in the lower.
--
--   local groups = assert(keys.parse { "<wait 5s><down><enter>", "yes<enter>" })
--     --> { { wait = 5 }, { keys = 2, { usbHidCode = 0x510007 }, ... }, { keys = 4, ... } }
--
-- A text is typed as on a US keyboard. <enter>, <esc>, <tab>, <space>, <backspace>, <up>, <down>, <left>, <right>,
-- <home>, <end>, <pageup>, <pagedown>, <insert>, <delete> and <f1> to <f12> are keys; <ctrl-x> and <alt-x> hold another
-- key, <lt> is the character <; <wait 5s> waits.
local keyboard = require "gpupt.facts.keyboard"
local nearest = require "gpupt.nearest"
local units = require "gpupt.units"

local keys = {}

-- Events of one call: what a real host takes is not documented, and clients are known to send up to a line at once.
local MOST = 32

local function event(usage, modifiers)
  return { usbHidCode = usage << 16 | keyboard.page, modifiers = modifiers }
end

-- The event of a single character, or nil.
local function character(text)
  if keyboard.plain[text] then return event(keyboard.plain[text]) end
  if keyboard.shifted[text] then return event(keyboard.shifted[text], { leftShift = true }) end
end

local function names()
  local list = { "lt", "wait 5s", "ctrl-x", "alt-x" }
  for name in pairs(keyboard.named) do list[#list + 1] = name end
  return list
end

-- What <word> means: an event, or seconds; nil, message.
local function special(word)
  local span = word:match "^wait%s+(.+)$"
  if span then
    local seconds, message = units.duration(span)
    if not seconds then return nil, ("<%s>: %s"):format(word, message) end
    return seconds
  end
  local held, other = word:match "^(%a+)%-(.+)$"
  local modifier = held == "ctrl" and "leftControl" or held == "alt" and "leftAlt"
  if modifier then
    local usage = keyboard.named[other] or keyboard.plain[other]
    if usage then return event(usage, { [modifier] = true }) end
  end
  if word == "lt" then return character "<" end
  if keyboard.named[word] then return event(keyboard.named[word]) end
  return nil, ("there is no key <%s>%s"):format(word, nearest.hint(word, names()))
end

local function add(groups, one)
  if type(one) == "number" then
    groups[#groups + 1] = { wait = one }
    return
  end
  local last = groups[#groups]
  if not last or last.wait or #last == MOST then
    last = {}
    groups[#groups + 1] = last
  end
  last[#last + 1] = one
end

--- The groups of events that one call sends, and the waits between them; nil, message. `list`: texts.
function keys.parse(list)
  local groups, count = {}, 0
  for i, text in ipairs(list) do
    if type(text) ~= "string" then return nil, ("text %d is a %s, not a string"):format(i, type(text)) end
    local at = 1
    while at <= #text do
      local word, after = text:match("^<([^<>]*)>()", at)
      local one, message
      if word then
        one, message = special(word)
        at = after
      else
        local c = text:sub(at, at)
        if c ~= "<" then one = character(c) end
        message = c == "<" and ("'%s': a key name does not end with >; <lt> is the character <"):format(text)
          or ("'%s' has a character that no key of a US keyboard types"):format(text)
        at = at + 1
      end
      if not one then return nil, message end
      if type(one) ~= "number" then count = count + 1 end
      add(groups, one)
    end
  end
  for i in pairs(list) do
    if math.type(i) ~= "integer" or i < 1 or i > #list then return nil, "a list of texts is needed" end
  end
  groups.keys = count
  return groups
end

return keys
