-- A plan file may be damaged, truncated, edited or written by another program: then it is refused with a message. Whatever
-- it contains, nothing is raised, and its playbook is executed only if the file names the same code as before.
-- GPUPT_FUZZ_SECONDS: how long to run.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local probe_of = require "spec.support.probe"
local saved = require "gpupt.playbook.saved"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local seconds = tonumber(os.getenv "GPUPT_FUZZ_SECONDS")

describe("a plan file", function()
  local probe, file, text, content, seed

  setup(function()
    probe = probe_of.start()
    local path = probe:write("dofile '" .. probe:file("library.lua", "return 1\n") .. "'\n"
      .. "local vars = p.vars { site = { default = 'x' }, word = { secret = true }, list = { default = {} } }\n"
      .. "local secret = vars.word\n")
    file = probe.dir .. "/a.plan"
    local pb = gpupt.check(gpupt.playbook.load(path, { site = "lab", word = "hunter2", list = { 1, { a = true } } }))
    gpupt.check(gpupt.check(pb:plan(probe.l:client())):save(file))
    text = vcenter.read(file)
    content = assert(json.decode(text))
    seed = os.time()
    math.randomseed(seed)
    probe.l.sim:forget()
  end)
  teardown(function() probe:stop() end)

  local function wrong(what, case)
    vcenter.write("/tmp/gpupt-plan-file.case", case)
    error(("%s (seed %d; the plan file is in /tmp/gpupt-plan-file.case)"):format(what, seed), 0)
  end

  -- The playbook of this plan file, or nil, message, code; raises if that raises, or if refused code was executed.
  local function load(case)
    vcenter.write(file, case)
    os.remove(probe.dir .. "/loaded")
    local ok, pb, message, code = pcall(gpupt.playbook.load_plan, file, { word = "hunter2" })
    if not ok then wrong("load_plan raised: " .. tostring(pb), case) end
    if pb then return pb end
    if type(message) ~= "string" or type(code) ~= "string" then wrong("refused without words", case) end
    -- the playbook itself may refuse its variables; otherwise it was not executed
    local by_playbook = code == "EPLAYBOOK" or code == "EUSAGE" or code == "EVARS"
    if probe:loaded() and not by_playbook then wrong("refused, and the playbook has run: " .. message, case) end
    return nil, message, code
  end

  local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
    for name, value in pairs(a) do if not same(value, b[name]) then return false end end
    for name in pairs(b) do if a[name] == nil then return false end end
    return true
  end

  it("is read back unchanged", function()
    local pb = assert(load(text))
    assert.is_true(probe:loaded())
    assert.same({ "lab", { 1, { a = true } } }, { pb.vars.site, pb.vars.list })
  end)

  local function byte_mutation()
    local kind, at = math.random(6), math.random(#text)
    local length = math.random(math.random(1, 40))
    local before, after = text:sub(1, at - 1), text:sub(at + length)
    if kind == 1 then return before .. string.char(math.random(0, 255)) .. text:sub(at + 1) end
    if kind == 2 then return before .. after end
    if kind == 3 then return before end
    if kind == 4 then return before .. text:sub(at, at + length) .. text:sub(at) end
    local from = math.random(#text)
    if kind == 5 then return before .. text:sub(from, from + length) .. after end
    local odd = { "null", '""', "{}", "[]", "-1", "1e308", "true", "\0", '"', "\xff", "\\u0000", ("["):rep(300), "{" }
    return before .. odd[math.random(#odd)] .. after
  end

  it("with missing, added or changed bytes is refused, unless its content is the same", function()
    local till, count, taken = os.time() + (seconds or 0), 0, 0
    repeat
      local case = byte_mutation()
      local pb = load(case)
      if pb then
        taken = taken + 1
        if not same(json.decode(case), content) then wrong("a changed plan was taken", case) end
      end
      count = count + 1
    until count >= 3000 and os.time() >= till
    print(("# %d mutated plan files, %d of them had the same content"):format(count, taken))
  end)

  local function deep(levels)
    local value = "x"
    for _ = 1, levels do value = { value } end
    return value
  end

  local odd = { json.null, true, false, 0, -1, 1.5, 1e308, math.maxinteger, "", "x", "\0", ("x"):rep(10000), "(not kept)",
    json.array {}, {}, { 1 }, { ["$missing"] = "secret" }, { ["$missing"] = 1 }, { ["$bytes"] = "zz" },
    { path = "/etc/passwd", hash = ("0"):rep(64) }, { { path = "/etc/passwd", hash = ("0"):rep(64) } }, deep(60) }

  -- A copy in which one random value is replaced, removed or duplicated.
  local function structural_mutation(value, depth)
    if type(value) ~= "table" or value == json.null or next(value) == nil or math.random() < 0.25 * depth then
      return odd[math.random(#odd)]
    end
    local names = {}
    for name in pairs(value) do names[#names + 1] = name end
    table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
    local copy = {}
    for name, one in pairs(value) do copy[name] = one end
    local name = names[math.random(#names)]
    local how = math.random(8)
    if how == 1 and type(name) == "string" then copy[name] = nil
    elseif how == 2 then copy[type(name) == "string" and name .. "x" or #copy + 1] = copy[name]
    else copy[name] = structural_mutation(value[name], depth + 1) end
    return #value > 0 and json.array(copy) or copy
  end

  -- Whether the files are those of the plan; a duplicated or missing entry does not name other code.
  local function same_code(changed)
    local known = {}
    for _, one in ipairs(content.files) do known[one.path] = one.hash end
    for i, one in ipairs(changed.files) do if i > 1 and known[one.path] ~= one.hash then return false end end
    return changed.hash == content.hash and changed.files[1].hash == content.hash -- its path is that of `playbook`
  end

  it("that was edited and sealed again never executes another playbook, and never raises", function()
    local till, count, taken = os.time() + (seconds or 0), 0, 0
    repeat
      local changed = structural_mutation(content, 0)
      local case
      if type(changed) == "table" and changed ~= json.null then
        changed.seal = saved.seal(changed)
        case = json.encode(changed)
      else
        case = json.encode { changed }
      end
      if case then
        local pb = load(case)
        if not pb and probe:loaded() and not same_code(changed) then
          wrong("another playbook was executed", case)
        end
        if pb then
          taken = taken + 1
          if not same_code(changed) then
            wrong("another playbook was taken", case)
          end
          if count % 50 == 0 then
            local ok, plan = pcall(pb.plan, pb, probe.l:client(), { limit = pb.saved.limit })
            if not ok then wrong("plan raised: " .. tostring(plan), case) end
            -- no plan: it was refused, because a guard or the limit is another one
            local compared, fits = true, false
            if plan then compared, fits = pcall(saved.compare, plan, pb.saved) end
            if not compared then wrong("compare raised: " .. tostring(fits), case) end
            if fits and not (same(changed.guards, content.guards) and same(changed.limit, content.limit)) then
              wrong("a plan with other guards fits", case)
            end
          end
        end
        count = count + 1
      end
    until count >= 2000 and os.time() >= till
    print(("# %d edited plan files, %d of them loaded"):format(count, taken))
    assert.same({}, probe.l:changing())
  end)

  it("of another release is refused, with what to do", function()
    local changed = { format = "gpupt plan 1", playbook = content.playbook, hash = content.hash,
      vars = { password = "(not kept)" }, guards = {} }
    local pb, message, code = load(json.encode(changed))
    assert.is_nil(pb)
    assert.equal("EVERSION", code)
    assert.matches("is a plan file of another gpupt release (gpupt plan 1; this one reads gpupt plan 2): create a new plan", message,
      1, true)
  end)

  it("that would now make other changes is refused by apply", function()
    local changed = json.decode(text)
    changed.changes[1].what = "something else"
    changed.seal = saved.seal(changed)
    vcenter.write(file, json.encode(changed))
    local result = probe.l:command { "apply", file, "--journal", probe.dir .. "/j.db", "--var-file",
      probe:file("vars", "word = hunter2\n") }
    assert.equal(1, result.status)
    assert.matches("the plan would now contain different changes: create a new plan\n  new: ~ h1: probe.note: note the secret",
      result.err, 1, true)
  end)

  it("cannot be applied with other variables", function()
    vcenter.write(file, text)
    local result = probe.l:command { "apply", file, "--var", "site=hq" }
    assert.equal(2, result.status)
    assert.matches("vars.site is part of the plan and cannot be changed: create a new plan", result.err, 1, true)
    result = probe.l:command { "apply", file, "--var", "list=2", "--var-file", probe:file("vars", "word = hunter2\n") }
    assert.equal(2, result.status)
    assert.matches("vars.list is part of the plan", result.err, 1, true)
    result = probe.l:command { "apply", file, "--var-file", probe:file("vars", "word = hunter2\nsite = lab\nother = 1\n") }
    assert.equal(2, result.status)
    assert.matches("the playbook has no variable 'other'", result.err, 1, true)
  end)

  it("made without a secret accepts it at apply, but no other new variable", function()
    local path = probe:write("local vars = p.vars { site = { default = 'x' }, word = { secret = true } }\n"
      .. "local secret = vars.word\n")
    local planned = probe.l:command { "plan", path, "--out", file }
    assert.equal(0, planned.status, planned.err)
    local result = probe.l:command { "apply", file, "--var", "site=hq" }
    assert.equal(2, result.status)
    assert.matches("vars.site was not set when the plan was created: create a new plan", result.err, 1, true)
    probe:clear()
    result = probe.l:command { "apply", file, "--var-file", probe:file("vars", "word = hunter2\n"), "--journal",
      probe.dir .. "/word.db" }
    assert.equal(0, result.status, result.err)
    assert.equal("hunter2", probe:got())
  end)

  it("and the note of a run in the journal may be damaged too", function()
    local journal = require "gpupt.playbook.journal"
    local book = assert(store.open ":memory:")
    local note = { kept = 2, vars = content.vars, files = content.files, limit = "x", allow = json.array {}, name = "n" }
    for i = 1, 500 do
      local changed = structural_mutation(note, 0)
      local case = i % 5 == 0 and byte_mutation():gsub("%z", "") or json.encode(changed) or "{}"
      assert(book:begin { id = "r" .. i, playbook = content.playbook, hash = content.hash, note = (case:gsub("%z", "")) })
      assert(book:append { run = "r" .. i, kind = "load", what = "/x", detail = case:sub(1, 200):gsub("%z", "") })
      local ok, read = pcall(function()
        local found = journal.read_note(book, journal.find(book, "r" .. i))
        os.remove(probe.dir .. "/loaded")
        return gpupt.playbook.load(content.playbook, found.vars, { expect = found.expect, since = found.since })
      end)
      if not ok then wrong("a damaged note raised: " .. tostring(read), case) end
    end
    book:close()
  end)
end)
