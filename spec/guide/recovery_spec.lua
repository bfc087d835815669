--- docs/guide/recovery.md: every transcript is the real output of its commands, and what happens to gpupt is in comments of
-- the page that its reader does not see:
--   <!-- fresh -->             a new fleet, an empty journal
--   <!-- kill KEY -->          the next command dies there (spec/support/kill_here.lua); its shell says "Killed"
--   <!-- sleep KEY -->         its computer sleeps for an hour then, <!-- full KEY --> its disk is full (disturb_here.lua)
--   <!-- space -->             the disk has space again
--   <!-- trouble JSON -->      for the test vCenter
--   <!-- by hand -->           another user changes the VM
-- Run ids, times, the user and the computer are masked. GPUPT_GUIDE=write rewrites the page with the real output.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local page = "docs/guide/recovery.md"
local root = os.getenv "PWD"
local rewrite = os.getenv "GPUPT_GUIDE" == "write"

local function masked(text)
  text = text:gsub("%-%d%d%d%d%d%d%d%d%d%d%d%d%d%d%-%x%x%x%x%x%x", "-RUN")
  text = text:gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%dZ", "DAY TIME"):gsub("%d%d:%d%d:%d%dZ?", "TIME")
  text = text:gsub("https://127%.0%.0%.1:%d+", "URL"):gsub("to 127%.0%.0%.1:%d+", "to HOST")
  text = text:gsub(" by [%w_-]+ at [%w_.-]+", " by USER at HOST"):gsub("process %d+ on [%w_.-]+", "process N on HOST")
  text = text:gsub("since TIME %b()", "since TIME (WHY)"):gsub("answers again, after %d+ s", "answers again, after N s")
  -- "0:04" at the beginning of a line is the time; its width is kept
  text = ("\n" .. text):gsub("\n ?%d+:%d%d ", "\n T ")
  return text:sub(2)
end

local function sorted(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- The page as { text } and { kind =, body = } in order.
local function parts_of(text)
  local list, at = {}, 1
  while true do
    local first, last, kind, body = text:find("\n```([^\n]+)\n(.-)\n```", at)
    if not first then break end
    list[#list + 1] = { text = text:sub(at, first) }
    list[#list + 1] = { kind = kind, body = body }
    at = last + 1
  end
  list[#list + 1] = { text = text:sub(at) }
  return list
end

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
  return list
end

describe("docs/guide/recovery.md", function()
  local l, files, environment, next_env, mounted = nil, {}, nil, {}, false
  local parts = parts_of(assert(vcenter.read(page)))

  local function stop()
    if mounted then os.execute("umount -l '" .. l.dir .. "/disk' 2>/dev/null") end
    if l then l:stop() end
    l, mounted = nil, false
  end
  teardown(stop)

  local function fresh()
    stop()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" } }, clusters = { { name = "gpu-a",
        -- back before the command that follows a killed one has looked
        hosts = { lab.host("esx-1", { boot_seconds = 10 }), lab.host "esx-2" } } },
      vms = { { name = "desk-1", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 4096, disk_gb = 10 } } } }
    environment = { GOVC_URL = l.sim.ready.url, GOVC_USERNAME = l.sim.ready.username, GOVC_PASSWORD = l.sim.ready.password,
      GOVC_TLS_CA_CERTS = l.sim.ready.ca_file, XDG_STATE_HOME = l.dir .. "/state", TERM = "dumb",
      GPUPT_BUILD = os.getenv "GPUPT_BUILD" or root .. "/build", LUA_PATH = root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;" .. root .. "/?.lua;;" }
    for name, text in pairs(files) do vcenter.write(l.dir .. "/" .. name, text) end
    os.execute("mkdir '" .. l.dir .. "/disk'")
    mounted = os.execute("mount -t tmpfs -o size=4m gpupt-spec '" .. l.dir .. "/disk' 2>/dev/null") == true
  end

  local does = {
    fresh = fresh,
    kill = function(key) next_env = { GPUPT_KILL = key, LUA_INIT = "require 'spec.support.kill_here'" } end,
    sleep = function(key) next_env = { GPUPT_DISTURB = key .. ":sleep", LUA_INIT = "require 'spec.support.disturb_here'" } end,
    full = function(key)
      next_env = { GPUPT_DISTURB = key .. ":full", GPUPT_FULL = l.dir .. "/disk/filler", LUA_INIT = "require 'spec.support.disturb_here'" }
    end,
    space = function() os.remove(l.dir .. "/disk/filler") end,
    trouble = function(json)
      local one = assert(gpupt.json.decode(json))
      l.sim:trouble(one.match, one["do"])
    end,
    by = function()
      local vc = l:client()
      gpupt.check(vc:wait(gpupt.check(gpupt.check(vc:one "/DC0/vm/desk-1"):ReconfigVM_Task { spec = { extraConfig = {
        { key = "pciPassthru.64bitMMIOSizeGB", value = "1024" } } } })))
    end,
  }

  local function run(command)
    local lines = {}
    for _, set in ipairs { environment, next_env } do
      for name, value in pairs(set) do lines[#lines + 1] = ("export %s='%s'\n"):format(name, (value:gsub("'", "'\\''"))) end
    end
    next_env = {}
    lines[#lines + 1] = ("gpupt() { '%s/bin/gpupt' \"$@\"; }\n"):format(root)
    vcenter.write(l.dir .. "/.run", table.concat(lines) .. command .. "\n")
    local out = vcenter.shell(("cd '%s' && bash ./.run 2>&1"):format(l.dir))
    return (out:gsub("[^\n]*line %d+: +%d+ Killed[^\n]*", "Killed"))
  end

  local count = 0
  for _, part in ipairs(parts) do
    if part.text then
      for word, rest in part.text:gmatch "<!%-%- (%a+) ?(.-) ?%-%->" do
        it(("has what happens: %s %s"):format(word, rest), function() assert(does[word], word)(rest) end)
      end
    elseif part.kind:match "^file " then
      files[part.kind:match "^file (%S+)$"] = part.body .. "\n"
    elseif part.kind:match "^console" then
      -- what two fibers say at the same time may come in either order
      local form = part.kind == "console unordered" and sorted or function(text) return text end
      local actual = {}
      for _, step in ipairs(steps_of(part.body)) do
        count = count + 1
        it("shows the output of: " .. step.command, function()
          if step.command:find("disk/", 1, true) and not mounted then pending "cannot mount here" return end
          local out = run(step.command)
          assert.is_nil(out:find(environment.GOVC_PASSWORD, 1, true))
          actual[#actual + 1] = "$ " .. step.command .. "\n" .. out
          part.body = rewrite and table.concat(actual):gsub("\n$", "") or part.body
          if rewrite then return end
          local shown = #step.lines > 0 and table.concat(step.lines, "\n") .. "\n" or ""
          assert.equal(form(masked(shown)), form(masked(out)))
        end)
      end
    end
  end

  it("is complete: its four crashes and the undo are commands that ran", function() assert.is_true(count >= 14) end)

  if rewrite then
    it("is rewritten", function()
      local list = {}
      for i, part in ipairs(parts) do
        list[i] = part.text or ("\n```%s\n%s\n```"):format(part.kind, part.body):sub(2)
      end
      vcenter.write(page, table.concat(list))
    end)
  end
end)
