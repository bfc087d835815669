--- Writes the demo's two answer media into a folder; the passwords come from the environment.
local answer = require "gpupt.guest.answer"
local check = require "gpupt".check

local dir = assert(arg[1], "usage: demo_media.lua FOLDER")

local function from(name)
  return function() return assert(os.getenv(name), name .. " is not set") end
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
end

local windows = check(answer.windows { computer_name = "RENDER-01", password = from "WINDOWS_PASSWORD", image = 2 })
write(dir .. "/render-answer.iso", check(answer.iso({ ["autounattend.xml"] = windows }, "OEMDRV")))

local linux = check(answer.cloud_init { hostname = "train-01", user = "ops", password = from "LINUX_PASSWORD" })
write(dir .. "/train-answer.iso", check(answer.iso(linux, "CIDATA")))
