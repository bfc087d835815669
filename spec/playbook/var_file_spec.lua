-- Variable files: --var-file.
local probe_of = require "spec.support.probe"
local var_file = require "gpupt.playbook.var_file"
local vcenter = require "spec.support.vcenter"

local SECRET = "hunter2"

describe("a variable file", function()
  it("has lines NAME = VALUE, comments and empty lines", function()
    assert.same({ site = "lab", password = 'correct "horse" # = x', empty = "", quoted = "  a\n\u{e9}\\ " },
      var_file.parse("\xEF\xBB\xBF# a comment\n\n  site = lab  \r\npassword=correct \"horse\" # = x\nempty =\n"
        .. [[quoted = "  a\n\u00e9\\ "]], "f"))
  end)

  it("or is one JSON object of strings, numbers and booleans", function()
    assert.same({ a = "x", b = 2, c = true }, var_file.parse(' {"a": "x", "b": 2, "c": true}', "f"))
  end)

  for what, one in pairs {
    ["a line without ="] = { "site\n" .. SECRET, "f:1: is not NAME = VALUE" },
    ["a bad name"] = { "a=1\nmy-" .. SECRET .. " = x", "f:2: is not NAME = VALUE" },
    ["a name that is given twice"] = { "a = 1\na = " .. SECRET, "f:2: 'a' is given twice" },
    ["an open quote"] = { 'a = "' .. SECRET, "f:1: the quoted value of 'a' is not a valid JSON string" },
    ["text after the quotes"] = { 'a = "x" ' .. SECRET, "f:1: the quoted value" },
    ["two quoted texts"] = { 'a = "x", "' .. SECRET .. '"', "f:1: the quoted value" },
    ["a zero byte"] = { "a = \0" .. SECRET, "f: contains a NUL byte" },
    ["broken JSON"] = { '{ "a": ' .. SECRET .. " }", "f: is not valid JSON (line 1, column 13)" },
    ["JSON with a list"] = { '{ "a": ["' .. SECRET .. '"] }', "f: 'a' must be a string, a number or a boolean" },
    ["JSON with null"] = { '{ "a": null }', "f: 'a' must be a string, a number or a boolean" },
    ["JSON with an odd name"] = { ('{ "a-%s": "x" }'):format(SECRET), "f: contains an invalid variable name" },
    ["JSON twice"] = { '{ "a": "x", "a": "y" }', "f: is not valid JSON" },
  } do
    it("is refused for " .. what .. ", without repeating its content", function()
      local values, message, code = var_file.parse(one[1], "f")
      assert.is_nil(values)
      assert.equal("EVARFILE", code)
      assert.matches(one[2], message, 1, true)
      assert.is_nil(message:find(SECRET, 1, true))
    end)
  end

  describe("on the command line", function()
    local probe, path
    setup(function()
      probe = probe_of.start()
      path = probe:write "local secret = vars.password\n"
    end)
    teardown(function() probe:stop() end)
    before_each(function() probe:clear() end)

    local function apply(...)
      return probe.l:command { "apply", path, "--journal", probe.dir .. "/j.db", ... }
    end

    it("provides the secret of a playbook", function()
      local result = apply("--var-file", probe:file("vars", "password = " .. SECRET .. "\n"))
      assert.equal(0, result.status, result.err)
      assert.equal(SECRET, probe:got())
      assert.is_nil((result.out .. result.err):find(SECRET, 1, true))
    end)

    it("may be a pipe of the same user", function()
      assert(os.execute(("mkfifo -m 600 %s/fifo && (echo password=%s >%s/fifo &)"):format(probe.dir, SECRET, probe.dir)))
      local result = apply("--var-file", probe.dir .. "/fifo")
      assert.equal(0, result.status, result.err)
      assert.equal(SECRET, probe:got())
    end)

    for _, mode in ipairs { "644", "640", "606", "620" } do
      it("is refused if its mode is " .. mode, function()
        local file = probe:file("open", "password = " .. SECRET .. "\n", mode)
        local result = apply("--var-file", file)
        assert.equal(1, result.status)
        assert.matches(("gpupt: --var-file %s: others may read or write it (mode 0%s); run chmod 600 on it"):format(file,
          mode), result.err, 1, true)
        assert.is_nil(probe:got())
      end)
    end

    it("is refused if it belongs to another user", function()
      if (vcenter.shell "id -u"):match "%d+" ~= "0" then return pending "only root can make such a file" end
      local file = probe:file("foreign", "password = " .. SECRET .. "\n")
      assert(os.execute("chown 12345 " .. file))
      assert.matches("belongs to another user", apply("--var-file", file).err, 1, true)
    end)

    it("is refused if it is missing, a folder or too large", function()
      assert.matches("No such file", apply("--var-file", probe.dir .. "/none").err, 1, true)
      assert.matches("not a file", apply("--var-file", "/tmp").err, 1, true)
      local file = probe:file("large", "password = " .. ("x"):rep(1 << 20) .. "\n")
      assert.matches("larger than 1 MiB", apply("--var-file", file).err, 1, true)
    end)

    it("is refused if a variable is given twice", function()
      local file = probe:file("vars", "site = a\n")
      local result = apply("--var", "site=b", "--var-file", file)
      assert.equal(2, result.status)
      assert.matches("'site' is given twice", result.err, 1, true)
    end)
  end)
end)
