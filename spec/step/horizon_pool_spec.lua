-- horizon.pool against a Connection Server that takes documented shapes only: what is changed and what stays, the kinds
-- of pools that are refused, tokens, passwords, certificates, and several VMs of one pool.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local PASSWORD = "Hz-s3cret-9c41"

local POOLS = {
  { name = "W11-GPU", display_name = "Design", description = "for the designers", category_folder_name = "apps",
    shortcut_locations_v2 = { "DESKTOP" }, cs_restriction_tags = { "internal" }, require_strong_auth = true,
    allowed_access_path = "INTERNAL", uem_server_id = "u-1", allow_users_to_choose_machines = true,
    session_settings = { power_policy = "ALWAYS_POWERED_ON", disconnected_session_timeout_policy = "AFTER",
      disconnected_session_timeout_minutes = 30 },
    view_storage_accelerator_settings = { use_view_storage_accelerator = true, regenerate_view_storage_accelerator_days = 7,
      blackout_times = { { days = { "MONDAY" }, start_time = "10:00", end_time = "22:00" } } } },
  { name = "dedicated", user_assignment = "DEDICATED", allow_multiple_user_assignments = true, automatic_user_assignment = true,
    display_protocol_settings = { default_display_protocol = "RDP" } },
  { name = "clones", type = "AUTOMATED", source = "INSTANT_CLONE" },
  { name = "full", type = "AUTOMATED", source = "VIRTUAL_CENTER" },
  { name = "farm", type = "RDS", source = "RDS" },
  { name = "physical", source = "UNMANAGED" },
  { name = "vgpu", display_protocol_settings = { grid_vgpus_enabled = true, renderer3d = "MANAGE_BY_VSPHERE_CLIENT" } },
  { name = "suspends", session_settings = { power_policy = "SUSPEND" } },
  { name = "odd", storage_settings = { datastores = {} } },
}

local function fleet(release)
  return { datastores = { { name = "ds-1" } }, clusters = { { name = "vdi", hosts = { lab.host "esx-1" } } },
    vms = { { name = "desk-1", host = "esx-1", memory_mb = 4096 }, { name = "desk-2", host = "esx-1", memory_mb = 4096 },
      { name = "desk-3", host = "esx-1", memory_mb = 4096 } },
    horizon = { release = release, domain = "CORP", user = "vdi-admin", password = PASSWORD, pools = POOLS } }
end

