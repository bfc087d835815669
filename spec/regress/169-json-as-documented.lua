--- The shapes of --json and --events were documented nowhere, so they could change without a word. docs/guide/json.md lists
-- the fields; real output may have no others, and has those that are never absent.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

-- heading -> set of the fields in its table
local function documented()
  local shapes, current = {}, nil
  for line in vcenter.read "docs/guide/json.md":gmatch "[^\n]+" do
    local name = line:match "^## (%w+)"
    if name then
      current = {}
      shapes[name] = current
    end
    local field = line:match "^| `([%w_.%[%]]+)` |"
    if field and current then current[field] = true end
  end
  return shapes
end

describe("JSON output", function()
  local l, play, shapes

  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1" } } } } }
    play = l:write [[return p.playbook { name = "x",
      p.hosts { where = "/DC0/host/*", devices = p.gpus { match = "10de:*" }, p.host.enable {} } }]]
    shapes = documented()
  end)
  teardown(function() l:stop() end)

  --- Every field of the object is documented under `name`, or is below a field that is; `needed` are there.
  local function check(name, object, needed)
    local shape = assert(shapes[name], name)
    local function walk(value, prefix)
      for key, one in pairs(value) do
        local field = prefix .. key
        local list = field .. "[]"
        if not shape[field] and not shape[list] then
          assert.equal("table", type(one), name .. ": " .. field .. " is not documented")
          local inner = #one > 0 and one or { one }
          local below = #one > 0 and list .. "." or field .. "."
          local known = false
          for documented_field in pairs(shape) do
            known = known or documented_field:sub(1, #below) == below or documented_field:sub(1, #list) == list
          end
          assert.is_true(known, name .. ": " .. field .. " is not documented")
          for _, entry in ipairs(inner) do walk(entry, below) end
        end
      end
    end
    walk(object, "")
    for _, field in ipairs(needed) do assert.is_not_nil(object[field], name .. ": " .. field) end
  end

  local function out(words, status)
    local result = l:command(words)
    assert.equal(status or 0, result.status, result.err)
    return result.out
  end

  it("of plan, events, apply, status, gpus, doctor and errors has the documented fields only", function()
    check("error", json.decode(out({ "plan", "--json" }, 2)), { "error" })
    check("plan", json.decode(out { "plan", play, "--json" }), { "playbook", "changes", "allow" })
    check("gpus", json.decode(out { "gpus", "--json" }), { "hosts", "cards", "left_out", "dynamic", "elsewhere" })
    local kinds = {}
    for line in out({ "apply", play, "--allow", "reboot", "--events", "--journal", l.dir .. "/a.db" }):gmatch "[^\n]+" do
      local event = assert(json.decode(line))
      check("events", event, { "kind", "run", "time" })
      kinds[event.kind] = true
    end
    for _, kind in ipairs { "begin", "step", "note", "proved", "changed" } do assert.is_true(kinds[kind], kind) end
    check("status", json.decode(out { "status", "x", "--json", "--journal", l.dir .. "/a.db" }), { "run", "targets", "claims",
      "rows" })
    l.sim:post("set", { host = "esx-1", card = { address = "0000:3b:00.0", enabled = false, active = false } })
    check("apply", json.decode(out { "apply", play, "--allow", "reboot", "--json", "--journal", l.dir .. "/b.db" }),
      { "id", "status", "targets" })
    check("apply", json.decode(out { "apply", play, "--json" }), { "status", "targets" })
    vcenter.write(l.dir .. "/a.vmx", 'firmware = "bios"\npciPassthru0.present = "TRUE"\n')
    check("doctor", json.decode(out({ "doctor", "--vmx", l.dir .. "/a.vmx", "--json" }, 1)), { "verdict", "healthy", "findings",
      "looked_at", "not_understood" })
  end)
end)
