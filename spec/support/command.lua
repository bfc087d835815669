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

--- A temporary folder and the command run in it: write(name, text), read(name), gpupt(words, environment) -> status,
-- stdout, stderr (`environment` is a shell fragment such as "NAME=value"); remove() at the end.
function command.folder()
  local pipe = assert(io.popen "mktemp -d")
  local self = { path = pipe:read "l" }
  pipe:close()
  function self.write(name, text)
    local file = assert(io.open(self.path .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  function self.read(name) return read(self.path .. "/" .. name) end
  function self.gpupt(words, environment)
    local output = assert(io.popen(("cd '%s' && %s '%s/bin/gpupt' %s 2>stderr"):format(self.path, environment or "",
      os.getenv "PWD", words)))
    local out = output:read "a"
    local _, _, status = output:close()
    return status or 0, out, self.read "stderr"
  end
  function self.remove() os.execute(("chmod -R u+rwx '%s'; rm -rf '%s'"):format(self.path, self.path)) end
  return self
end

return command
