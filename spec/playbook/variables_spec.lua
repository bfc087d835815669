-- The variables of a playbook: given values, declarations with p.vars, and secrets.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local kept = require "gpupt.playbook.kept"
local missing = require "gpupt.missing"
local names = require "gpupt.playbook.names"
local probe_of = require "spec.support.probe"
local vcenter = require "spec.support.vcenter"

local HOSTS = [[ return p.playbook { name = tostring(vars.site or "x"), p.hosts { where = "/DC0/host/*", p.host.enable {} } }]]

local BARE = [[ return p.playbook { name = "x", p.hosts { where = "/DC0/host/*", p.host.enable {} } }]]

-- Loads a playbook of these lines; nil, message, code.
local function load(text, vars, o)
  local path = os.tmpname()
  vcenter.write(path, 'local p = require "gpupt.playbook"\nlocal vars = vars\n' .. text)
  local pb, message, code = gpupt.playbook.load(path, vars, o)
  os.remove(path)
  return pb, message and message:gsub(path:gsub("%p", "%%%0"), "play.lua"), code
end

local function refused(text, wanted, vars, o)
  local pb, message, code = load(text, vars, o)
  assert.is_nil(pb)
  assert.matches(wanted, message, 1, true)
  return code
end

describe("a variable", function()
  it("has the given value, or else its default", function()
    assert.equal("lab", assert(load('vars = p.vars { site = { default = "lab" } }' .. HOSTS)).name)
    assert.equal("hq", assert(load('vars = p.vars { site = { default = "lab" } }' .. HOSTS, { site = "hq" })).name)
  end)

  it("without a default must be given", function()
    refused("vars = p.vars { site = {} }" .. HOSTS, "play.lua:3: p.vars: 'site' has no value. Give it with --var site=VALUE")
  end)

  it("is used without a declaration if nothing is declared", function()
    assert.equal("hq", assert(load(HOSTS, { site = "hq" })).name)
    refused("local _ = vars.sit" .. HOSTS, "play.lua:3: vars has no 'sit' (did you mean 'site'?)", { site = "hq" })
  end)

  it("that the playbook does not declare is refused, with the nearest name", function()
    assert.equal("EUSAGE", refused('vars = p.vars { site = { default = "lab" } }' .. HOSTS,
      "the playbook has no variable 'sites' (did you mean 'site'?)", { sites = "hq" }))
  end)

  it("is declared with known options, once, and only while the playbook is loaded", function()
    refused('vars = p.vars { site = { defualt = "x" } }' .. HOSTS, "unknown option 'defualt' (did you mean 'default'?)")
    refused('p.vars { a = { default = 1 } } p.vars { a = { default = 1 } }' .. HOSTS, "a is declared twice")
    refused('p.vars { ["a-b"] = {} }' .. HOSTS, "'a-b' is not a valid variable name")
    refused('p.vars { a = 1 }' .. HOSTS, "a must be a table, for example a = { default = ... }")
    assert.has_error(function() gpupt.playbook.vars {} end)
  end)

  it("cannot be set by the playbook", function()
    refused('vars.site = "x"' .. HOSTS, "vars.site cannot be set in a playbook. Write local site")
  end)
end)

