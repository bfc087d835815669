-- Executes the README's examples.
local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("the README", function()
  local text = read "README.md"

  it("has Lua that compiles", function()
    local count = 0
    for chunk in text:gmatch "```lua\n(.-)```" do
      count = count + 1
      assert(load(chunk, "README.md", "t"))
    end
    assert.equal(2, count)
  end)

  it("shows a playbook that loads", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write((text:match "## The playbook\n```lua\n(.-)```"))
    file:close()
    local playbook, message = require "gpupt".playbook.load(path)
    os.remove(path)
    assert.truthy(playbook, message)
  end)

  it("shows the window that gpupt.bar computes", function()
    local gpupt = require "gpupt"
    local shown = tonumber(text:match "%.gb%)%s+%-%->%s*(%d+)")
    assert.equal(shown, gpupt.check(gpupt.bar.window { { vendor = 0x10de, device = 0x20b5, count = 2 } }).gb)
  end)

  it("names only commands, targets and files that exist", function()
    local cli = require "gpupt.cli"
    local known = {}
    for _, name in ipairs(cli.commands) do known[name] = true end
    for name in text:gmatch "[`\n$] ?gpupt (%l+)" do assert.truthy(known[name], "gpupt " .. name) end
    local makefile = read "Makefile"
    for target in text:gmatch "`make (%l+)`" do assert.truthy(makefile:find("\n" .. target .. ":", 1, true), target) end
    for path in text:gmatch "%]%(([%w/._-]+)%)" do
      local file = io.open(path)
      assert.truthy(file, path)
      file:close()
    end
    for name in text:gmatch "`examples/([%w_*.]+)`" do
      local pipe = assert(io.popen("ls examples/" .. name .. " 2>/dev/null"))
      assert.not_equal("", pipe:read "a", name)
      pipe:close()
    end
  end)
end)

describe("the reference", function()
  it("is generated from the declarations (make docs)", function()
    local pipe = assert(io.popen "build-support/docs --check 2>&1")
    local output = pipe:read "a"
    local ok = pipe:close()
    assert.truthy(ok, output)
  end)
end)
