--- docs/guide.md: every transcript is the real output of its commands, every listing is the named file.
-- A block ```console is run line by line and compared; ```console unordered contains the output of parallel work and is
-- compared sorted. Times and run ids are masked. ```lua FILE is compared with FILE.
-- GPUPT_GUIDE=write lua5.4 /usr/bin/busted spec/guide rewrites the page with the real output.
local vcenter = require "spec.support.vcenter"

local page = "docs/guide.md"
local root = os.getenv "PWD"
local write = os.getenv "GPUPT_GUIDE" == "write"

local function masked(text)
  text = text:gsub("%-%d%d%d%d%d%d%d%d%d%d%d%d%d%d%-%x%x%x%x%x%x", "-RUN")
  -- "0:04" at the beginning of a line is the time; its width is kept
  text = ("\n" .. text):gsub("\n ?%d+:%d%d ", "\n T ")
  return text:sub(2)
end

local function sorted(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return table.concat(lines, "\n") .. "\n"
end

-- { command=, out= } of a block
local function steps_of(body)
  local list = {}
  for line in (body .. "\n"):gmatch "(.-)\n" do
    local command = line:match "^%$ (.*)"
    if command then
      list[#list + 1] = { command = command, lines = {} }
    else
      table.insert(list[#list].lines, line)
    end
  end
  for _, step in ipairs(list) do step.out = #step.lines > 0 and table.concat(step.lines, "\n") .. "\n" or "" end
  return list
end

describe("the guide", function()
  local sim, dir, environment

  setup(function()
    local text = vcenter.shell "mktemp -d"
    dir = text:match "%S+"
    assert(os.execute(("cp -r '%s/examples' '%s/'"):format(root, dir)))
    local word = vcenter.shell("head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \\n'")
    environment = { WINDOWS_PASSWORD = "W-" .. word, LINUX_PASSWORD = "L-" .. word, GUEST_PASSWORD = "L-" .. word,
      XDG_STATE_HOME = dir .. "/state", TERM = "dumb", GPUPT_BUILD = os.getenv "GPUPT_BUILD" or root .. "/build" }
  end)
  teardown(function()
    if sim then sim:stop() end
    os.execute(("rm -rf '%s'"):format(dir))
  end)

  local function run(command)
    local lines = {}
    for name, value in pairs(environment) do lines[#lines + 1] = ("export %s='%s'\n"):format(name, value) end
    lines[#lines + 1] = ("gpupt() { '%s/bin/gpupt' \"$@\"; }\n"):format(root)
    vcenter.write(dir .. "/.run", table.concat(lines) .. command .. "\n")
    return vcenter.shell(("cd '%s' && bash ./.run 2>&1"):format(dir))
  end

  -- The fleet of the examples, with the answer media of the guide on its datastore.
  local function start()
    local json = require "gpupt.json"
    local fleet = assert(json.decode((vcenter.read "examples/fleets/first_light.json")))
    for _, name in ipairs { "render-answer.iso", "train-answer.iso" } do
      fleet.datastores[1].files["iso/" .. name] = { source = dir .. "/" .. name }
    end
    sim = vcenter.start { speed = 500, fleet = fleet }
    environment.GOVC_URL, environment.GOVC_USERNAME = sim.ready.url, sim.ready.username
    environment.GOVC_PASSWORD, environment.GOVC_TLS_CA_CERTS = sim.ready.password, sim.ready.ca_file
  end

  local text = assert(vcenter.read(page))
  local made, whole = {}, false
  for before, kind, body, after in text:gmatch "(.-\n```)([^\n]+)\n(.-)\n(```\n?)" do
    local listing = kind:match "^lua (%S+)$"
    local part = { before, kind, "\n", body, "\n", after }
    made[#made + 1] = part
    local file = kind:match "^file (%S+)$"
    if file then
      it("begins with the file " .. file, function() vcenter.write(dir .. "/" .. file, body .. "\n") end)
    elseif listing then
      it("shows the file " .. listing, function()
        local content = assert(vcenter.read(listing))
        if write then part[4] = content:gsub("\n$", "") end
        if not write then assert.equal(content, body .. "\n") end
      end)
    elseif kind:match "^console" then
      local actual = {}
      for _, step in ipairs(steps_of(body)) do
        it("shows the output of: " .. step.command, function()
          if step.command:find "gpus" and not sim then start() end
          local out = run(step.command)
          assert.is_nil(out:find(environment.LINUX_PASSWORD, 1, true))
          actual[#actual + 1] = "$ " .. step.command .. "\n" .. out
          part[4] = table.concat(actual):gsub("\n$", "")
          if write then return end
          if kind == "console unordered" then
            assert.equal(sorted(masked(step.out)), sorted(masked(out)))
          else
            assert.equal(masked(step.out), masked(out))
          end
        end)
      end
    end
  end

  it("is complete: no block was skipped", function()
    local _, fences = text:gsub("\n```", "")
    whole = fences == 2 * #made and #made >= 8
    assert.is_true(whole, ("%d fences, %d blocks"):format(fences, #made))
  end)

  if write then
    it("is rewritten", function()
      if not whole then return end
      local parts, length = {}, 0
      for _, part in ipairs(made) do parts[#parts + 1] = table.concat(part) end
      for before, kind, body, after in text:gmatch "(.-\n```)([^\n]+)\n(.-)\n(```\n?)" do
        length = length + #before + #kind + 1 + #body + 1 + #after
      end
      parts[#parts + 1] = text:sub(length + 1)
      vcenter.write(page, table.concat(parts))
    end)
  end
end)
