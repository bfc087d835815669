--- The keys of a US keyboard, as USB HID Usage Tables 1.5, page 7 (Keyboard/Keypad), number them. Firmware, boot
-- loaders and installers read such a keyboard by default.
local keyboard = { page = 7, named = {}, plain = {}, shifted = {} }

for i, name in ipairs { "enter", "esc", "backspace", "tab", "space" } do keyboard.named[name] = 0x27 + i end
for i = 1, 12 do keyboard.named["f" .. i] = 0x39 + i end
for i, name in ipairs { "insert", "home", "pageup", "delete", "end", "pagedown", "right", "left", "down", "up" } do
  keyboard.named[name] = 0x48 + i
end

-- The characters from a given usage on, without and with Shift.
local function row(first, plain, shifted)
  for i = 1, #plain do
    keyboard.plain[plain:sub(i, i)] = first + i - 1
    keyboard.shifted[shifted:sub(i, i)] = first + i - 1
  end
end

row(0x04, "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
row(0x1e, "1234567890", "!@#$%^&*()")
row(0x2c, " -=[]\\", " _+{}|")
row(0x33, ";'`,./", ":\"~<>?")
keyboard.shifted[" "] = nil

return keyboard
