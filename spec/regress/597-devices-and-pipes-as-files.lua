--- `p.include "/dev/zero"` never ended, nor did any other file that a user names and that is a device or a named pipe
-- without a writer.
local command = require "spec.support.command"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("597: a path that is not a regular file", function()
  local folder
  setup(function()
    folder = command.folder()
    os.execute(("mkfifo -m 600 '%s/pipe'"):format(folder.path))
    folder.write("play.lua", "return 1")
  end)
  teardown(function() folder.remove() end)

  -- what a command says, of a path in the folder or a device
  local function said(words, path)
    local status = select(3, os.execute(("cd '%s' && GPUPT_URL= timeout 20 '%s/bin/gpupt' %s >out 2>err"):format(
      folder.path, os.getenv "PWD", words:gsub("PATH", path))))
    return status, folder.read "out" .. folder.read "err"
  end

  local function playbook(text)
    folder.write("play.lua", 'local p = require "gpupt.playbook"\n' .. text)
    return "plan play.lua --url 127.0.0.1:1 --username u"
  end

  local asked = {
    ["p.include"] = function(path) return playbook(('p.include %q'):format(path)) end,
    ["dofile"] = function(path) return playbook(('dofile(%q)'):format(path)) end,
    ["an answer file"] = function(path)
      return playbook(('p.answer.kickstart { file = %q }'):format(path))
    end,
    ["the playbook"] = function() return "plan PATH --url 127.0.0.1:1 --username u" end,
    ["the playbook to apply"] = function() return "apply PATH --url 127.0.0.1:1 --username u" end,
    ["an own table of cards"] = function() return "bar 10de:20b5 --cards PATH" end,
  }
  for what, words in pairs(asked) do
    for path, kind in pairs { ["/dev/zero"] = "a device", pipe = "a named pipe" } do
      it(("is refused as %s (%s)"):format(what, path), function()
        local status, text = said(words(path), path)
        assert.not_equal(124, status, "it waits")
        assert.matches("is " .. kind .. ", not a file", text, 1, true)
      end)
    end
  end

  it("is refused as the arguments of a call, which are read when the server is there", function()
    local l = lab.start { fleet = { clusters = { { name = "ga", hosts = { lab.host "esx-1" } } } } }
    for _, path in ipairs { "/dev/zero", folder.path .. "/pipe" } do
      local result = l:command { "vim", "CurrentTime", "ServiceInstance", "--args", path }
      assert.equal(1, result.status)
      assert.matches(("--args %s is a "):format(path), result.err, 1, true)
      assert.matches(", not a file", result.err, 1, true)
    end
    l:stop()
  end)

  it("is refused as the file of a password, a certificate or a secret", function()
    for _, path in ipairs { "/dev/zero", folder.path .. "/pipe" } do
      assert.matches("not a file", select(2, gpupt.playbook.secret.file(path):read()), 1, true)
      assert.matches("not a file", select(2, require "gpupt.rest.password".of { file = path }), 1, true)
      assert.matches("not a file", select(2, gpupt.bar.load(path)), 1, true)
    end
  end)

  it("is read if it is the descriptor of a command's output", function()
    folder.write("given.lua", 'error("was read", 0)')
    os.execute(("cd '%s' && timeout 20 bash -c \"'%s/bin/gpupt' plan <(cat given.lua) --url 127.0.0.1:1 --username u\""
      .. " >out 2>err"):format(folder.path, os.getenv "PWD"))
    assert.matches("was read", folder.read "err", 1, true)
  end)

  it("has a limit, as regular files have", function()
    local regular = require "gpupt.regular"
    folder.write("large", ("x"):rep(1 << 20))
    assert.equal(1 << 20, #regular.read(folder.path .. "/large", 1 << 20))
    folder.write("large", ("x"):rep((1 << 20) + 1))
    local text, message, code = regular.read(folder.path .. "/large", 1 << 20)
    assert.same({ nil, "EFBIG" }, { text, code })
    assert.matches("larger than 1 MiB", message, 1, true)
  end)
end)
