--- A folder of driver packages on the operator's computer, copied into a guest: .inf files with what belongs to them
-- (Windows), .deb or .rpm files (Linux).
--
--   driver_folder.read(ctx, path, most) -> { path =, files = { { path =, size =, sha256 = } }, folders = { path },
--     bytes =, digest = of all names and digests, has = { inf = true } }          once for a plan or a run
--   driver_folder.put(ctx, target, session, folder, o) -> its path in the guest
--
-- The folder in the guest has its name from the digest: a run that was killed is continued by whichever run has the
-- same folder, with the files that are not there yet or were only copied in part. Each file's digest is read in the
-- guest before anything is installed from it. It is in a place that other users of the guest cannot prepare: a folder
-- that exists has to belong to the account (Linux), or is in the account's own temporary folder (Windows).
local core = require "gpupt.core".folder
local files = require "gpupt.step.guest_files"
local net = require "gpupt.net"
local next_command = require "gpupt.next_command"
local sha256 = require "gpupt.sha256"
local shell = require "gpupt.shell"
local units = require "gpupt.units"

local driver_folder = {}

--- The most files, and how deep they may be.
driver_folder.FILES, driver_folder.DEPTH = 10000, 12

-- ---- on this computer

local reserved = { con = true, prn = true, aux = true, nul = true }
for i = 1, 9 do reserved["com" .. i], reserved["lpt" .. i] = true, true end

-- Why a name cannot be that of a file in a guest of either kind; nil if it can.
local function wrong_name(name)
  if name == "." or name == ".." then return "leads to another folder" end
  if not utf8.len(name) then return "is not UTF-8" end
  if name:find '[%c\127<>:"/\\|?*]' then return "has a character that Windows does not allow" end
  if name:find "[. ]$" then return "ends with a dot or a blank, which Windows drops" end
  if reserved[(name:match "^[^.]*"):lower()] then return "is a device in Windows" end
  if #name > 200 then return "is longer than 200 bytes" end
end

local kinds = { link = "is a symbolic link, which may lead anywhere: copy what it leads to in its place",
  pipe = "is a pipe", socket = "is a socket", device = "is a device" }

local function refuse(self, path, why)
  error({ ("from: %s/%s %s"):format(self.path, path, why), "EREFUSED" }, 0)
end

local function failed(message, code) error({ "from: " .. tostring(message), code }, 0) end