describe("horizon.pool", function()
  local l

  local function start(release) l = lab.start { speed = 400, fleet = fleet(release) } end
  after_each(function()
    l:stop()
    l = nil
  end)

  local function control(method, page, body)
    local file = l.dir .. "/horizon.json"
    if body then require "spec.support.vcenter".write(file, assert(gpupt.json.encode(body))) end
    local text = require "spec.support.vcenter".shell(("env -u LD_PRELOAD curl -sS --cacert '%s' -X %s %s '%s/gpsim/%s'"):format(
      l.sim.ready.ca_file, method, body and "--data-binary @" .. file or "", l.sim.ready.horizon, page))
    return text ~= "" and gpupt.json.decode(text) or nil
  end

  local function state(name)
    local all = control("GET", "state")
    for _, one in ipairs(all.pools) do if one.name == name then return one, all end end
  end

  local function list_of(value) return value ~= gpupt.json.null and value or {} end

  local function requests()
    local list = {}
    for _, one in ipairs(list_of(control("GET", "state").requests)) do
      list[#list + 1] = one.method .. " " .. one.path:gsub("0103796c.*$", "ID") .. " " .. one.status
    end
    return list
  end

  local function playbook(o)
    o = o or {}
    return ([[return p.playbook { name = "pool", p.vms { where = "%s",
      p.horizon.pool { id = "%s", server = "%s", ca_file = "%s", login = p.login("%s", p.secret.callback(function() return "%s" end)) %s } } }]])
      :format(o.where or "/DC0/vm/desk-1", o.id or "W11-GPU", o.server or l.sim.ready.horizon, o.ca or l.sim.ready.ca_file,
      o.user or "CORP\\\\vdi-admin", o.password or PASSWORD, o.more or "")
  end

  it("sets who manages 3D with its side conditions, keeps all the rest, and changes nothing the second time", function()
    start()
    local before = state "W11-GPU"
    local plan = l:plan(playbook())
    local said = tostring(plan)
    assert.matches("pool W11-GPU: renderer3d DISABLED -> MANAGE_BY_VSPHERE_CLIENT", said, 1, true)
    assert.matches("pool W11-GPU: allow_users_to_choose_protocol true -> false", said, 1, true)
    assert.same({ "POST /rest/login 200", "GET /rest/inventory/v13/desktop-pools 200", "GET /rest/inventory/v13/desktop-pools 200",
      "GET /rest/inventory/v13/desktop-pools/ID 200", "POST /rest/logout 200" }, requests())
    local result, _, rows = l:apply(playbook())
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("pool W11-GPU: 3D by vSphere's settings of each VM", result.targets[1].proofs["horizon.pool"])
    local after, all = state "W11-GPU"
    before.display_protocol_settings.renderer3d = "MANAGE_BY_VSPHERE_CLIENT"
    before.display_protocol_settings.allow_users_to_choose_protocol = false
    assert.same(before, after)
    assert.equal(0, all.sessions)
    local change
    for _, row in ipairs(rows) do
      assert.is_nil((row.detail or ""):find(PASSWORD, 1, true))
      if row.action == "pool" and row.kind == "change" then change = row end
    end
    assert.equal("update pool W11-GPU: renderer3d MANAGE_BY_VSPHERE_CLIENT, allow_users_to_choose_protocol false", change.what)
    control("POST", "forget")
    assert.equal("nothing", l:apply(playbook()).status)
    for _, one in ipairs(requests()) do assert.is_nil(one:find "^PUT", one) end
  end)

  it("uses the newest version that a release has, and shows that an older one cannot keep what it does not have", function()
    for release, versions in pairs { ["2111"] = { 5, 1 }, ["2312"] = { 8, 8 } } do
      start(release)
      local result = l:apply(playbook { id = "dedicated" })
      assert.equal("done", result.status, result.targets[1].message)
      local pool = state "dedicated"
      assert.same({ "MANAGE_BY_VSPHERE_CLIENT", "BLAST", false, true, true }, { pool.display_protocol_settings.renderer3d,
        pool.display_protocol_settings.default_display_protocol, pool.display_protocol_settings.allow_users_to_choose_protocol,
        pool.allow_multiple_user_assignments, pool.automatic_user_assignment })
      local list = table.concat(requests(), "\n")
      assert.matches(("GET /rest/inventory/v%d/desktop-pools/ID 200"):format(versions[1]), list, 1, true)
      assert.matches(("PUT /rest/inventory/v%d/desktop-pools/ID 204"):format(versions[2]), list, 1, true)
      l:stop()
    end
    start()
  end)

  it("changes the pool of several VMs once, in one session", function()
    start()
    local result = l:apply(playbook { where = "/DC0/vm/desk-*" })
    assert.equal("done", result.status)
    local puts = 0
    for _, one in ipairs(requests()) do if one:find "^PUT" then puts = puts + 1 end end
    local _, all = state "W11-GPU"
    assert.same({ 1, 2, 0 }, { puts, all.logins, all.sessions }) -- a login of the plan, one of the run
  end)

  it("refuses pools that cannot have desktops with a card of their own, with the reason and no change", function()
    start()
    for id, reason in pairs { clones = "an instant-clone pool: its machines are forked from one running VM", full = "an automated pool",
      farm = "a pool of a farm", physical = "that no vCenter manages", vgpu = "is for NVIDIA vGPUs", suspends = "cannot be suspended",
      odd = "has storage_settings, which a manual pool does not have", none = "has no desktop pool 'none'" } do
      local plan, message = l:plan(playbook { id = id })
      assert.is_nil(plan, id)
      assert.matches(reason, message, 1, true)
      assert.matches("desk-1: horizon.pool:", message, 1, true)
    end
    for _, one in ipairs(requests()) do assert.is_nil(one:find "^PUT", one) end
    local result = l:apply(playbook { id = "suspends", more = ', power_policy = "POWER_OFF"' })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("POWER_OFF", (state "suspends").session_settings.power_policy)
  end)

  it("renews an expired token once, logs in again when the session has ended, and waits when the server is busy", function()
    start()
    local session = require "gpupt.horizon.client"
    local function open()
      return assert(session.open { server = l.sim.ready.horizon, ca_file = l.sim.ready.ca_file, domain = "CORP", username = "vdi-admin",
        password = PASSWORD })
    end
    local cs <close> = open()
    control("POST", "expire")
    control("POST", "forget")
    assert(cs:get "/inventory/v5/desktop-pools")
    assert.same({ "GET /rest/inventory/v5/desktop-pools 401", "POST /rest/refresh 200", "GET /rest/inventory/v5/desktop-pools 200" }, requests())
    control("POST", "end")
    control("POST", "forget")
    assert(cs:get "/inventory/v5/desktop-pools")
    assert.same({ "GET /rest/inventory/v5/desktop-pools 401", "POST /rest/refresh 401", "POST /rest/login 200",
      "GET /rest/inventory/v5/desktop-pools 200" }, requests())
    control("POST", "busy?times=1")
    control("POST", "forget")
    assert(cs:get "/inventory/v5/desktop-pools")
    assert.same({ "GET /rest/inventory/v5/desktop-pools 429", "GET /rest/inventory/v5/desktop-pools 200" }, requests())
    local _, message, code = cs:get "/inventory/v5/desktop-pools/none"
    assert.same({ "ENOENT", true }, { code, message:find("HTTP 404: Desktop pool none does not exist", 1, true) ~= nil })
    assert.is_nil(tostring(cs):find(PASSWORD, 1, true))
  end)

  it("sends a wrong password once, whatever the number of VMs, and shows it nowhere", function()
    start()
    local plan, message, code = l:plan(playbook { where = "/DC0/vm/desk-*", password = "not-" .. PASSWORD })
    assert.is_nil(plan)
    assert.equal("InvalidLogin", code)
    assert.matches("refused the login as 'CORP\\vdi-admin' (HTTP 401: Authentication failed)", message, 1, true)
    assert.is_nil(message:find(PASSWORD, 1, true))
    local _, all = state "W11-GPU"
    assert.equal(1, all.logins)
  end)

  it("trusts the certificate by CA or thumbprint only", function()
    start()
    local result = l:apply((playbook { more = (', thumbprint = "%s"'):format(l.sim.ready.thumbprint_sha256) }:gsub('ca_file = "[^"]*",', "")))
    assert.equal("done", result.status, result.targets[1].message)
    for _, more in ipairs { "", ', thumbprint = "' .. ("00"):rep(32) .. '"' } do
      control("POST", "forget")
      local plan, _, code = l:plan((playbook { more = more }:gsub('ca_file = "[^"]*",', "")))
      assert.same({ nil, true }, { plan, code == "EUNTRUSTED" or code == "ETLS" })
      assert.same({}, requests())
    end
  end)

  it("looks what the pool is when the answer to the update is lost", function()
    start()
    control("POST", "lose?what=PUT%20desktop-pools")
    local result = l:apply(playbook())
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("MANAGE_BY_VSPHERE_CLIENT", (state "W11-GPU").display_protocol_settings.renderer3d)
  end)

  it("says what undo cannot take back", function()
    start()
    local journal = l.dir .. "/j.db"
    local done = l:command { "apply", l:write(playbook()), "--journal", journal }
    assert.equal(0, done.status, done.err)
    local undone = l:command { "undo", done.err:match "run (pool%-%S+)", "--journal", journal, "--dry-run" }
    assert.matches("pool W11%-GPU at https://127.0.0.1:%d+: renderer3d was DISABLED before", undone.out .. undone.err)
  end)

  it("refuses mistakes while the playbook is loaded", function()
    start()
    for message, o in pairs {
      ["must be DOMAIN\\user"] = { user = "vdi-admin@corp.example" },
      ["would send the password unencrypted"] = { server = "http://cs.example" },
      ["use the name of the Connection Server"] = { server = "https://cs.example/rest" },
      ["protocol = 'RDP' has no 3D"] = { more = ', protocol = "RDP"' },
      ["cannot be 'HARDWRE', only one of"] = { more = ', renderer3d = "HARDWRE"' },
    } do
      local ok, err = pcall(l.load, l, playbook(o))
      assert.is_false(ok, message)
      assert.matches(message, tostring(err), 1, true)
    end
    assert.same({}, requests())
  end)
end)