describe("a secret variable", function()
  local SECRET = "c0rrect-Horse"

  it("is recognized by its declaration, its default, its given value, or its name", function()
    local pb = assert(load([[vars = p.vars { a = { secret = true }, b = { default = p.secret.env "HOME" }, c = { default = 1 } }
      assert(vars.a:read() == "]] .. SECRET .. [[" and vars.b:read() == os.getenv "HOME" and vars.c == 1)]] .. BARE,
      { a = SECRET }))
    assert.equal("secret", missing.reason(pb.vars.a))
    assert.is_nil(pb.vars.b, "a secret that was not given has its source in the playbook")
    pb = assert(load("assert(vars.x:read() == os.getenv 'HOME')" .. BARE, { x = gpupt.playbook.secret.env "HOME" }))
    assert.equal("secret", missing.reason(pb.vars.x))
    pb = assert(load("assert(vars.admin_password:read() == 'x')" .. BARE, { admin_password = "x" }))
    assert.equal("secret", missing.reason(pb.vars.admin_password))
    pb = assert(load("vars = p.vars { key = { secret = false } } assert(vars.key == 'x')" .. BARE, { key = "x" }))
    assert.equal("x", pb.vars.key)
  end)

  it("may be declared in p.playbook, after it was read", function()
    local text = [[local _ = vars.word
      return p.playbook { name = "x", vars = { word = { secret = true } }, p.hosts { where = "/x", p.host.enable {} } }]]
    assert.equal("secret", missing.reason(assert(load(text, { word = SECRET })).vars.word))
    assert.equal("EUSAGE", refused(text, "--var word=...: a secret must not be on the command line", { word = SECRET },
      { argv = { word = true } }))
    refused(text:gsub("secret = true", "default = 1"), "defaults must be declared with p.vars at the top", { word = SECRET })
  end)

  it("by its name is accepted on a command line if it is declared as no secret", function()
    local pb = assert(load("vars = p.vars { key = { secret = false } }" .. BARE, { key = "x" }, { argv = { key = true } }))
    assert.equal("x", pb.vars.key)
  end)

  it("may be passed to p.login and p.answer unchanged, or with a callback", function()
    for _, how in ipairs { "vars.password", "p.secret.callback(function() return vars.password end)" } do
      assert(load(([[
        local password = %s
        return p.playbook { name = "x", p.vms { name = "vm", login = p.login("u", password),
          p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "9 GiB" },
          p.os.install { iso = "[ds] a.iso", answer = p.answer.windows { computer_name = "X", password = password,
            image = 2 } } } }]]):format(how), { password = SECRET }))
    end
  end)

  it("cannot be concatenated with a string", function()
    refused('local _ = "a" .. vars.password' .. BARE, "(secret of vars.password) cannot be concatenated",
      { password = SECRET })
    refused('local _ = vars.password .. "a"' .. BARE, "get its text with :read()", { password = SECRET })
  end)

  it("must not be written in the playbook", function()
    refused('p.vars { a = { secret = true, default = "hunter2" } }' .. BARE, "a secret must not be written in the playbook")
    refused('p.vars { password = { default = "hunter2" } }' .. BARE, "a secret must not be written in the playbook")
    refused('p.vars { a = { secret = false, default = p.secret.env "X" } }' .. BARE,
      "secret = false, but its default is a secret")
  end)

  it("is refused on a command line, declared or not, read or not", function()
    for _, text in ipairs { "vars = p.vars { a = { secret = true } }", "local _ = vars.password", "" } do
      local vars = text:find "p.vars" and { a = SECRET } or { password = SECRET }
      local code, message = refused(text .. BARE, "--var-file FILE", vars, { argv = { a = true, password = true } })
      assert.equal("EUSAGE", code)
      assert.is_nil(message)
    end
  end)

  it("by its name contains password, token, key and so on, but does not just describe a secret", function()
    for _, name in ipairs { "password", "adminPassword", "ADMIN_PASSWD", "db_pw", "apiToken", "api_key", "product_key",
      "secret", "client_secret2", "keys", "ssh_passphrase", "joinpassword", "pin", "credentials" } do
      assert.is_true(names.looks_secret(name), name)
    end
    for _, name in ipairs { "site", "keyboard", "monkey", "public_key", "ssh_public_key", "password_file", "token_url",
      "key_name", "password_length", "spinner", "opinion", "user", "passthrough" } do
      assert.is_false(names.looks_secret(name), name)
    end
  end)

  it("without a value is refused before a run starts, but not by a plan", function()
    local probe = probe_of.start()
    local path = probe:write "local vars = p.vars { password = { secret = true } }\nlocal secret = vars.password\n"
    assert.equal(0, probe.l:command({ "plan", path }).status)
    probe.l.sim:forget()
    local result = probe.l:command { "apply", path, "--journal", probe.dir .. "/j.db" }
    assert.equal(1, result.status)
    assert.matches("gpupt: vars.password is a secret and has no value. Give it with --var-file FILE", result.err, 1, true)
    assert.is_nil(probe:got())
    assert.equal("no runs yet\n", probe.l:command({ "status", "--journal", probe.dir .. "/j.db" }).out)
    probe:stop()
  end)
end)

describe("an omitted value", function()
  it("has a form in JSON that no string and no other table has", function()
    local values = { a = missing.new "secret", b = '{ "$missing": "secret" }', c = { ["$missing"] = "secret" },
      d = "(not kept)", e = "\xff\0", f = { ["$bytes"] = "00" }, g = { 1, { ["$$x"] = true } }, h = 1.5 }
    local text = assert(json.encode(kept.variables(values)))
    local back = kept.restore(json.decode(text), true)
    assert.equal("secret", missing.reason(back.a))
    for _, name in ipairs { "b", "c", "d", "e", "f", "g", "h" } do assert.same(values[name], back[name]) end
  end)

  it("is recognized in files of an earlier release", function()
    local back = kept.restore({ a = "(not kept)", b = "(function)", c = "lab", d = "(secret of the variable X)" }, false)
    assert.same({ "secret", "function", "secret" }, { missing.reason(back.a), missing.reason(back.b),
      missing.reason(back.d) })
    assert.equal("lab", back.c)
  end)

  it("cannot be used as a value", function()
    local gone = missing.new "secret"
    for name, use in pairs {
      index = function() return gone.x end, call = function() return gone() end, concat = function() return "" .. gone end,
      tostring = function() return tostring(gone) end, length = function() return #gone end, add = function() return gone + 1 end,
      less = function() return gone < gone end, pairs = function() return pairs(gone) end,
      set = function() gone.x = 1 end, format = function() return ("%s"):format(gone) end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok, name)
      assert.matches("this value was omitted (it is a secret, which is never stored)", message, 1, true)
    end
  end)

  it("that is not a secret must be given again when the playbook reads it", function()
    local vars = { site = missing.new "function" }
    assert.equal("EVARS", refused(HOSTS, "vars.site was not stored when run x was started", vars, { since = "run x was started" }))
  end)
end)
