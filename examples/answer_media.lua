-- Writes the answer media of the two VMs of examples/first_light.lua: an autounattend.xml for Windows, user-data for
-- Ubuntu. The passwords come from the environment. Upload the media to the datastore, and delete them when the VMs are
-- installed: the one for Windows contains its password.
--   WINDOWS_PASSWORD=... LINUX_PASSWORD=... lua5.4 examples/answer_media.lua FOLDER
local gpupt = require "gpupt"
local answer = require "gpupt.guest.answer"

local folder = arg[1] or "."

local function secret(name)
  return function()
    local value = os.getenv(name)
    if not value then return nil, name .. " is not set" end
    return value
  end
end

local function write(name, files, label)
  for _, problem in ipairs(gpupt.check(answer.problems(files, { label = label }))) do
    print(("%s: %s: %s"):format(name, problem.severity, problem.message))
  end
  local image = gpupt.check(answer.iso(files, label))
  gpupt.check(answer.save(folder .. "/" .. name, image)) -- only you can read it
  print("written: " .. name)
end

local windows = gpupt.check(answer.windows { computer_name = "RENDER-01", password = secret "WINDOWS_PASSWORD",
  image = 2, tools = { horizon = false, nsx = false } })
write("render-answer.iso", { ["autounattend.xml"] = windows }, "UNATTEND")

local linux = gpupt.check(answer.cloud_init { hostname = "train-01", user = "ops",
  password = secret "LINUX_PASSWORD" })
write("train-answer.iso", linux, "CIDATA")
