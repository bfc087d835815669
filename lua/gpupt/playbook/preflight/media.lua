--- Files that the planned changes need: ISO and answer media on datastores. One search for each folder of a datastore,
-- whatever the number of VMs; and a host can only use a file on a datastore that it mounts.
local datastore_path = require "gpupt.vim.datastore_path"

local function store_named(world, name)
  local there = {}
  for _, store in pairs(world.stores) do
    if store.name == name then return store end
    if store.name then there[#there + 1] = store.name end
  end
  table.sort(there)
  return nil, there
end

--- { folder = { store, where, files = { name -> { uses } } } }, in order.
local function folders_of(plan, needs, found)
  local list, by_key = {}, {}
  for _, need in ipairs(needs) do
    for _, file in ipairs(need.requires.files or {}) do
      local name, rest = datastore_path.parse(file.path)
      local record = need.target.host
      if name and record and record.mounts then
        local store, there = store_named(plan.world, name)
        if not store then
          found:problem { source = need.instance.source, target = need.target.name, code = "ENOENT",
            text = ("%s: %s: there is no datastore '%s' on the hosts (they have %s)"):format(need.instance.name,
              file.path, name, #there > 0 and table.concat(there, ", ") or "none that can be read") }
        elseif not record.mounts[name] then
          -- not of an example: another host may mount it
          if not need.target.host_is_example then
            found:problem { source = need.instance.source, target = need.target.name, code = "EPLACE",
              text = ("%s: %s: %s does not mount the datastore %s"):format(need.instance.name, file.path, record.name,
                name) }
          end
        else
          local folder, base = rest:match "^(.-)/?([^/]+)$"
          local key = name .. "\0" .. folder
          local entry = by_key[key]
          if not entry then
            entry = { store = store, where = ("[%s] %s"):format(name, folder), files = {}, order = {} }
            by_key[key], list[#list + 1] = entry, entry
          end
          if not entry.files[base] then
            entry.files[base], entry.order[#entry.order + 1] = {}, base
          end
          table.insert(entry.files[base], { need = need, path = file.path })
        end
      end
    end
  end
  return list
end

local function each_use(entry, fn)
  for _, base in ipairs(entry.order) do
    for _, use in ipairs(entry.files[base]) do fn(base, use) end
  end
end

return function(plan, needs, found)
  for _, entry in ipairs(folders_of(plan, needs, found)) do
    local patterns = {}
    for i, base in ipairs(entry.order) do patterns[i] = datastore_path.pattern(base) end
    local list, message, code = plan.vc.datastore:list(entry.where, { browser = entry.store.browser,
      pattern = patterns })
    local there = {}
    for _, file in ipairs(list or {}) do if not file.folder then there[file.name] = true end end
    each_use(entry, function(base, use)
      local one = { source = use.need.instance.source, target = use.need.target.name, code = "ENOENT" }
      if list and not there[base] or code == "FileNotFound" then
        one.text = ("%s: %s does not exist"):format(use.need.instance.name, use.path)
        found:problem(one)
      elseif not list then
        one.text = ("%s: %s"):format(use.need.instance.name, use.path)
        if code == "NoPermission" then
          one.needs, one.on = "Datastore.Browse", "the datastore " .. entry.store.name
          found:cannot(one)
        else
          one.why = message
          found:open(one)
        end
      end
    end)
  end
end
