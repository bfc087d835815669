--- Text in lines of at most 80 columns, for `gpupt status`: folding(lead, text, indent) -> lines. Further lines begin
-- with `indent` blanks. A command that the text names is copied by its reader: it stays in one line.
local visible = require "gpupt.visible"

local WIDTH = 80

-- "gpupt apply --resume X" up to ";", ")" or the end of the sentence, with its blanks as \1.
local function keep_commands(text)
  return (text:gsub("gpupt %l[^;()]*", function(command)
    local sentence = command:find "%. " or #command + 1
    return command:sub(1, sentence - 1):gsub(" ", "\1") .. command:sub(sentence)
  end))
end

return function(lead, text, indent)
  local lines, line, rest, first = {}, lead, (" "):rep(indent), true
  for word in keep_commands(visible(text)):gmatch "[^ ]+" do
    word = word:gsub("\1", " ")
    -- a word that is too long for any line stays where it is, a command begins a line of its own
    if not first and visible.width(line .. word) > WIDTH
      and (word:find(" ", 1, true) or visible.width(rest .. word) <= WIDTH) then
      lines[#lines + 1] = (line:gsub(" +$", ""))
      line = rest
    end
    line, first = line .. word .. " ", false
  end
  lines[#lines + 1] = (line:gsub(" +$", ""))
  return lines
end
