--- What an installation ISO is: for which system, and which editions of Windows are on it. A wrong ISO, or an edition
-- that it does not have, is found before the installation, not after hours.
--
--   local found = assert(install_iso(read))   -- read(at, length) -> bytes of the image
--     --> { label =, family = "windows"|"linux"|nil, system = "windows"|"ubuntu"|"rhel"|"suse"|"debian"|nil,
--           images = { { index = 1, name = "Windows Server 2022 SERVERSTANDARD", edition =, build = } } or nil,
--           unread = why the editions are not known,
--           asks = whether an Ubuntu medium asks before an autoinstall, nil if that is not known }
--
-- The editions are in the XML of sources/install.wim (.esd, or the first part of a split .swm), which is never
-- compressed (Microsoft, "Windows Imaging File Format").
local disc = require "gpupt.guest.disc"
local xml = require "gpupt.guest.xml"

-- A name in the root of the medium, for each system (the vendors' published media).
local SYSTEMS = {
  { "casper", "ubuntu" }, { "baseos", "rhel" }, { "install.amd", "debian" }, { "media.1", "suse" },
  { "images", "rhel" },
}

local XML, MENU = 1 << 20, 1 << 16

-- The editions in the XML, whose root is <WIM><IMAGE INDEX="1"><NAME>...
local function editions(text)
  local root, message = xml.parse(text, "the list of editions")
  if not root then return nil, message end
  local list = {}
  for _, image in ipairs(xml.all(root, "IMAGE")) do
    local name = xml.value(image, "NAME")
    list[#list + 1] = { index = math.tointeger(tonumber(image.attr.INDEX)), name = name ~= "" and name or nil,
      edition = xml.value(image, "WINDOWS", "EDITIONID"), build = xml.value(image, "WINDOWS", "VERSION", "BUILD") }
  end
  if #list == 0 then return nil, "its list of editions is empty" end
  return list
end

local function read_wim(image, entry, name, found)
  local header, message = image:read(entry, 0, 208)
  local wim
  if header then wim, message = image.library.wim(header) end
  local text
  if wim and wim.length > XML then
    message = "its list of editions is larger than expected"
  elseif wim then
    text, message = image:read(entry, wim.at, wim.length)
  end
  local list
  if text then list, message = editions(text) end
  found.images = list
  if not list then found.unread = ("sources/%s: %s"):format(name, message) end
end

local function read_windows(image, found)
  local sources, message, code = image:list "sources"
  if sources == nil then return nil, message, code end
  for _, name in ipairs { "install.wim", "install.esd", "install.swm" } do
    local entry = sources and sources[name]
    if entry and not entry.folder then
      found.family, found.system = "windows", "windows"
      read_wim(image, entry, name, found)
      return true
    end
  end
  return true
end

-- A stock medium of Ubuntu Server asks before it installs: the kernel line of its menu lacks the word autoinstall
-- (Ubuntu, "Introduction to autoinstall").
local function read_ubuntu(image, found)
  local folder = image:list "boot/grub"
  local entry = folder and folder["grub.cfg"]
  local size = entry and not entry.folder and image:size(entry)
  local text = size and size <= MENU and image:read(entry, 0, size)
  local line = text and text:match "\n%s*linux[%l]*%s+(/casper/[^\n]*)"
  if line then found.asks = not (" " .. line:gsub("%s", " ") .. " "):find(" autoinstall ", 1, true) end
end

--- See above. nil, message, code for what is not an image of a DVD.
return function(read)
  local image, message, code = disc.open(read)
  if not image then return nil, message, code end
  local root
  root, message, code = image:list ""
  if not root then return nil, message, code end
  local found = { label = image.label }
  if root.sources and root.sources.folder then
    local ok
    ok, message, code = read_windows(image, found)
    if not ok then return nil, message, code end
  end
  for _, one in ipairs(SYSTEMS) do
    if not found.family and root[one[1]] then found.family, found.system = "linux", one[2] end
  end
  if found.system == "ubuntu" then read_ubuntu(image, found) end
  return found
end
