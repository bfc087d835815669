-- cloud-init's media: created, checked with PyYAML and Linux' own password hash; and the problems of users' files.
local answer = require "gpupt.guest.answer"
local crypt = require "gpupt.guest.crypt"
local json = require "gpupt.json"
local yaml = require "gpupt.guest.yaml"

local function made(o)
  local options = { hostname = "train-01", user = "ops", password = "secret-" .. "word" }
  for key, value in pairs(o or {}) do options[key] = value end
  if options.password == false then options.password = nil end
  return answer.cloud_init(options)
end

-- What another program reads in a text.
local function read_yaml(text)
  local path = os.tmpname()
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
  local pipe = io.popen("python3 -c 'import yaml, json, sys; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))' " .. path .. " 2>&1")
  local output = pipe:read "a"
  assert(pipe:close(), output)
  os.remove(path)
  return assert(json.decode(output))
end

describe("user-data for the Ubuntu installer", function()
  it("is read by another program as it was meant", function()
    local files = assert(made { packages = { "build-essential", "open-vm-tools" }, runcmd = { "echo 'a: b' > /x" }, ssh_keys = { "ssh-ed25519 AAAA a@b" },
      late_commands = { "true" }, salt = "abc", timezone = "Europe/Zurich", locale = "de_DE.UTF-8" })
    assert.equal("#cloud-config", files["user-data"]:match "^[^\n]*")
    local data = read_yaml(files["user-data"])
    local auto = data.autoinstall
    assert.equal(1, auto.version)
    assert.same({ hostname = "train-01", username = "ops", password = crypt.sha512("secret-word", "abc") }, auto.identity)
    assert.same({ ["install-server"] = true, ["allow-pw"] = false, ["authorized-keys"] = { "ssh-ed25519 AAAA a@b" } }, auto.ssh)
    assert.same({ "open-vm-tools", "pciutils", "build-essential" }, auto.packages)
    assert.equal("direct", auto.storage.layout.name)
    assert.same({ "echo 'a: b' > /x" }, auto["user-data"].runcmd)
    assert.equal("true", auto["late-commands"][2])
    assert.matches("NOPASSWD", auto["late-commands"][1])
    assert.equal("Europe/Zurich", auto.timezone)
    assert.same({ ["instance-id"] = "train-01", ["local-hostname"] = "train-01" }, read_yaml(files["meta-data"]))
  end)

  it("has no problem that we know of", function()
    assert.same({}, answer.problems(assert(made()), { label = "CIDATA" }))
    assert.same({}, answer.problems(assert(made { autoinstall = false }), { label = "cidata" }))
    assert.same({}, answer.problems(assert(made { sudo = false, ssh_keys = { "k" }, storage = "lvm" })))
  end)

  it("holds the hash and never the password, which is asked once", function()
    local asked = 0
    local function secret()
      asked = asked + 1
      return "secret-word"
    end
    local files = assert(made { password = secret })
    assert.equal(1, asked)
    assert.is_nil(files["user-data"]:find "secret%-word")
    local hash = read_yaml(files["user-data"]).autoinstall.identity.password
    local salt = hash:match "^%$6%$(.-)%$"
    local pipe = io.popen("openssl passwd -6 -salt '" .. salt .. "' secret-word")
    assert.equal(hash, pipe:read "l")
    pipe:close()
    local shown = assert(made { password = secret, redacted = true })
    assert.equal(1, asked)
    assert.equal("********", read_yaml(shown["user-data"]).autoinstall.identity.password)
  end)

  it("accepts an existing hash", function()
    local hash = crypt.sha512("x", "y")
    assert.equal(hash, read_yaml(made({ password = false, password_hash = hash })["user-data"]).autoinstall.identity.password)
    assert.matches("not a hash", select(2, made { password_hash = "plain" }))
  end)
end)

describe("user-data for a cloud image", function()
  it("makes the account, with a password that is not locked", function()
    local data = read_yaml(made({ autoinstall = false, salt = "s", ssh_keys = { "k" }, runcmd = { "x" } })["user-data"])
    assert.is_nil(data.autoinstall)
    local user = data.users[1]
    assert.same({ "ops", false, crypt.sha512("secret-word", "s"), "ALL=(ALL) NOPASSWD:ALL" },
      { user.name, user.lock_passwd, user.passwd, user.sudo })
    assert.same({ "open-vm-tools", "pciutils" }, data.packages)
    assert.same({ "x" }, data.runcmd)
  end)
end)

