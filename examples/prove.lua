-- Checks in a running guest whether it sees its GPUs, and prints the cause if it does not.
--   GUEST_PASSWORD=... lua5.4 examples/prove.lua /DC0/vm/train-01 ops 2
local gpupt = require "gpupt"
local proof = require "gpupt.guest.proof"

local path, user, expected = arg[1], arg[2], math.tointeger(tonumber(arg[3] or "1"))
if not (path and user and expected) then
  io.stderr:write "usage: prove.lua VM USER [CARDS]\n"
  os.exit(2)
end

local vc <close> = gpupt.check(gpupt.vim.connect {})
local vm = gpupt.check(vc:one(path))
local login = { username = user, password = { env = "GUEST_PASSWORD" } }
local family = gpupt.check(vc.guest:family(vm))

local outputs = {}
for _, command in ipairs(gpupt.check(proof.commands(family))) do
  local result, message = vc.guest:run(vm, login, { program = command.program, arguments = command.arguments })
  if not result and not command.optional then error(command.name .. ": " .. message, 0) end
  outputs[command.name] = result and { out = result.stdout, status = result.rc } or nil
end
local seen = gpupt.check(proof.read(family, outputs, { expected = expected }))

for _, card in ipairs(seen.devices) do
  print(("%04x:%04x %s, driver %s"):format(card.vendor, card.device, card.name or "", card.driver or "none"))
end
for _, finding in ipairs(seen.findings) do
  print(("%s: %s\n  cause: %s\n  remedy: %s"):format(finding.severity, finding.text, finding.cause, finding.remedy))
end
print(seen.ok and "proved" or "not proved")
os.exit(seen.ok and 0 or 1, true)
