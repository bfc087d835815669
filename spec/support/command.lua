--- Runs the gpupt command as a user does: status, stdout, stderr.
local command = {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

--- `words` is a shell fragment; `input` goes to standard input.
function command.run(words, input)
  local pipe = assert(io.popen "mktemp -d")
  local folder = pipe:read "l"
  pipe:close()
  local file = assert(io.open(folder .. "/in", "wb"))
  file:write(input or "")
  file:close()
  local _, how, status = os.execute(("bin/gpupt %s <%s/in >%s/out 2>%s/err"):format(words, folder, folder, folder))
  local out, err = read(folder .. "/out"), read(folder .. "/err")
  os.execute("rm -rf " .. folder)
  assert(how == "exit", "gpupt died of a signal")
  return status, out, err
end

return command