describe("answers for Linux that cannot be", function()
  local function refused(o, words, code)
    local files, message, kind = made(o)
    assert.is_nil(files)
    assert.matches(words, message)
    assert.equal(code or "EINVAL", kind)
    assert.is_nil(message:find "secret%-word")
  end

  it("are refused with what is wrong", function()
    refused({ hostname = "a b" }, "hostname")
    refused({ hostname = ("x"):rep(64) }, "hostname")
    refused({ user = "Ops" }, "lower%-case")
    refused({ user = "o;ps" }, "user")
    refused({ password = false }, "password or password_hash")
    refused({ password = function() return nil, "sealed" end }, "password: sealed", "ESECRET")
    refused({ salt = "a b" }, "salt")
    refused({ autoinstall = false, late_commands = { "x" } }, "runcmd")
    refused({ packages = { "\xff" } }, "UTF%-8")
    assert.error_matches(function() made { sotrage = "lvm" } end, "did you mean 'storage'")
    assert.error_matches(function() made { storage = "lwm" } end, "did you mean 'lvm'")
  end)
end)

describe("the problems of a cloud-init medium that a user supplies", function()
  local good = made { salt = "abc", packages = { "pciutils" } }

  local function find(files, code, o)
    local list = {}
    for i, problem in ipairs(answer.problems(files, o)) do
      list[i] = problem.code
      if problem.code == code then return problem end
    end
    error(("%s is not among: %s"):format(code, table.concat(list, " ")))
  end

  local function changed(pattern, by)
    local text, count = good["user-data"]:gsub(pattern, by)
    assert(count > 0, "the pattern fits nothing")
    return { ["user-data"] = text, ["meta-data"] = good["meta-data"] }
  end

  local rows = {
    { "a first line that is not #cloud-config", "^#cloud%-config", "# cloud-config", "no-header" },
    { "a misspelt key below autoinstall, with the right one", "late%-commands", "late-comands", "unknown-key", "did you mean 'late%-commands'" },
    { "no version", "  version: 1\n", "", "no-version" },
    { "another version", "version: 1", "version: 2", "no-version" },
    { "sections that ask", "version: 1", "version: 1\n  interactive-sections:\n    - storage", "asks" },
    { "no account", "  identity:.-(  ssh:)", "%1", "no-account" },
    { "an account without name", "    username: ops\n", "", "no-account", "has no username" },
    { "a password that is not a hash", 'password: "[^"]*"', "password: hunter", "plain-password", "openssl passwd %-6" },
    { "a layout that does not exist", "name: direct", "name: raid", "unknown-layout" },
    { "no Tools", "    %- open%-vm%-tools\n", "", "no-tools" },
    { "Tools only in a comment", "    %- open%-vm%-tools\n", "    # - open-vm-tools\n", "no-tools" },
    { "a tab", "  version", "\tversion", "not-yaml", "tab" },
    { "a key twice", "  version: 1", "  version: 1\n  version: 1", "not-yaml", "twice" },
    { "a missing closing quote", 'password: "[^"]*"', 'password: "x', "not-yaml", "missing closing quote" },
  }
  for _, row in ipairs(rows) do
    it("tell of " .. row[1], function()
      local problem = find(changed(row[2], row[3]), row[4])
      assert.matches(row[5] or ".", problem.message)
      assert.equal("error", problem.severity)
      assert.equal("user-data", problem.file)
    end)
  end

  it("tell of misspelt keys at the top, which cloud-init's own check lets pass", function()
    local files = { ["user-data"] = "#cloud-config\nruncdm:\n  - open-vm-tools\n", ["meta-data"] = "" }
    local problem = find(files, "unknown-key")
    assert.matches("no key 'runcdm' %(did you mean 'runcmd'%?%)", problem.message)
    assert.equal(2, problem.line)
    files["user-data"] = "#cloud-config\nidentity:\n  hostname: a\n"
    assert.matches("belongs below autoinstall", find(files, "unknown-key").message)
  end)

  it("tell of a wrong label and of missing files", function()
    assert.matches("'OEMDRV'.*CIDATA", find(good, "wrong-label", { label = "OEMDRV" }).message)
    find({ ["user-data"] = good["user-data"] }, "no-meta-data")
    find({ ["meta-data"] = "" }, "no-user-data")
    find({ ["user-data"] = good["user-data"], ["meta-data"] = "a: 1\na: 2\n" }, "not-yaml")
  end)

  it("include an account of a cloud image that cannot log in", function()
    local files = { ["user-data"] = "#cloud-config\nusers:\n  - name: ops\n    passwd: $6$a$b\n", ["meta-data"] = "" }
    assert.equal("warning", find(files, "locked-password").severity)
    files["user-data"] = "#cloud-config\npackages: [open-vm-tools]\n"
    assert.equal("warning", find(files, "no-password").severity)
  end)

  it("are found in flow style and through anchors, merge keys and tags", function()
    local files = { ["meta-data"] = "", ["user-data"] = '#cloud-config\nautoinstall: {version: 1, packages: [open-vm-tools]}\n' }
    assert.same({ "no-account", 2 }, { answer.problems(files)[1].code, answer.problems(files)[1].line })
    local hash = "$6$abc$" .. ("x"):rep(20)
    files["user-data"] = '#cloud-config\nautoinstall: {version: 1, packages: [!!str open-vm-tools], '
      .. 'identity: {hostname: a, username: ops, password: "' .. hash .. '"}}\n'
    assert.same({}, answer.problems(files))
    -- only a map that occurs twice in the file is merged: the key that holds it is unknown to the installer
    files["user-data"] = "#cloud-config\nautoinstall:\n  version: 1\n  packages: [open-vm-tools]\n  identity: &who\n"
      .. "    hostname: a\n    username: ops\n    password: plain\n  user-data:\n    users: [*who]\n"
    assert.equal("plain-password", answer.problems(files)[1].code)
    files["user-data"] = "#cloud-config\nautoinstall:\n  version: '1'\n  packages: [open-vm-tools]\n  identity: {<<: {username: ops}, "
      .. "hostname: a, password: '" .. hash .. "'}\n"
    assert.same({ "no-version", 3 }, { answer.problems(files)[1].code, answer.problems(files)[1].line })
  end)

  it("tell of names that the system would not take", function()
    assert.matches("identity/user 'Ops'", find(changed("username: ops", "username: Ops"), "bad-name").message)
    assert.matches("identity/hostname 'a_b'", find(changed("hostname: train%-01", "hostname: a_b"), "bad-name").message)
    find({ ["user-data"] = good["user-data"], ["meta-data"] = "local-hostname: -a\n" }, "bad-name")
  end)

  it("include a file that is not a map of keys", function()
    assert.matches("is a list", find({ ["user-data"] = "#cloud-config\n- a\n", ["meta-data"] = "" }, "not-a-map").message)
    find({ ["user-data"] = "#cloud-config\n", ["meta-data"] = "" }, "no-tools")
  end)

  it("are none for CRLF", function()
    assert.same({}, answer.problems { ["user-data"] = good["user-data"]:gsub("\n", "\r\n"), ["meta-data"] = "" })
  end)
end)

