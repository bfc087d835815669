--- gpupt's client in bench/cycle.lua: usage: client.lua URL USER PASSWORD CA CAP
-- Powers each VM off, reconfigures it and powers it on, at most CAP at a time; prints wall and CPU seconds.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"

local url, username, password, ca_file, cap = table.unpack(arg)
local vc <close> = gpupt.check(gpupt.vim.connect { url = url, username = username, password = password,
  ca_file = ca_file })
local works = {}
for i, vm in ipairs(gpupt.check(vc:find("/**", { type = "VirtualMachine" }))) do
  works[i] = function()
    gpupt.check(vc:wait(gpupt.check(vm:PowerOffVM_Task {})))
    gpupt.check(vc:wait(gpupt.check(vm:ReconfigVM_Task { spec = { annotation = "cycle" } })))
    gpupt.check(vc:wait(gpupt.check(vm:PowerOnVM_Task {})))
    return true
  end
end
local wall, cpu = loop.now(), os.clock()
loop.all(works, math.tointeger(tonumber(cap)))
print(loop.now() - wall, os.clock() - cpu)
