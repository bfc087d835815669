-- per = "rack" knew custom attributes only; most sites use tags, which are read over REST. They are read in a session of
-- their own, which ends; what cannot be read is said, and no group is guessed.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local function playbook(per)
  return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:20b5" },
    roll = { unavailable = { "2/cluster", "1/rack" }, per = "%s" }, p.host.enable {} } }]]):format(per)
end

describe("per by a tag category", function()
  local l
  after_each(function() l:stop() end)

  -- A request of another client; gives the answer's value.
  local function rest(method, path, body, id)
    local ready = l.sim.ready
    local auth = id and ("-H 'vmware-api-session-id: %s'"):format(id) or ("-u '%s:%s'"):format(ready.username, ready.password)
    local text, ok = vcenter.shell(("curl -sS -f --cacert '%s' %s -X %s -H 'Content-Type: application/json' -d '%s' '%s/rest/com/vmware/cis/%s'")
      :format(ready.ca_file, auth, method, body and json.encode(body) or "", ready.url:gsub("/sdk$", ""), path))
    assert.is_true(ok, path .. " " .. text)
    local value = json.decode(text)
    return value and value.value
  end

  -- Tags the hosts: { ["a-1"] = { "r1" } }
  local function tag(category, of_host)
    local id = rest("POST", "session")
    local made = rest("POST", "tagging/category", { create_spec = { name = category, description = "", cardinality = "MULTIPLE",
      associable_types = { "HostSystem" } } }, id)
    local tags = {}
    for host, names in pairs(of_host) do
      for _, name in ipairs(names) do
        tags[name] = tags[name] or rest("POST", "tagging/tag", { create_spec = { name = name, description = "", category_id = made } }, id)
        local ref = assert(l.vc:one("/DC0/host/gpu-a/" .. host))
        rest("POST", ("tagging/tag-association/id:%s?~action=attach"):format(tags[name]),
          { object_id = { id = ref.value, type = "HostSystem" } }, id)
      end
    end
    rest("DELETE", "session", nil, id)
  end

  local function start(more, flags)
    local fleet = { clusters = { { name = "gpu-a", max_away = 2, hosts = { lab.host "a-1", lab.host "a-2", lab.host "a-3",
      lab.host "a-4" } } } }
    for name, value in pairs(more or {}) do fleet[name] = value end
    l = lab.start { speed = 300, fleet = fleet, flags = flags }
    l:client()
  end

  it("takes one host of a rack at a time, and leaves no session", function()
    start()
    tag("floor", { ["a-1"] = { "f1" } })
    tag("rack", { ["a-1"] = { "r1" }, ["a-2"] = { "r1" }, ["a-3"] = { "r2" }, ["a-4"] = { "r2" } })
    local before = l.sim:get "sessions".sessions
    local text = tostring(gpupt.check(l:plan(playbook "rack")))
    assert.matches("1 of 2 hosts of rack r1, 1 of 2 hosts of rack r2", text, 1, true)
    assert.equal(before, l.sim:get "sessions".sessions)
    assert.equal("done", l:apply(playbook "tag:rack", { allow = { "reboot" } }).status)
    local rack, out, most = { ["a-1"] = 1, ["a-2"] = 1, ["a-3"] = 2, ["a-4"] = 2 }, {}, { 0, 0 }
    for _, event in ipairs(l.sim:get "truth".timeline) do
      if event.kind == "maintenance-begin" then out[event.host] = true end
      if event.kind == "maintenance-exit" then out[event.host] = nil end
      local now = { 0, 0 }
      for host in pairs(out) do now[rack[host]] = now[rack[host]] + 1 end
      most = { math.max(most[1], now[1]), math.max(most[2], now[2]) }
    end
    assert.same({ 1, 1 }, most)
  end)

  it("sends the password to no trace", function()
    start()
    tag("rack", { ["a-1"] = { "r1" }, ["a-2"] = { "r1" }, ["a-3"] = { "r2" }, ["a-4"] = { "r2" } })
    local trace = l.dir .. "/trace"
    local done = l:command({ "plan", l:write(playbook "tag:rack") }, { env = { GPUPT_TRACE = trace } })
    assert.equal(0, done.status, done.err)
    local text = vcenter.read(trace)
    assert.matches("GET /api/cis/tagging/category", text, 1, true)
    for _, word in ipairs { l.sim.ready.password, "Basic", "session-id" } do
      assert.is_nil(text:find(word, 1, true), word)
    end
  end)

  it("reads the older paths of a vSphere before 8.0", function()
    start(nil, "-version 7.0.3.0")
    tag("rack", { ["a-1"] = { "r1" }, ["a-2"] = { "r1" }, ["a-3"] = { "r2" }, ["a-4"] = { "r2" } })
    local trace = l.dir .. "/trace"
    local done = l:command({ "plan", l:write(playbook "rack") }, { env = { GPUPT_TRACE = trace } })
    assert.equal(0, done.status, done.err)
    assert.matches("1 of 2 hosts of rack r1, 1 of 2 hosts of rack r2", done.out, 1, true)
    assert.matches("GET /rest/com/vmware/cis/tagging/category", vcenter.read(trace), 1, true)
    assert.is_nil(vcenter.read(trace):find(l.sim.ready.password, 1, true))
  end)

  it("names hosts without a tag of the category, and with two", function()
    start()
    tag("rack", { ["a-1"] = { "r1" }, ["a-2"] = { "r1", "r2" }, ["a-3"] = { "r2" } })
    local plan, message = l:plan(playbook "rack")
    assert.is_nil(plan)
    assert.matches("roll: a-2 has 2 tags of the category 'rack' (r1, r2), and must have one", message, 1, true)
    assert.matches("roll: a-4 has no tag of the category 'rack'", message, 1, true)
  end)

  it("is refused, with the reason, if there is no such category or tags cannot be read", function()
    start()
    local plan, message = l:plan(playbook "rack")
    assert.is_nil(plan)
    assert.matches("per = 'rack': hosts have no custom attribute of this name, and tags are no help: vCenter has no tag category "
      .. "'rack' that the account may read (it has none)", message, 1, true)
    assert.same({}, l:changing())
    tag("site", {})
    plan, message = l:plan(playbook "tag:rack")
    assert.is_nil(plan)
    assert.matches("per = 'tag:rack': vCenter has no tag category 'rack' that the account may read (it has site)", message, 1, true)
  end)

  it("is refused for an ESXi host, and for a login without a password", function()
    l = lab.start { speed = 300, fleet = { endpoint = "esxi", clusters = { { name = "x", hosts = { lab.host "esx-1" } } } } }
    local plan, message = l:plan((playbook("rack"):gsub("/DC0/host", "/ha-datacenter/host")))
    assert.is_nil(plan)
    assert.matches("has no tags: it is no vCenter, or does not serve /api/session", message, 1, true)
    l:stop()
    start()
    local token = l.dir .. "/token"
    vcenter.write(token, l.sim:post("token", { user = l.sim.ready.username }).token)
    os.execute("chmod 600 " .. token)
    local done = l:command({ "plan", l:write(playbook "tag:rack"), "--token-file", token }, { env = { GOVC_USERNAME = false, GOVC_PASSWORD = false } })
    assert.equal(1, done.status, done.err)
    assert.matches("tags are read with a user name and a password, and this login has a token or a ticket", done.err, 1, true)
  end)
end)
