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

return terminal