local function add_file(self, path)
  local file, size, code = self.root:file(path)
  if not file then failed(size, code) end
  local handle <close> = file
  self.bytes = self.bytes + size
  if self.bytes > self.most then
    failed(("%s has more than %s: set max_size, if that is meant"):format(self.path, files.megabytes(self.most)),
      "ELIMIT")
  end
  if #self.files >= driver_folder.FILES then
    failed(("%s has more than %d files"):format(self.path, driver_folder.FILES), "ELIMIT")
  end
  local digest, message, kind = net.digest.sha256_file(handle)
  if not digest then failed(("%s/%s: %s"):format(self.path, path, message), kind) end
  self.files[#self.files + 1] = { path = path, size = size, sha256 = digest }
  local extension = path:lower():match "%.(%w+)$"
  -- packages are installed from the top folder, .inf files from all
  if extension and (extension == "inf" or not path:find "/") then self.has[extension] = true end
end

local function walk(self, below, depth)
  if depth > driver_folder.DEPTH then refuse(self, below, ("is more than %d folders deep"):format(depth - 1)) end
  local entries, complete, code = self.root:list(below, driver_folder.FILES)
  if not entries then failed(complete, code) end
  if not complete then failed(("%s has more than %d files"):format(self.path, driver_folder.FILES), "ELIMIT") end
  table.sort(entries, function(a, b) return a.name < b.name end)
  local folded = {}
  for _, entry in ipairs(entries) do
    local path = below == "" and entry.name or below .. "/" .. entry.name
    local why = kinds[entry.kind] or wrong_name(entry.name)
    if why then refuse(self, path, why) end
    local other = folded[entry.name:lower()]
    if other then refuse(self, path, ("is the same name as %s in Windows"):format(other)) end
    folded[entry.name:lower()] = entry.name
    if entry.kind == "folder" then
      self.folders[#self.folders + 1] = path
      walk(self, path, depth + 1)
    elseif entry.kind == "file" then
      add_file(self, path)
    else
      refuse(self, path, "is neither a file nor a folder")
    end
  end
end

local function read(path, most)
  local root, message, code = core.open(path)
  if not root then return nil, "from: " .. message, code end
  local self = { path = path:gsub("(.)/+$", "%1"), root = root, most = most, files = {}, folders = {}, bytes = 0,
    has = {} }
  local ok, why = pcall(walk, self, "", 1)
  root:close()
  self.root = nil
  if not ok then
    if type(why) ~= "table" or why.message then error(why, 0) end
    return nil, table.unpack(why)
  end
  local lines = {}
  for i, one in ipairs(self.files) do lines[i] = one.sha256 .. " " .. one.path end
  self.digest = sha256(table.concat(lines, "\n"))
  return self
end

local known = setmetatable({}, { __mode = "k" }) -- by the plan's or run's snapshot of the fleet

--- Reads a folder: see above; nil, message, code.
function driver_folder.read(ctx, path, most)
  local list = known[ctx.fleet] or {}
  known[ctx.fleet] = list
  local key = path .. "\0" .. most
  local found, message, code = list[key], nil, nil
  if not found then found, message, code = read(path, most) end
  list[key] = found
  return found, message, code
end

-- ---- in the guest

-- The folder that is to have it, without a separator; nil, message, code.
local function place(ctx, target, session, kind, digest)
  local name = "gpupt-driver-" .. digest:sub(1, 16)
  if kind ~= "windows" then return "/var/tmp/" .. name, "/" end
  local list, message, code = ctx.vc.guest:environment(target.ref, session.auth, { "TEMP" })
  if not list then return nil, message, code end
  local temp = (list[1] or ""):match "^[Tt][Ee][Mm][Pp]=(%a:\\.*)$"
  if not temp then return nil, "the account has no temporary folder (TEMP) in the guest", "EGUEST" end
  return temp:gsub("\\+$", "") .. "\\" .. name, "\\"
end

local function below(inside, separator, path)
  return inside .. separator .. (separator == "\\" and path:gsub("/", "\\") or path)
end

-- How many files one request asks about: a batch file of cmd.exe has lines of 8191 characters.
local MANY = { windows = 20, linux = 200 }

-- The digests of the guest's files, by path; those of missing files are missing. nil, message, code.
local function digests(session, kind, inside, separator, list)
  local found = {}
  for first = 1, #list, MANY[kind] do
    local commands, quoted = {}, {}
    for i = first, math.min(#list, first + MANY[kind] - 1) do
      local path = below(inside, separator, list[i].path)
      if kind == "windows" then
        commands[#commands + 1] = { program = [[C:\Windows\System32\certutil.exe]],
          arguments = ('-hashfile "%s" SHA256'):format(path) }
      else
        quoted[#quoted + 1] = shell.quote(path)
      end
    end
    if kind ~= "windows" then
      commands[1] = { program = "/bin/bash", arguments = "-c " .. shell.quote(
        "export LC_ALL=C; sha256sum -- " .. table.concat(quoted, " ") .. " 2>/dev/null") }
    end
    local results, message, code = session:look(commands)
    if not results then return nil, message, code end
    if kind == "windows" then
      for i, one in ipairs(results) do
        -- the lines around it are in the system's language; before Windows 10 the digits are in pairs
        for line in one.out:gmatch "[^\r\n]+" do
          local digest = line:gsub(" ", ""):lower()
          if #digest == 64 and not digest:find "%X" then found[list[first + i - 1].path] = digest end
        end
      end
    else
      for digest, path in results[1].out:gmatch "(%x+)  ([^\n]+)" do found[path:sub(#inside + 2)] = digest:lower() end
    end
  end
  return found
end

-- Those of the files that are not in the guest as they are here, and their bytes.
local function missing_of(all, found)
  local list, bytes = {}, 0
  for _, one in ipairs(all) do
    if found[one.path] ~= one.sha256 then
      list[#list + 1] = one
      bytes = bytes + one.size
    end
  end
  return list, bytes
end

-- Creates the folder: true, or "there" if an earlier run did; nil, message, code.
local function prepare(ctx, target, session, kind, inside)
  local ok, message, code = ctx.vc.guest:mkdir(target.ref, session.auth, inside)
  if ok then return true end
  if code ~= "FileAlreadyExists" then return nil, message, code end
  if kind == "windows" then return "there" end
  local results
  results, message, code = session:look { { program = "/bin/bash", arguments = "-c " .. shell.quote(
    ("[ -d %s ] && [ ! -L %s ] && [ -O %s ]"):format(shell.quote(inside), shell.quote(inside), shell.quote(inside))) } }
  if not results then return nil, message, code end
  if results[1].status == 0 then return "there" end
  return nil, ("%s in the guest is not a folder of this account: another user made it. Remove it"):format(inside),
    "EREFUSED"
end

local function copy(ctx, target, session, inside, separator, list, bytes, o, text)
  local sent, shown = 0, nil
  for _, one in ipairs(list) do
    local ok, message, code, detail = ctx.vc.guest:put(target.ref, session.auth, o.path .. "/" .. one.path,
      below(inside, separator, one.path), {
      timeout = units.duration(o.within), progress = function(now)
        local percent = (sent + now) * 100 // math.max(1, bytes)
        if percent == shown then return end
        shown = percent
        ctx.emit { kind = "progress", target = target.name, step = target.instance and target.instance.name,
          text = text, percent = percent }
      end })
    if not ok then return nil, message, code, detail end
    sent = sent + one.size
  end
  return true
end

-- Copies what is not there yet, and proves all digests; nil, message, code, detail.
local function fill(ctx, target, session, folder, o, inside, separator)
  local state, message, code = prepare(ctx, target, session, o.kind, inside)
  if not state then return nil, message, code end
  local found = {}
  if state == "there" then
    found, message, code = digests(session, o.kind, inside, separator, folder.files)
    if not found then return nil, message, code end
  end
  local list, bytes = missing_of(folder.files, found)
  if state == "there" then
    ctx:note(target, ("%s in the guest is from an earlier run: %d of %d files are there"):format(inside,
      #folder.files - #list, #folder.files))
  end
  for _, path in ipairs(folder.folders) do
    local ok, why, failure = ctx.vc.guest:mkdir(target.ref, session.auth, below(inside, separator, path))
    if not ok and failure ~= "FileAlreadyExists" then return nil, why, failure end
  end
  for _ = 1, 2 do
    if #list == 0 then return true end
    local ok, detail
    ok, message, code, detail = copy(ctx, target, session, inside, separator, list, bytes,
      { path = folder.path, within = o.within }, "copy " .. o.name)
    if not ok then return nil, message, code, detail end
    found, message, code = digests(session, o.kind, inside, separator, list)
    if not found then return nil, message, code end
    list, bytes = missing_of(list, found)
  end
  if #list == 0 then return true end
  return nil, ("the digest of %s in the guest is not that of the file here when the plan was made, after two copies. "
    .. "If the file was changed meanwhile, apply the playbook again"):format(list[1].path), "EPROOF"
end

--- Copies the folder into the guest, with a journal row: its path there; nil, message, code, detail. o: kind =
-- "windows" | "linux", within (a duration).
function driver_folder.put(ctx, target, session, folder, o)
  local inside, separator, code = place(ctx, target, session, o.kind, folder.digest)
  if not inside then return nil, separator, code end
  local parent = inside:match("^(.*)[/\\]") .. separator
  local ok, message
  ok, message, code = files.room(target, parent, folder.bytes)
  if not ok then
    return nil, ("%s. Free space there, then run: %s"):format(message, next_command.resume(ctx.run or "RUN")), code
  end
  local name = folder.path:match "[^/]*$"
  local what = { action = "copy", text = ("copy %s (%s, %s)"):format(name, units.count(#folder.files, "file"),
    files.megabytes(folder.bytes)) }
  local number = ctx:row(target, "change", what, { file = inside, digest = folder.digest })
  local detail
  ok, message, code, detail = fill(ctx, target, session, folder, { kind = o.kind, within = o.within, name = name },
    inside, separator)
  ctx:row(target, "result", what, ok and { ok = true } or { ok = false, message = message, code = code },
    { of = number })
  if ok then return inside end
  if code ~= "EPROOF" and code ~= "EREFUSED" then
    local full = not files.room(target, parent, folder.bytes // 4)
    message, code = files.ended(ctx, target, session, { folder = parent }, folder.bytes,
      { message = message, code = code })
    -- what is there is used again, unless it holds the space that is missing
    if full then driver_folder.remove(ctx, target, session, inside) end
  end
  if code == "EPROOF" then driver_folder.remove(ctx, target, session, inside) end
  return nil, message, code, detail
end

--- Removes it again; a failure is no reason to fail.
function driver_folder.remove(ctx, target, session, inside)
  pcall(function() ctx.vc.guest:rmdir(target.ref, session.auth, inside, { timeout = 60 }) end)
end

return driver_folder
