--- An ESXi host's own words: esxcli graphics, vim-cmd's objects, passthru.map, esx.conf, versions.
-- Public samples: frankdenneman.nl, "vSphere ML Accelerator Spectrum Deep Dive" (esxcli graphics device list, host
-- get); the print of HostPciDevice in a public pyVmomi tool, (vim.host.PciDevice) {...}, whose form is vim-cmd's;
-- esxcli system settings kernel list -o vga in a public guide to an integrated GPU on ESXi 8.0; passthru.map's own
-- heading, www.unknownfault.com/posts/passthrough-nvidia-p600-esxi; esx.conf Broadcom KB 309986 (decimal,
-- /device/000:11.0/owner) and public notes that write it as lspci does.
local pci = require "gpupt.pci"

local esxi = {}

local function placed(card, text, form)
  local address = pci.address(text, form or "hex")
  if not address then return nil end
  card.address, card.domain, card.bus, card.slot, card.func = tostring(address), address.domain, address.bus,
    address.slot, address.func
  card.where = "host"
  return card
end

-- Address, then "Vendor Name:", "Graphics Type:", "Number of VMs:"; indentation may be lost.
local function read_graphics(doc)
  for i, line in ipairs(doc.lines) do
    if doc:free(i) and line:find "^%s*Graphics Type:" then
      -- the block reaches from the address above to the last field below
      local first = i
      while first > 1 and i - first < 12 and not doc.lines[first]:find "^%s*%x+:%x+:%x+%.%x%s*$" do
        first = first - 1
      end
      local card = placed({}, (doc.lines[first]:match "(%x+:%x+:%x+%.%x)" or ""))
      if card then
        local last = first
        for n = first + 1, math.min(#doc.lines, first + 16) do
          local key, value = doc.lines[n]:match "^%s*(%a[%w ]-):%s*(.-)%s*$"
          if not key then
            if doc.lines[n]:find "%S" then break end
          else
            last = n
            if key == "Vendor Name" then card.vendor_name = value end
            if key == "Device Name" then card.device_name = value end
            if key == "Module Name" and value ~= "None" then card.driver = value end
            if key == "Graphics Type" then card.graphics_type = value end
            if key == "Memory Size in KB" then
              local kb = math.tointeger(tonumber(value))
              card.memory_mb = kb and kb > 0 and kb >> 10 or nil
            end
            if key == "Number of VMs" then card.vms = math.tointeger(tonumber(value)) end
          end
        end
        card.text = ("%s Graphics Type: %s"):format(card.address, card.graphics_type)
        doc:take("esxcli graphics device list", first, last)
        doc:card("esxcli graphics device list", first, card)
      end
    end
  end
  for i, line in ipairs(doc.lines) do
    local kind = doc:free(i) and line:match "^%s*Default Graphics Type:%s*(%a+)"
    local policy = doc:free(i) and line:match "^%s*Shared Passthru Assignment Policy:%s*(%a+)"
    if kind or policy then
      doc:take("esxcli graphics host get", i)
      if kind then doc.host.graphics = { type = kind, file = doc.name, line = doc:number(i), text = line } end
      if policy and doc.host.graphics then doc.host.graphics.policy = policy end
    end
  end
end

local function unquoted(text) return text:match '^"(.*)"$' or text:match "^'(.*)'$" or text end

local function integer(text)
  local value = math.tointeger(tonumber(text or ""))
  return value and value & 0xffff
end

-- "(vim.host.PciDevice) {", "id = "0000:3b:00.0",", ... "}"
local function read_objects(doc)
  local kind, fields, first
  for i, line in ipairs(doc.lines) do
    if doc:free(i) then
      local opened = line:match "%(vim%.host%.(Pci%a+)%)%s*{" or line:match "%(vim%.host%.(GraphicsInfo)%)%s*{"
      local key, value = line:match "^%s*(%a+)%s*=%s*(.-),?%s*$"
      if opened then
        kind, fields, first = opened, {}, i
      elseif kind and line:find "^%s*}" then
        local id = fields.id or fields.pciId
        local card = id and placed({}, id)
        if card and kind == "PciDevice" then
          card.vendor, card.device = integer(fields.vendorId), integer(fields.deviceId)
          card.subvendor, card.subdevice = integer(fields.subVendorId), integer(fields.subDeviceId)
          card.class, card.vendor_name = integer(fields.classId), fields.vendorName
          card.device_name = fields.deviceName
          local parent = fields.parentBridge and pci.address(fields.parentBridge, "hex")
          card.parent = parent and tostring(parent) or nil
        elseif card and kind == "PciPassthruInfo" then
          local function truth(name)
            if fields[name] == "true" or fields[name] == "True" then return true end
            if fields[name] == "false" or fields[name] == "False" then return false end
          end
          card.enabled, card.capable, card.active = truth "passthruEnabled", truth "passthruCapable",
            truth "passthruActive"
          local other = fields.dependentDevice and pci.address(fields.dependentDevice, "hex")
          card.dependent = other and tostring(other) or nil
        elseif card then
          card.graphics_type, card.device_name = fields.graphicsType, fields.deviceName
        end
        if card then
          card.text = ("%s %s"):format(card.address, card.device_name or kind)
          doc:take("vim-cmd", first, i)
          doc:card("vim-cmd", first, card)
        end
        kind = nil
      elseif kind and key then
        value = unquoted(value)
        if value ~= "<unset>" and value ~= "" then fields[key] = value end
      end
    end
  end
end

local methods = { flr = true, d3d0 = true, link = true, bridge = true, default = true }
local sharing = { [""] = true, ["true"] = true, ["false"] = true, default = true }

-- A recipe's command in place of the line that it writes: echo '10de 2803 bridge false' >> /etc/vmware/passthru.map
local function written(line) return line:match "^[^\n]-echo%s+['\"](.-)['\"]%s*>>" or line end

local function read_map(doc)
  for i, whole in ipairs(doc.lines) do
    if doc:free(i) then
      local line = written(whole)
      local vendor, device, method, shareable =
        line:match "^%s*(%x%x%x%x)[%s,]+(%x%x%x%x)[%s,]+(%w+)%s*(%a*)%s*$"
      if vendor and methods[method:lower()] and sharing[shareable:lower()] then
        doc:take("passthru.map", i)
        doc.resets[#doc.resets + 1] = { vendor = tonumber(vendor, 16), device = tonumber(device, 16),
          method = method:lower(), shareable = shareable:lower() ~= "" and shareable:lower() or nil, file = doc.name,
          line = doc:number(i), text = line }
      elseif line:find "file format:%s+vendor%-id device%-id resetMethod" or line:find "^#.*reset methods: flr" then
        doc:take("passthru.map", i)
      end
    end
  end
end

local function read_conf(doc)
  for i, whole in ipairs(doc.lines) do
    if doc:free(i) then
      local line = written(whole)
      local at, key, value = line:match '^%s*/device/([%x:.]+)/([%w_]+)%s*=%s*"(.-)"'
      if at then
        -- its own spelling is decimal: 00000:004:00.0, 000:11.0; four digits were copied from lspci
        local decimal = not at:find "^%x%x%x%x:%x%x:%x%x?%.%x$"
        local card = placed({ text = line }, at:find "^%d+:%d+%.%d$" and "0:" .. at or at, decimal and "vmx" or "hex")
        doc:take("esx.conf", i)
        if card then
          if key == "owner" then
            card.configured_owner = value
            card.enabled = value == "passthru"
          elseif key == "vmkname" then
            card.vmkernel_name = value
          end
          card.handwritten = not decimal or nil
          doc:card("esx.conf", i, card)
        end
      end
      local uuid = line:match '^%s*/system/uuid%s*=%s*"([%x-]+)"'
      if uuid then
        doc:take("esx.conf", i)
        doc.host.system_id = { id = uuid, file = doc.name, line = doc:number(i), text = line }
      end
    end
  end
end

local function read_version(doc)
  for i, line in ipairs(doc.lines) do
    local version, build = line:match "^%s*VMware ESXi (%d+%.%d+%.%d+)%s+build%-(%d+)"
    if version and doc:free(i) then
      doc:take("vmware -v", i)
      doc:version("vmware -v", i, "esxi", version .. " build-" .. build)
    end
  end
end

-- "vga   Bool  FALSE       TRUE     TRUE     Enable/Disable VGA support.": configured, now, default. Only the settings
-- that decide on passthrough are kept.
local settings = { vga = true, enablepciehotplug = true, disableacscheck = true, iovdisableir = true }

local function read_kernel(doc)
  for i, line in ipairs(doc.lines) do
    if doc:free(i) then
      local name, configured, now, default = line:match "^%s*(%a%w*)%s+Bool%s+(%u+)%s+(%u+)%s+(%u+)%f[%s\0]"
      if name then
        doc:take("esxcli system settings kernel list", i)
        if settings[name:lower()] then
          doc.host.kernel = doc.host.kernel or {}
          doc.host.kernel[name:lower()] = { configured = configured, runtime = now, default = default, file = doc.name,
            line = doc:number(i), text = line }
        end
      elseif line:find "^%s*Name%s+Type%s+Configured%s+Runtime%s+Default" then
        doc:take("esxcli system settings kernel list", i)
      end
    end
  end
end

local function read(doc)
  read_graphics(doc)
  read_kernel(doc)
  if doc.text:find("(vim.host.", 1, true) then read_objects(doc) end
  read_map(doc)
  read_conf(doc)
  read_version(doc)
end

esxi.form = {
  form = "esxi",
  title = "esxcli graphics device list and host get, esxcli system settings kernel list, vim-cmd "
    .. "hostsvc/hosthardware, passthru.map, esx.conf",
  how = "esxcli graphics device list; esxcli graphics host get; esxcli system settings kernel list; vim-cmd "
    .. "hostsvc/hosthardware; cat /etc/vmware/passthru.map",
  facts = "cards, ids, parent, graphics mode, capable, enabled, active, reset methods of models, owners, the host's id",
  source = "frankdenneman.nl, a public pyVmomi tool, unknownfault.com, Broadcom KB 309986",
  words = { "Graphics Type:", " Bool ", "(vim.host.", "resetMethod", " bridge", " link", " d3d0", " flr", " default",
    "/device/", "\tbridge", "\tlink", "\td3d0", "\tflr", "\tdefault", "/system/uuid", "VMware ESXi " },
  read = read,
}

return esxi
