--- Small servers in Python that stand beside the test vCenter: each prints its port, or two, once it listens, and ends
-- when its standard input closes.
local vcenter = require "spec.support.vcenter"

local server = {}

--- Starts `words` (a script and its arguments) and waits for its ports, which go to the file `ports`, its errors to the
-- file of the same name with ".err". Gives the pipe, whose close ends it, and the ports as numbers.
function server.start(words, ports)
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD python3 %s >%s 2>%s.err"):format(words, ports, ports), "w"))
  for _ = 1, 200 do
    local first, second = (vcenter.read(ports) or ""):match "^(%d+) ?(%d*)"
    if first then return pipe, tonumber(first), tonumber(second) end
    vcenter.sleep(0.05)
  end
  pipe:close()
  error(("%s did not start: %s"):format(words, vcenter.read(ports .. ".err")), 0)
end

return server
