-- Two writers of one .vmx: the second could take the first's temporary file for litter in the moment between its making
-- and its locking; the first then renamed a third writer's unfinished file over the .vmx, which was empty for a while.
describe("a vmx that six processes save at the same time", function()
  it("is whole whenever it is read, and no update is lost", function()
    local pipe = assert(io.popen "mktemp -d")
    local folder = pipe:read "l"
    pipe:close()
    local f = assert(io.open(folder .. "/a.vmx", "w"))
    f:write 'counter = "0"\n'
    f:close()
    f = assert(io.open(folder .. "/count.lua", "w"))
    f:write(([[local vmx = require "gpupt.vmx"
      local done = 0
      while done < 20 do
        local doc = assert(vmx.open "%s/a.vmx")
        local now = doc:get "counter"
        if not now then error "the file was not whole" end
        doc:set("counter", math.tointeger(tonumber(now)) + 1)
        local ok, message, code = doc:save()
        if ok then done = done + 1 elseif code ~= "ECHANGED" and code ~= "EBUSY" then error(message) end
      end]]):format(folder))
    f:close()
    pipe = assert(io.popen(("for i in 1 2 3 4 5 6; do lua5.4 %s/count.lua 2>&1 & done; wait"):format(folder)))
    local said = pipe:read "a"
    pipe:close()
    local doc = assert(require "gpupt.vmx".open(folder .. "/a.vmx"))
    os.execute(("rm -rf '%s'"):format(folder))
    assert.equal("", said)
    assert.equal("120", doc:get "counter")
  end)
end)
