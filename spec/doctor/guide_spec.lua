--- The transcripts of the guide are what the commands print.
local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

for _, page in ipairs { "docs/guide/vmx.md", "docs/guide/doctor.md" } do
  describe("the transcripts of " .. page, function()
    local folder
    setup(function()
      local pipe = assert(io.popen "mktemp -d")
      folder = pipe:read "l"
      pipe:close()
    end)
    teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

    local text = read(page)
    for kind, body in text:gmatch "\n```([^\n]+)\n(.-)\n```" do
      local file = kind:match "^file (%S+)$"
      if file then
        it("begin with the file " .. file, function()
          local f = assert(io.open(folder .. "/" .. file, "wb"))
          f:write(body, "\n")
          f:close()
        end)
      elseif kind == "console" then
        local lines = {}
        for line in (body .. "\n"):gmatch "(.-)\n" do
          local command = line:match "^%$ (.*)"
          if command then
            lines[#lines + 1] = { command = command, out = {} }
          else
            table.insert(lines[#lines].out, line)
          end
        end
        for _, step in ipairs(lines) do
          it("say what this prints: " .. step.command, function()
            local pipe = assert(io.popen(("cd '%s' && { gpupt() { '%s/bin/gpupt' \"$@\"; }; %s\n} 2>&1"):format(folder,
              os.getenv "PWD", step.command)))
            local out = pipe:read "a"
            pipe:close()
            assert.equal(table.concat(step.out, "\n") .. (#step.out > 0 and "\n" or ""), out)
          end)
        end
      end
    end
  end)
end