describe("YAML that is written", function()
  it("is read by another program as the same text, whatever the text", function()
    local texts = { "yes", "No", "null", "~", "", " x", "x ", "012", "1e3", "1:30", "0x1f", "a: b", "a #b", "- a", "*a", "&a", "!a", "%a", "@a", "`a`",
      "'a'", '"a"', "a\\b", "a\nb", "a\tb", "\1", "{a}", "[a]", "a,b", "true", "2024-01-01", "ümläut", "/dev/sda", "a|b", ">x", "?x", "=" }
    local data = read_yaml(yaml.write(yaml.map { { "list", texts } }))
    assert.same(texts, data.list)
    local map, wanted = {}, {}
    for i, text in ipairs(texts) do
      map[i] = { "key " .. text, text }
      wanted["key " .. text] = text
    end
    assert.same(wanted, read_yaml(yaml.write(yaml.map(map))))
  end)

  it("keeps numbers, truth and nesting", function()
    local data = read_yaml(yaml.write(yaml.map {
      { "n", 5 }, { "t", true }, { "m", yaml.map { { "l", { yaml.map { { "a", 1 }, { "b", { "c" } } }, "d" } } } }, { "e", {} },
      { "f", yaml.map {} },
    }))
    assert.same({ n = 5, t = true, m = { l = { { a = 1, b = { "c" } }, "d" } }, e = json.array {}, f = {} }, data)
  end)
end)

