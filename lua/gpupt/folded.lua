--- Folds text at the width of a terminal. A word that is too long for any line keeps its line: it may be a command or a
-- path, which is copied.
--   folded(text, width, indent)   a list of lines; all but the first begin with `indent` blanks. No width: one line
local visible = require "gpupt.visible"

return function(text, width, indent)
  text = visible(text)
  if not width or visible.width(text) <= width then return { text } end
  local lines, blanks = {}, (" "):rep(indent)
  -- the blanks at the beginning and between columns are kept
  local line = text:match "^ *"
  local empty = true
  for gap, word in text:sub(#line + 1):gmatch "( *)(%S+)" do
    if not empty and visible.width(line .. gap .. word) > width and visible.width(blanks .. word) <= width then
      lines[#lines + 1] = line
      line = blanks .. word
    else
      line, empty = line .. gap .. word, false
    end
  end
  lines[#lines + 1] = line
  return lines
end
