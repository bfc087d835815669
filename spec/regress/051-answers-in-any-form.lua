--- The hand-written parsers of answer files did not parse flow style, treated aliases and tags as texts, accepted a second
-- document and a key after a merge, and did not read UTF-16; their messages named no file.
local answer = require "gpupt.guest.answer"

local function problems(text, name)
  local list = answer.problems(name and { [name] = text } or { ["user-data"] = "#cloud-config\n" .. text, ["meta-data"] = "" })
  local codes = {}
  for i, problem in ipairs(list) do codes[i] = ("%s:%s"):format(problem.code, problem.line or "-") end
  return codes, list
end

local HASH = "$6$abc$" .. ("x"):rep(20)

describe("user-data", function()
  it("in flow style is checked", function()
    assert.same({ "plain-password:2" }, (problems("autoinstall: {version: 1, packages: [open-vm-tools], identity: "
      .. "{hostname: a, username: ops, password: plain}}\n")))
    assert.same({ "unknown-key:3" }, (problems("autoinstall: {version: 1, packages: [open-vm-tools],\n  pakages: [], identity: "
      .. "{hostname: a, username: ops, password: '" .. HASH .. "'}}\n")))
  end)

  it("is checked with its anchors and aliases resolved", function()
    assert.same({ "plain-password:2" }, (problems("autoinstall: {version: 1, packages: [open-vm-tools], storage: {layout: {name: "
      .. "&w direct}}, identity: {hostname: a, username: ops, password: *w}}\n")))
    local codes, list = problems "autoinstall: *nothing\n"
    assert.same({ "not-yaml:2" }, codes)
    assert.matches("^user%-data:2: ", list[1].message)
  end)

  it("is checked with its tags applied", function()
    assert.same({ "no-version:2" }, (problems("autoinstall: {version: !!str 1, packages: [open-vm-tools], identity: {hostname: a, "
      .. "username: ops, password: '" .. HASH .. "'}}\n")))
    assert.same({ "not-yaml:2" }, (problems "runcmd: !!python/object/apply:os.system [open-vm-tools]\n"))
  end)

  it("is checked with its merge keys applied", function()
    -- the line is that of lock_passwd itself
    assert.same({ "locked-password:2", "unknown-key:2" }, (problems("x-none: &u {lock_passwd: true}\nusers: [{<<: *u, name: b}]\n"
      .. "packages: [open-vm-tools]\n")))
    assert.same({}, (problems("users:\n  - {<<: {lock_passwd: false}, name: b, passwd: '" .. HASH
      .. "'}\npackages: [open-vm-tools]\n")))
  end)

  it("with a second document is refused, as by cloud-init", function()
    assert.same({ "not-yaml:3" }, (problems "packages: [open-vm-tools]\n---\nusers: []\n"))
  end)

  it("with a key twice in flow style is refused", function()
    assert.same({ "not-yaml:2" }, (problems "runcmd: [{a: 1, a: open-vm-tools}]\n"))
  end)

  it("that would fill the memory with its aliases is refused", function()
    local text = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
    for i = 1, 12 do text[i + 1] = ("a%d: &a%d [%s]"):format(i, i, ("*a%d"):format(i - 1):rep(10, ", ")) end
    local _, list = problems(table.concat(text, "\n"))
    assert.equal("not-yaml", list[1].code)
    assert.matches("more than %d+ values", list[1].message)
  end)
end)

describe("autounattend.xml", function()
  local good = assert(answer.windows { computer_name = "CAD-01", password = "secret-" .. "word", image = 2 })

  it("in UTF-16, as written by Windows' own tools, is read", function()
    local utf16 = "\xff\xfe" .. good:gsub('encoding="utf%-8"', 'encoding="utf-16"'):gsub(".", "%0\0")
    assert.same({}, (problems(utf16, "autounattend.xml")))
  end)

  it("with an unbound prefix is refused, as by Setup", function()
    local codes, list = problems(good:gsub(' xmlns:wcm="[^"]*"', ""), "Autounattend.xml")
    assert.matches("^not%-xml:%d+$", codes[1])
    assert.matches("^Autounattend.xml:%d+: .*wcm", list[1].message)
  end)

  it("with a character that is not allowed in XML is refused", function()
    for _, bad in ipairs { "&#0;", "&#xFFFE;", "\u{FFFE}", "\1", "\xED\xA0\x80" } do
      assert.matches("^not%-xml:%d+$", problems(good:gsub("CAD%-01", "CAD" .. bad), "autounattend.xml")[1])
    end
  end)

  it("reports the account that Windows would not accept", function()
    local text = assert(answer.windows { computer_name = "CAD-01", user = "ops", password = "secret-" .. "word", image = 2 })
    local codes = problems(text:gsub("ops", "o/ps"), "autounattend.xml")
    assert.matches("^bad%-name:%d+$", codes[1])
  end)
end)