describe("YAML that is read", function()
  it("gives the line and value of each key", function()
    local root = assert(yaml.parse 'a:\n  b: "x\n    y"\n  c:\n  - |\n    d: 1\n   \n    e: 2\n  - f: 3 # c\n    g: \'it\'\'s\'\n"q r": >-\n  h: 1\ni: 2\n')
    assert.same({ "x y", 2 }, { yaml.text(yaml.at(root, "a", "b")), yaml.at(root, "a", "b").line })
    assert.equal("d: 1\n\ne: 2\n", yaml.text(yaml.at(root, "a", "c")[1]))
    assert.equal("it's", yaml.text(yaml.at(yaml.at(root, "a", "c")[2], "g")))
    assert.same({ "h: 1", "2", 13 }, { yaml.text(root.by["q r"]), yaml.text(root.by.i), root.by.i.line })
  end)

  it("is what another program reads too, in flow style, with anchors, merges and tags", function()
    local text = "base: &b {x: 1, y: [a, 'b', \"c\\u00e9\"]}\nmore: {<<: *b, x: !!str 2}\nlist: [*b, {<<: [{p: 1}, {p: 2, q: 3}]}]\n"
    local function plain(node)
      if node.kind == "scalar" then return node.value end
      local out = {}
      for i, one in ipairs(node) do
        if node.kind == "map" then out[one.key] = plain(one.value) else out[i] = plain(one) end
      end
      return out
    end
    local function as_text(value)
      if type(value) ~= "table" then return tostring(value) end
      local out = {}
      for key, one in pairs(value) do out[key] = as_text(one) end
      return out
    end
    assert.same(as_text(read_yaml(text)), plain(assert(yaml.parse(text))))
  end)

  local refused = {
    { "a key twice", "a: 1\nb: 2\na: 3\n", "user%-data:3: the key 'a' occurs twice %(first on line 1%)" },
    { "an alias without anchor", "a: *b\n", "user%-data:1: %*b refers to no anchor" },
    { "a value within itself", "a: &a [*a]\n", "user%-data:1: %*a contains itself" },
    { "a tag of no standard type", "a: !!python/object:os.system x\n", "user%-data:1: the tag .* is unknown" },
    { "two documents", "a: 1\n---\nb: 1\n", "user%-data:2: a second document" },
    { "a key that is a list", "? [a]\n: b\n", "user%-data:1: a key must be a plain value" },
    { "a merge of a text", "a: {<<: b}\n", "user%-data:1: << needs a map" },
    { "nesting without end", ("["):rep(200) .. ("]"):rep(200), "nested too deeply" },
    { "a tab", "a:\n\tb: 1\n", "user%-data:2: a tab" },
    { "a missing closing quote", "a: 1\nb: 'x\n", "user%-data:2: a quoted value has no closing quote" },
    { "a control character", "a: \1\n", "user%-data:1: control characters" },
    { "bytes that are not UTF-8", "a: 1\nb: \xff\n", "user%-data:2: " },
  }
  for _, row in ipairs(refused) do
    it("refuses " .. row[1] .. ", with file and line", function()
      local root, message, code, detail = yaml.parse(row[2], "user-data")
      assert.is_nil(root)
      assert.matches(row[3], message)
      assert.is_true(code == "EPARSE" or code == "ELIMIT")
      assert.is_number(detail.line)
    end)
  end

  it("bounds what aliases repeat", function()
    local text = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
    for i = 1, 12 do text[i + 1] = ("a%d: &a%d [%s]"):format(i, i, ("*a%d"):format(i - 1):rep(10, ", ")) end
    local before = os.clock()
    local root, message, code = yaml.parse(table.concat(text, "\n"), "user-data")
    assert.is_nil(root)
    assert.equal("ELIMIT", code)
    assert.matches("^user%-data:%d+: more than", message)
    assert.is_true(os.clock() - before < 5)
  end)
end)

describe("a password's hash", function()
  it("is the one that openssl makes too", function()
    for _, password in ipairs { "p", ("p"):rep(130), "x y$z" } do
      local pipe = io.popen("openssl passwd -6 -salt saltsalt '" .. password .. "'")
      assert.equal(pipe:read "l", (crypt.sha512(password, "saltsalt")))
      pipe:close()
    end
  end)

  it("is refused for a password that C would cut", function()
    assert.equal("EINVAL", select(3, crypt.sha512("a\0b", "salt")))
  end)

  it("uses another salt each time, and refuses an invalid salt", function()
    assert.matches("^[%./%w]+$", (crypt.salt()))
    assert.are_not.equal(crypt.salt(), crypt.salt())
    assert.equal("EINVAL", select(3, crypt.sha512("x", "")))
  end)
end)
