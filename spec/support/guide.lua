--- Makes specs of a page of the guide: "```file NAME" blocks are written, "```console" transcripts are run in that
-- folder, and they must print what the page shows.
local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

local function steps_of(body)
  local steps = {}
  for line in (body .. "\n"):gmatch "(.-)\n" do
    local command = line:match "^%$ (.*)"
    if command then
      steps[#steps + 1] = { command = command, out = {} }
    else
      table.insert(steps[#steps].out, line .. "\n")
    end
  end
  return steps
end

--- `env` is the caller's _ENV: a module does not see busted's words. `prelude(folder)`, when given, is called once the
-- folder exists and returns shell text that is put before every command. `mask(text)`, when given, makes equal what
-- differs each time, such as run ids.
return function(page, env, prelude, mask)
  mask = mask or function(text) return text end
  local describe, it, setup, teardown = env.describe, env.it, env.setup, env.teardown
  describe("the transcripts of " .. page, function()
    local folder
    local before = ""
    setup(function()
      local pipe = assert(io.popen "mktemp -d")
      folder = pipe:read "l"
      pipe:close()
      if prelude then before = prelude(folder) .. "\n" end
    end)
    teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

    for kind, body in read(page):gmatch "\n```([^\n]+)\n(.-)\n```" do
      local file = kind:match "^file (%S+)$"
      if file then
        it("begin with the file " .. file, function()
          local f = assert(io.open(folder .. "/" .. file, "wb"))
          f:write(body, "\n")
          f:close()
        end)
      elseif kind == "console" then
        for _, step in ipairs(steps_of(body)) do
          it("say what this prints: " .. step.command, function()
            local pipe = assert(io.popen(("cd '%s' && { gpupt() { '%s/bin/gpupt' \"$@\"; }; %s%s\n} 2>&1"):format(folder,
              os.getenv "PWD", before, step.command)))
            local out = pipe:read "a"
            pipe:close()
            env.assert.equal(mask(table.concat(step.out)), mask(out))
          end)
        end
      end
    end
  end)
end
