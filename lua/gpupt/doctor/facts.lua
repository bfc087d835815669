--- What the texts beside a .vmx tell besides messages: the release of the host, the version of the card's driver, stop
-- codes of Windows, the lines of /etc/vmware/passthru.map. Rules and remedies rest on these and never on examples.
--
--   facts = { release = {text=, major=, minor=, update=, build=, evidence=}, driver = {version=, major=, evidence=},
--             bugchecks = {{code=0x116, evidence=}...}, fabric = {evidence...}, names = {"NVIDIA GeForce RTX 3090"...},
--             map = {{vendor=, device=, method=, shareable=, evidence=}...}, map_file = }
-- `evidence` is {file=, line=, text=}. The last line that tells something counts: it is the newest.
local facts = {}

local MAX_LINES, MAX_LIST = 200000, 64

--- NVIDIA's Windows drivers count 31.0.15.3713: the last five digits are 537.13.
local function driver_of(line)
  local three, four = line:match "%f[%d][23]%d%.%d+%.1(%d)%.(%d%d%d%d)%f[^%d.]"
  if three and line:find "[Dd]river ?[Vv]ersion" then
    local digits = three .. four
    return digits:sub(1, 3) .. "." .. digits:sub(4, 5)
  end
  return line:match "NVIDIA UNIX .-Kernel Module[%a_ %d]-%s+(%d%d%d%.%d[%d.]*)"
    or line:match "NVIDIA%-SMI +(%d%d%d%.%d[%d.]*)"
    or line:match "[Dd]river ?[Vv]ersion%s*:?%s*(%d%d%d%.%d[%d.]*)%f[^%d.]"
end

local stop_names = { VIDEO_TDR_ERROR = 0x116, VIDEO_TDR_FAILURE = 0x116, VIDEO_TDR_TIMEOUT_DETECTED = 0x117,
  VIDEO_SCHEDULER_INTERNAL_ERROR = 0x119 }

local function bugcheck_of(line)
  local code = line:match "BCCode:%s*(%x+)" or line:match "[Bb]ugcheck was:%s*0x(%x+)"
    or line:match "STOP:?%s*0x(%x+)" or line:match "[Bb]ug [Cc]heck%s*0x(%x+)"
  if code then return tonumber(code, 16) end
  local decimal = line:match "BugcheckCode%W+(%d+)" -- the event log counts in decimal
  if decimal and tonumber(decimal) > 0 then return math.tointeger(tonumber(decimal)) end
  for name, number in pairs(stop_names) do
    if line:find(name, 1, true) then return number end
  end
end

local function is_fabric(line)
  return (line:find("fabricmanager", 1, true) and (line:find "[Ff]ail" or line:find "FAIL"))
    or line:find("Error 802: system not yet initialized", 1, true) or line:find("Error 803", 1, true) ~= nil
end

--- {major=8, minor=0, update=2} of "VMware ESXi 8.0.2" or "8.0.2".
function facts.release(text, build)
  local major, minor, update = (text or ""):match "(%d+)%.(%d+)%.(%d+)"
  if not major then return nil end
  return { text = ("ESXi %s.%s.%s"):format(major, minor, update), major = math.tointeger(tonumber(major)),
    minor = math.tointeger(tonumber(minor)), update = math.tointeger(tonumber(update)), build = build }
end

-- Reset methods as passthru.map has them (ESXi's own file explains them in its comments).
local methods = { flr = true, d3d0 = true, link = true, bridge = true, default = true }

--- The lines of a passthru.map, or nil when the text is none.
local function read_map(text, name)
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    local plain = line:gsub("#.*$", "")
    if plain:find "%S" then
      local vendor, device, method, share = plain:match "^%s*(%x%x%x%x)%s+(%x%x%x%x)%s+(%w+)%s*(%w*)%s*$"
      if not vendor or not methods[method:lower()] then return nil end
      list[#list + 1] = { vendor = tonumber(vendor, 16), device = tonumber(device, 16), method = method:lower(),
        shareable = share ~= "" and share:lower() or nil, evidence = { file = name, line = number, text = line } }
    end
  end
  return #list > 0 and list or nil
end

local function add(list, value)
  if #list < MAX_LIST then list[#list + 1] = value end
end

function facts.new() return { bugchecks = {}, fabric = {}, names = {} } end

--- Adds what a text tells. Result: a word for its form when it is one that is read here and nowhere else; "report" when
-- it told something; nil when it told nothing.
function facts.read(known, text, name)
  local map = read_map(text, name)
  if map then
    known.map, known.map_file = map, name
    return "passthru.map"
  end
  -- most of a long log tells none of these: a look at the whole is cheaper than patterns on each line
  local function holds(...)
    for _, word in ipairs { ... } do
      if text:find(word, 1, true) then return true end
    end
    return false
  end
  local drivers = holds("river", "NVIDIA UNIX", "NVIDIA-SMI")
  local stops = holds("BCCode", "ugcheck", "ug check", "ug Check", "STOP", "VIDEO_")
  local fabrics = holds("fabricmanager", "Error 802", "Error 803")
  local cards, releases = holds "GeForce", holds "VMware ESXi "
  if not (drivers or stops or fabrics or cards or releases) then return nil end
  local number, told = 0, false
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if number > MAX_LINES then break end
    if #line < 4096 then
      local function evidence()
        told = true
        return { file = name, line = number, text = line }
      end
      local driver = drivers and driver_of(line)
      if driver then
        known.driver = { version = driver, major = math.tointeger(tonumber(driver:match "^%d+")),
          evidence = evidence() }
      end
      local code = stops and bugcheck_of(line)
      if code then add(known.bugchecks, { code = code, evidence = evidence() }) end
      if fabrics and is_fabric(line) then add(known.fabric, evidence()) end
      local card = cards and (line:match "NVIDIA GeForce [%w ]+" or line:match "GeForce [RG]TX? [%w ]+")
      if card then add(known.names, (card:gsub("%s+$", ""))) end
      local release = releases and line:match "VMware ESXi (%d+%.%d+%.%d+)"
      if release then
        known.release = facts.release(release, line:match "build%-(%d+)")
        known.release.evidence = evidence()
      end
    end
  end
  return told and "report" or nil
end

return facts
