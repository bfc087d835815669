--- The test vCenter for specs: started once per file, stopped by closing its standard input.
--   local sim = vcenter.start { speed = 200 }     options: speed, fleet (a table or a file's name), flags (text),
--                                                patience (seconds until it must be ready)
--   sim:connect{...}   a client of it, with the CA checked; closed by sim:close_all()
--   sim:get "sessions"   sim:post("trouble", {...})   sim:calm()   its control pages
--   sim:stop()
local json = require "gpupt.json"

local vcenter = {}

local Sim = {}
Sim.__index = Sim

local build = os.getenv "GPUPT_BUILD" or "build"

local function binary()
  for _, path in ipairs { build .. "/vcenter", "build/vcenter" } do
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
  error("build/vcenter is missing: make vcenter", 0)
end

local function shell(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "a"
  local ok = pipe:close()
  return text, ok
end

--- Runs a shell command and gives its output and whether it succeeded.
vcenter.shell = shell

function vcenter.sleep(seconds) os.execute("sleep " .. seconds) end

function vcenter.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function vcenter.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Starts one and waits until it is ready.
function vcenter.start(o)
  o = o or {}
  local self = setmetatable({ clients = {} }, Sim)
  self.dir = shell("mktemp -d -t gpupt-spec.XXXXXX"):match "%S+"
  local fleet = o.fleet
  if type(fleet) == "table" then
    fleet = self.dir .. "/fleet.json"
    vcenter.write(fleet, assert(json.encode(o.fleet)))
  end
  local ready = self.dir .. "/ready"
  -- sanitizer runtimes and the like are for us, not for it
  self.pipe = assert(io.popen(("exec env -u LD_PRELOAD %s -speed %g -ready %s -until-stdin-closes %s %s >%s/log 2>&1"):format(
    binary(), o.speed or 200, ready, fleet and ("-fleet " .. fleet) or "", o.flags or "", self.dir), "w"))
  for _ = 1, (o.patience or 30) * 20 do
    local text = vcenter.read(ready)
    if text and text ~= "" then
      self.ready = assert(json.decode(text))
      break
    end
    vcenter.sleep(0.05)
  end
  if not self.ready then
    local log = vcenter.read(self.dir .. "/log")
    self:stop()
    error("the test vCenter did not start: " .. tostring(log), 0)
  end
  for key, value in pairs(self.ready) do self[key] = self[key] or value end
  return self
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function control(self, method, page, body)
  local file = body and self.dir .. "/body.json"
  if body then vcenter.write(file, assert(json.encode(body))) end
  local text, ok = shell(("env -u LD_PRELOAD curl -sS -f --max-time 20 --cacert %s -X %s %s %s 2>&1"):format(
    quote(self.ready.ca_file), method, body and ("--data-binary @" .. quote(file)) or "",
    quote(self.ready.control .. "/" .. page)))
  if not ok then error(("control page %s %s failed: %s"):format(method, page, text), 0) end
  if text == "" then return true end
  return json.decode(text) or text
end

--- A control page, decoded: "truth", "journal", "sessions"...
function Sim:get(page) return control(self, "GET", page) end
function Sim:post(page, body) return control(self, "POST", page, body) end

--- Makes the next matching requests go wrong: trouble({method=...}, {kind=...}).
function Sim:trouble(match, what) return control(self, "POST", "trouble", { match = match, ["do"] = what }) end
--- Restarts the vCenter service: { seconds =, code =, refuse =, tasks = "kept" | "lost" | "untracked" }.
function Sim:restart(how) return control(self, "POST", "restart", how) end
--- Lets virtual time run `speed` times as fast from now on.
function Sim:speed(speed) return control(self, "POST", "speed", { speed = speed }) end
function Sim:calm() return control(self, "DELETE", "trouble") end

--- The calls since the last forget(), as a list of method names; `method`: only how many of that one.
function Sim:calls(method)
  local journal = control(self, "GET", "journal")
  local list, count = {}, 0
  for _, entry in ipairs(journal.requests or journal) do
    list[#list + 1] = entry.method
    if entry.method == method then count = count + 1 end
  end
  if method then return count end
  return list
end
function Sim:forget() return control(self, "POST", "journal/clear") end

--- The options that connect to it with its CA checked, plus `more`.
function Sim:options(more)
  local o = { url = self.ready.url, username = self.ready.username, password = self.ready.password,
    ca_file = self.ready.ca_file }
  for key, value in pairs(more or {}) do o[key] = value or nil end
  return o
end

--- A connected client; raises when it cannot be had.
function Sim:connect(more)
  local gpupt = require "gpupt"
  local client = gpupt.check(gpupt.vim.connect(self:options(more)))
  self.clients[#self.clients + 1] = client
  return client
end

--- Closes the clients created here.
function Sim:close_all()
  for _, client in ipairs(self.clients) do client:close() end
  self.clients = {}
end

--- Sessions and filters that are left on the server; 0 and 0 when everything was tidied up. Waits a moment, because a
-- server notices a dropped connection a little later.
function Sim:leftovers()
  local page
  for _ = 1, 20 do
    page = control(self, "GET", "sessions")
    if page.sessions == 0 and page.filters == 0 and page.waiting == 0 then break end
    vcenter.sleep(0.05)
  end
  return page
end

function Sim:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
  if self.dir then os.execute("rm -rf " .. quote(self.dir)) end
end

return vcenter
