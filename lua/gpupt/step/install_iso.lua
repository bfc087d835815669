--- The ISO files of an installation, looked into on their datastore by ranges: is the medium for this system, is the
-- edition on it, and would the answer medium of the user be accepted? Each file is read once for a plan or a run,
-- whatever the number of VMs, by a few requests of 128 KiB.
local failure = require "gpupt.failure"
local install_iso = require "gpupt.guest.install_iso"
local loop = require "gpupt.loop"
local nearest = require "gpupt.nearest"

local look = {}

-- With all that checks answers: loaded when there is one.
local function answer_iso(...) return require "gpupt.guest.answer_iso" (...) end

-- Reads of a file that raise: a cancelled run, for example, must go on to end.
local function reader(vc, path)
  return function(at, length)
    local parts = {}
    for bytes in vc.datastore:read(path, { offset = at, length = length, chunk = math.max(1, length) }) do
      parts[#parts + 1] = bytes
    end
    return table.concat(parts)
  end
end

local function attempt(vc, path, fn)
  local ok, value, message, code = pcall(fn, reader(vc, path))
  if ok then return { value = value, message = message, code = code } end
  if not failure.is(value) or loop.is_cancelled(value) then error(value, 0) end
  return { message = value.message, code = value.code }
end

-- Several VMs may want it at the same time: the first one reads it, the others wait.
local function once(vc, cache, path, fn)
  while cache[path] and cache[path].reading do loop.await(cache[path].reading) end
  local known = cache[path]
  if not known then
    local reading, done = loop.event()
    cache[path] = { reading = reading }
    local ok, found = pcall(attempt, vc, path, fn)
    cache[path] = ok and found or nil
    done()
    if not ok then error(found, 0) end
    known = found
  end
  return known.value, known.message, known.code
end

--- What the installation medium is (gpupt.guest.install_iso); nil, message, code. `cache` is a table of the caller.
function look.medium(vc, cache, path) return once(vc, cache, path, install_iso) end

--- The problems of an answer medium (gpupt.guest.answer_iso); nil, message, code.
function look.answers(vc, cache, path) return once(vc, cache, path, answer_iso) end

local function listed(images)
  local list = {}
  for i, one in ipairs(images) do list[i] = ("%d %s"):format(one.index or i, one.name or "?") end
  return table.concat(list, ", ")
end

--- The edition on the medium that is meant: its index, or nil, message. `wanted` is an index, a name, or nil.
function look.edition(images, wanted)
  if wanted == nil then
    if #images == 1 then return images[1].index end
    return nil, ("image is not set, and the medium has several editions: %s"):format(listed(images))
  end
  local names = {}
  for _, one in ipairs(images) do
    if one.index == wanted or one.name == wanted then return one.index end
    names[#names + 1] = one.name
  end
  return nil, ("the medium has no image %s%s; it has %s"):format(type(wanted) == "string" and "'" .. wanted .. "'"
    or wanted, type(wanted) == "string" and nearest.hint(wanted, names) or "", listed(images))
end

local FAMILY = { windows = "a Windows medium", ubuntu = "an Ubuntu medium", rhel = "a medium of the RHEL family",
  suse = "a SUSE medium", debian = "a Debian medium" }
local SYSTEM = { windows = "windows", cloud_init = "ubuntu", kickstart = "rhel", autoyast = "suse" }

--- What is wrong with a medium for a VM of a family ("windows", "linux" or nil) and for generated answers (or nil): a
-- text, or nil.
function look.misfit(found, family, answer)
  if not found.system then return nil end
  local is = FAMILY[found.system]
  if answer and SYSTEM[answer.kind] ~= found.system then
    return ("it is %s, and p.answer.%s is not for it"):format(is, answer.kind)
  end
  if family and family ~= found.family then
    return ("it is %s, and the guest id of the VM is one of %s"):format(is,
      family == "windows" and "Windows" or "Linux")
  end
  if answer and answer.kind == "windows" and not answer.files and found.images then
    local o = answer.options
    if o.image ~= nil or o.product_key == nil then return select(2, look.edition(found.images, o.image)) end
  end
end

return look
