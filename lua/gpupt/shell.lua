--- Words of a POSIX shell, for commands that are run in guests and commands that are printed to be pasted; and command
-- lines of cmd.exe.
local shell = {}

--- A text in single quotes.
function shell.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- A text as one word, quoted only if it has to be.
function shell.word(text)
  return text:find "^[%w_./:@%%+=,-]+$" and text or shell.quote(text)
end

--- The arguments with which cmd.exe, started from a batch file, runs a line as if it was typed. A caret before each
-- special character, quotes too, keeps the batch file from reading any of them: a pipe would be its own. With /s
-- cmd.exe takes the outer quotes away and no others.
function shell.cmd(line) return "/d /s /c ^\"" .. line:gsub('[\"&|<>()^]', "^%0") .. "^\"" end

return shell
