--- The vCenters of a playbook: p.vcenter { name =, url =, login = }, and the scopes that say on = "name". Each vCenter
-- has its own session, plan and run; one that cannot be reached stops only its own hosts and VMs.
local declare = require "gpupt.playbook.declare"
local failure = require "gpupt.failure"
local loop = require "gpupt.loop"
local nearest = require "gpupt.nearest"

local vcenters = {}

--- p.vcenter { ... }
vcenters.constructor = declare.constructor("p.vcenter", "vcenter", {
  { "name", "string", required = true, doc = "the name that scopes use in on = \"...\"" },
  { "url", "string", required = true, doc = "the server: https://vcenter.example/sdk, without a password" },
  { "login", "table", required = true, doc = "p.login: the account" },
  { "ca_file", "string", doc = "trust the CAs in this PEM file" },
  { "thumbprint", "string", doc = "trust only this certificate (SHA-256 or SHA-1)" },
  { "known_hosts", "string", doc = "file of 'host:port thumbprint' lines, also for ESXi" },
  { "timeout", "number", doc = "time limit for each call, in seconds" },
}, { check = function(node)
  local o = node.options
  if not o.name:find "^[%w][%w._-]*$" then
    return ("name = '%s': use letters, digits, '.', '_' and '-'"):format(o.name)
  end
  -- the text is not repeated: it may contain a password
  if o.url:find "//[^/]*@" then return "url must not contain an account: set login = p.login(user, secret)" end
  if not declare.is(o.login, "login") then return "login must be p.login(user, secret)" end
end })

--- Assigns the scopes of a p.playbook to its vCenters, which are taken out of its list. Returns a message if that is
-- not possible.
function vcenters.assign(node)
  local by_name, names, scopes = {}, {}, {}
  for _, child in ipairs(node.children) do
    if declare.is(child, "vcenter") then
      local name = child.options.name
      if by_name[name] then
        return ("p.vcenter '%s' (%s) is declared again at %s"):format(name, by_name[name].source, child.source)
      end
      by_name[name], names[#names + 1] = child, name
    else
      scopes[#scopes + 1] = child
    end
  end
  for _, scope in ipairs(scopes) do
    local on = scope.options.on
    if #names == 0 and on then
      return ("p.%s (%s): on = '%s', but the playbook has no p.vcenter"):format(scope.kind, scope.source, on)
    end
    if on and not by_name[on] then
      return ("p.%s (%s): on = '%s' is not one of its p.vcenter (%s)%s"):format(scope.kind, scope.source, on,
        table.concat(names, ", "), nearest.hint(on, names))
    end
    if #names > 1 and not on then
      return ("p.%s (%s): say which vCenter it is for: on = '%s'"):format(scope.kind, scope.source,
        table.concat(names, "' or '"))
    end
    scope.vcenter = by_name[on or names[1]]
  end
  node.children = scopes
end

--- The vCenters that a playbook's scopes use, in their order; empty if it names none. nil, message, "EPLAYBOOK" if the
-- playbooks of a folder contradict each other.
function vcenters.of(pb)
  local list, by_name, first = {}, {}, nil
  for _, scope in ipairs(pb.root.children) do
    local node = scope.vcenter
    if first == nil then first = node or false end
    if (node == nil) ~= (first == false) then
      local without = node and pb.root.children[1] or scope
      return nil, ("p.%s (%s) has no vCenter, but other playbooks of the folder have p.vcenter. Declare it in every "
        .. "playbook, or in none"):format(without.kind, without.source), "EPLAYBOOK"
    end
    local known = node and by_name[node.options.name]
    if node and not known then
      by_name[node.options.name], list[#list + 1] = node, node
    elseif node and known.options.url ~= node.options.url then
      return nil, ("p.vcenter '%s' is %s at %s, but %s at %s"):format(node.options.name, known.options.url,
        known.source, node.options.url, node.source), "EPLAYBOOK"
    end
  end
  return list
end

--- The sites of connect, or connected clients by name, as a table of sites by name.
function vcenters.by_name(sites)
  local list = {}
  for name, site in pairs(sites) do
    if math.type(name) then list[site.name] = site else list[name] = { name = name, vc = site } end
  end
  return list
end

--- The part of a playbook that is for one vCenter: a playbook with these scopes only.
function vcenters.part(pb, name)
  local scopes = {}
  for _, scope in ipairs(pb.root.children) do
    if scope.vcenter and scope.vcenter.options.name == name then scopes[#scopes + 1] = scope end
  end
  local root = setmetatable({ children = scopes }, { __index = pb.root })
  return setmetatable({ root = root, vcenter = name, name = pb.name .. "-" .. name,
    saved = pb.saved and pb.saved.parts and pb.saved.parts[name] or false }, { __index = pb })
end

local Sites = {}
Sites.__index = Sites
Sites.__name = "gpupt.playbook.sites"

function Sites:close()
  for _, site in ipairs(self) do
    if site.vc then site.vc:close() end
  end
end
Sites.__close = Sites.close

--- Logs in to all vCenters of a playbook at the same time: a list of { name =, host =, vc = client }, or of { name =,
-- url =, message =, code = } where that failed. It has a close(). nil, message, code if the playbook names none.
function vcenters.connect(pb)
  local nodes, message, code = vcenters.of(pb)
  if not nodes then return nil, message, code end
  if #nodes == 0 then return nil, pb.path .. ": the playbook has no p.vcenter", "EINVAL" end
  local sites = setmetatable({}, Sites)
  local function connect(site, o)
    site.vc, site.message, site.code = failure.catch(require "gpupt.vim".connect, { url = o.url,
      username = o.login.options.user, password = o.login.options.password, ca_file = o.ca_file,
      thumbprint = o.thumbprint, known_hosts = o.known_hosts, timeout = o.timeout })
    site.host = site.vc and site.vc.host
  end
  local ok, err = pcall(loop.run, function()
    for i, node in ipairs(nodes) do
      local site = { name = node.options.name, url = node.options.url, source = node.source }
      sites[i] = site
      loop.spawn(connect, site, node.options)
    end
  end)
  if not ok then
    sites:close()
    error(err, 0)
  end
  return sites
end

return vcenters
