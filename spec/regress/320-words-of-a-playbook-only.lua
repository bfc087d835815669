-- A misspelt word of the language listed every function of the module, also those that programs call (load, plan, ...).
local gpupt = require "gpupt"
local command = require "spec.support.command"

describe("a misspelt word in a playbook", function()
  local folder
  setup(function() folder = command.folder() end)
  teardown(function() folder.remove() end)

  local function message_of(text)
    folder.write("play.lua", 'local p = require "gpupt.playbook"\n' .. text)
    local pb, message = gpupt.playbook.load(folder.path .. "/play.lua")
    assert.is_nil(pb)
    return message
  end

  it("is answered with the words of the language, and no others", function()
    local message = message_of "return p.playbok {}"
    assert.matches("play.lua:2: p has no 'playbok' (did you mean 'playbook'?); it has ", message, 1, true)
    local listed = message:match "it has (.*)$"
    for _, word in ipairs { "find", "gpus", "hosts", "include", "playbook", "step", "vars", "vms" } do
      assert.matches(" " .. word .. ",", " " .. listed .. ",", 1, true)
    end
    for name in listed:gmatch "[%w_]+" do
      assert.is_nil(({ load = 1, open = 1, claims = 1, find_run = 1, stop = 1, release = 1, strict = 1, module = 1 })[name])
    end
    assert.is_nil(listed:find "journal")
  end)
  it("is not answered with a function that only programs call", function()
    local message = message_of "return p.laod {}"
    assert.is_nil(message:find "load")
  end)
  it("is answered with the functions of the module outside a playbook", function()
    local ok, message = pcall(function() return gpupt.playbook.laod end)
    assert.is_false(ok)
    assert.matches("gpupt.playbook has no 'laod' (did you mean 'load'?)", message, 1, true)
  end)
end)
