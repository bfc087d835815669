local args = require "gpupt.cli.args"

local command = {
  name = "bar", usage = "bar CARD...", summary = "The window.",
  options = {
    { "rule", "RULE", choices = { "min", "safe", "seed" }, default = "safe", doc = "how it is sized" },
    { "json", doc = "machine-readable" },
    { "var", "K=V", many = true, doc = "a variable" },
    { "dry-run", short = "n", doc = "only show" },
  },
}
local function parse(...) return args.parse(command, { ... }) end

describe("a command line", function()
  it("splits options from words, in any order", function()
    local options, words = parse("2x10de:20b5", "--rule", "min", "1x10de:1eb8", "--json")
    assert.same({ rule = "min", json = true }, options)
    assert.same({ "2x10de:20b5", "1x10de:1eb8" }, words)
  end)

  it("reads --name=value, collects repeated options, turns dashes into underscores", function()
    local options = parse("--rule=seed", "--var", "a=1", "--var=b=2", "-n")
    assert.same({ rule = "seed", var = { "a=1", "b=2" }, dry_run = true }, options)
  end)

  it("treats everything after -- and a single - as words", function()
    local options, words = parse("-", "--", "--json")
    assert.same({ rule = "safe" }, options)
    assert.same({ "-", "--json" }, words)
  end)

  it("names the nearest option for an unknown one", function()
    local nothing, message = parse("--rul=min")
    assert.is_nil(nothing)
    assert.equal("unknown option '--rul' (did you mean '--rule'?)", message)
  end)

  it("refuses a missing value, a value for a flag, and a choice that does not exist", function()
    assert.equal("--rule needs a value: --rule RULE", select(2, parse "--rule"))
    assert.equal("--json takes no value", select(2, parse "--json=yes"))
    assert.equal("--rule cannot be 'maximum', only one of min, safe, seed", select(2, parse("--rule", "maximum")))
  end)

  it("has a help page with each option and its default", function()
    local text = args.help(command)
    assert.matches("usage: gpupt bar CARD", text)
    assert.matches("%-%-rule RULE +how it is sized %[safe%]", text)
  end)
end)

describe("the gpupt command", function()
  local function gpupt(words)
    local out = os.tmpname()
    local pipe = assert(io.popen("bin/gpupt " .. words .. " 2>" .. out))
    local stdout = pipe:read "a"
    local _, _, status = pipe:close()
    local file = assert(io.open(out))
    local stderr = file:read "a"
    file:close()
    os.remove(out)
    return status, stdout, stderr
  end

  it("prints its overview, without a command on stderr with status 2", function()
    local status, stdout, stderr = gpupt ""
    assert.equal(2, status)
    assert.equal("", stdout)
    assert.matches("usage: gpupt COMMAND", stderr)
    status, stdout = gpupt "--help"
    assert.equal(0, status)
    assert.matches("usage: gpupt COMMAND", stdout)
  end)

  it("refuses an unknown command with status 2", function()
    local status, stdout, stderr = gpupt "frobnicate"
    assert.equal(2, status)
    assert.equal("", stdout)
    assert.matches("gpupt: unknown command 'frobnicate'", stderr)
  end)

  it("prints its version", function()
    local status, stdout = gpupt "--version"
    assert.equal(0, status)
    assert.matches("^gpupt %d+%.%d+", stdout)
  end)
end)
