-- --journal repeated the URL that it refused, with its password; as sqlite://user:password@... it became a file name.
local command = require "spec.support.command"

describe("--journal", function()
  for _, url in ipairs { "https://ops:hunter2@db.example/j", "postgres://ops:hunter2@db.example/j", "ops:hunter2@db.example/j",
    "sqlite://ops:hunter2@db.example/j.db", "file://ops:hunter2@db.example/j.db", "https://ops:hun/ter2@db.example/j",
    "https://ops:hun/ter2@hunter2/" } do
    it("does not repeat a password: " .. url, function()
      local folder = command.folder()
      local status, out, err = folder.gpupt(("status --journal '%s'"):format(url))
      assert.not_equal(0, status)
      assert.matches("--journal: ", err, 1, true)
      assert.is_nil((out .. err):find("ter2", 1, true))
      folder.remove()
    end)
  end

  it("still takes a file", function()
    local folder = command.folder()
    for _, name in ipairs { "j@home.db", "sqlite:j.db", "sqlite:a@b/j.db", "file:///tmp/no/j@k.db" } do
      local _, _, err = folder.gpupt(("status --journal '%s'"):format(name))
      assert.matches("there is no journal", err, 1, true)
    end
    folder.remove()
  end)
end)
