--- Whether a file descriptor is a terminal, without a C library.
local terminal = {}

function terminal.is(descriptor)
  if os.getenv "TERM" == "dumb" then return false end
  local pipe = io.popen(("test -t 0 <&%d && echo yes"):format(descriptor))
  if not pipe then return false end
  local said = pipe:read "l"
  pipe:close()
  return said == "yes"
end

--- Whether standard output is a terminal, whatever TERM is. A shell of popen would see its pipe instead.
function terminal.stdout() return os.execute "test -t 1" == true end

local function columns_of(text)
  local columns = math.tointeger(tonumber(text))
  return columns and columns >= 40 and columns <= 10000 and columns or nil
end

--- The width at which text for a stream ("stdout", "stderr") is folded: that of the terminal, if it is one; else nil.
-- COLUMNS sets it, whatever the stream is.
function terminal.columns(stream)
  local given = columns_of(os.getenv "COLUMNS")
  if given then return given end
  if os.execute("test -t " .. (stream == "stderr" and 2 or 1)) ~= true then return nil end
  local pipe = io.popen "stty size </dev/tty 2>/dev/null"
  if not pipe then return nil end
  local said = pipe:read "l"
  pipe:close()
  return columns_of(said and said:match "(%d+)%s*$")
end

return terminal
