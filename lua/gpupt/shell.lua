--- Words of a POSIX shell: for commands that are run in guests and commands that are printed to be pasted.
local shell = {}

--- A text in single quotes.
function shell.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- A text as one word, quoted only if it has to be.
function shell.word(text)
  return text:find "^[%w_./:@%%+=,-]+$" and text or shell.quote(text)
end

return shell
