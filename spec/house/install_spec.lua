local installed = require "spec.support.installed"
local describe_installed = installed.unless_sanitized(describe)

describe_installed("make install", function()
  local folder
  before_each(function() folder = installed.folder() end)
  after_each(function() folder.remove() end)

  local function install(variables)
    local status, output = folder.make("install", variables)
    assert.equal(0, status, output)
    return output
  end

  local function assert_runs(command, environment)
    local status, output = folder.gpupt(command, "--version", environment)
    assert.equal(0, status, output)
    assert.matches("^gpupt %d", output)
  end

  it("takes a PREFIX with spaces and quotes, and says where the command is", function()
    local prefix = folder.path .. "/it's \"my\" \\x &1"
    assert.matches("gpupt is installed: " .. prefix .. "/bin/gpupt", install { PREFIX = prefix }, 1, true)
    assert_runs(prefix .. "/bin/gpupt")
  end)

  it("installs every module, library, document and licence", function()
    install { PREFIX = folder.path .. "/x" }
    local function same(tracked, where)
      assert.equal(installed.must(tracked), installed.must(("cd '%s/x/%s' && find . -type f | cut -c3- | LC_ALL=C sort"):format(
        folder.path, where)))
    end
    same("cd lua/gpupt && git ls-files -c -o --exclude-standard | LC_ALL=C sort -u", "share/lua/5.4/gpupt")
    same(("cd '%s/lib/gpupt' && ls *.so | LC_ALL=C sort"):format(os.getenv "GPUPT_BUILD"), "lib/lua/5.4/gpupt")
    same("git ls-files -c -o --exclude-standard examples | cut -d/ -f2- | LC_ALL=C sort -u", "share/doc/gpupt/examples")
    for _, name in ipairs { "LICENSE", "NOTICE", "README.md", "docs/guide.md", "docs/guide/doctor.md" } do
      installed.must(("cmp %s '%s/x/share/doc/gpupt/%s'"):format(name, folder.path, name))
    end
  end)

  it("is readable by every user, whatever the umask", function()
    installed.must("true")
    local status, output = installed.run(("umask 077; env -u MAKEFLAGS make -s install BUILD='%s' PREFIX='%s/x'"):format(
      os.getenv "GPUPT_BUILD", folder.path))
    assert.equal(0, status, output)
    assert.equal("", installed.must(("find '%s/x' -type d ! -perm 755 -o -type f ! -perm 644 ! -name gpupt"):format(folder.path)))
    assert.equal("755", installed.must(("stat -c %%a '%s/x/bin/gpupt'"):format(folder.path)):match "%d+")
  end)

  it("uses its own modules before those of LUA_PATH and LUA_CPATH, which a playbook may still require", function()
    local prefix = folder.path .. "/x"
    install { PREFIX = prefix }
    folder.write("other/gpupt/cli.lua", "error 'another gpupt'")
    folder.write("other/gpupt/core.so", "")
    folder.write("other/sizes.lua", "error('sizes of LUA_PATH', 0)")
    folder.write("play.lua", "require 'sizes'")
    local variables = ("LUA_PATH='%s/other/?.lua' LUA_CPATH='%s/other/?.so'"):format(folder.path, folder.path)
    assert_runs(prefix .. "/bin/gpupt", variables)
    local status, output = folder.gpupt(prefix .. "/bin/gpupt", "plan play.lua --url 127.0.0.1:1 --username u", variables)
    assert.not_equal(0, status)
    assert.matches("sizes of LUA_PATH", output, 1, true)
  end)

  it("loads nothing from the current folder, also with a LUA_PATH that names it", function()
    local prefix = folder.path .. "/x"
    install { PREFIX = prefix }
    for _, name in ipairs { "core", "cli", "version" } do
      folder.write("gpupt/" .. name .. ".lua", "error 'of the current folder'")
    end
    assert_runs(prefix .. "/bin/gpupt")
    assert_runs(prefix .. "/bin/gpupt", "LUA_PATH='./?.lua;;' LUA_CPATH='./?.so;;'")
  end)

  it("stages a package with DESTDIR, in which nothing names the staging folder", function()
    install { DESTDIR = folder.path .. "/stage of it", PREFIX = "/usr" }
    local staged = folder.path .. "/stage of it/usr"
    assert.matches('lua = "/usr/share/lua/5.4", libraries = "/usr/lib/lua/5.4"',
      installed.must(("cat '%s/bin/gpupt'"):format(staged)), 1, true)
    assert.equal(1, (installed.run(("grep -rIl 'stage of it' '%s'"):format(staged))))
    local status, output = folder.make("uninstall", { DESTDIR = folder.path .. "/stage of it", PREFIX = "/usr" })
    assert.equal(0, status, output)
    assert.equal("", folder.tree(folder.path .. "/stage of it"))
  end)

  it("uses an interpreter that is named by its path", function()
    local lua = installed.must("command -v lua5.4"):match "%S+"
    install { PREFIX = folder.path .. "/x", LUA = lua }
    assert.equal("#!" .. lua, installed.must(("head -1 '%s/x/bin/gpupt'"):format(folder.path)):match "[^\n]+")
    assert_runs(folder.path .. "/x/bin/gpupt", "PATH=/nowhere")
  end)

  it("says what is wrong with a command whose folder was moved", function()
    install { PREFIX = folder.path .. "/x" }
    installed.must(("mv '%s/x' '%s/y'"):format(folder.path, folder.path))
    local status, output = folder.gpupt(folder.path .. "/y/bin/gpupt", "--version")
    assert.equal(1, status)
    assert.matches("modules are not in " .. folder.path .. "/x/share/lua/5.4", output, 1, true)
    assert.is_nil(output:find "traceback")
  end)

  for name, value in pairs { relative = "opt/x", ["with .."] = "/tmp/../x", ["with ;"] = "/tmp/a;b", ["with ?"] = "/tmp/a?" } do
    it("refuses a PREFIX that is " .. name, function()
      local status, output = folder.make("install", { PREFIX = value })
      assert.not_equal(0, status)
      assert.matches("make install: PREFIX must", output, 1, true)
    end)
  end

  it("replaces an older version whole: modules that are gone are removed", function()
    local prefix = folder.path .. "/x"
    install { PREFIX = prefix }
    folder.write("x/share/lua/5.4/gpupt/old.lua", "")
    folder.write("x/share/lua/5.4/gpupt/mine.lua", "")
    local list = prefix .. "/share/doc/gpupt/installed"
    installed.must(("echo 'file %s/share/lua/5.4/gpupt/old.lua' >>'%s'"):format(prefix, list))
    install { PREFIX = prefix }
    local tree = folder.tree(prefix)
    assert.is_nil(tree:find "old.lua")
    assert.matches("mine.lua", tree, 1, true)
    assert.is_nil(installed.must("cat " .. list):find "old.lua")
  end)
end)

describe_installed("make uninstall", function()
  local folder, prefix
  before_each(function()
    folder = installed.folder()
    prefix = folder.path .. "/x"
  end)
  after_each(function() folder.remove() end)

  it("removes what was installed and the folders that it made, and nothing else", function()
    folder.write("x/bin/other", "")
    folder.write("x/share/lua/5.4/other.lua", "")
    local before = folder.tree(folder.path)
    for _ = 1, 2 do assert.equal(0, (folder.make("install", { PREFIX = prefix }))) end
    local status, output = folder.make("uninstall", { PREFIX = prefix .. "/" })
    assert.equal(0, status, output)
    assert.equal(before, folder.tree(folder.path))
  end)

  it("keeps the files of others in gpupt's folders", function()
    assert.equal(0, (folder.make("install", { PREFIX = prefix })))
    folder.write("x/share/lua/5.4/gpupt/mine.lua", "")
    assert.equal(0, (folder.make("uninstall", { PREFIX = prefix })))
    assert.equal("./x\n./x/share\n./x/share/lua\n./x/share/lua/5.4\n./x/share/lua/5.4/gpupt\n"
      .. "./x/share/lua/5.4/gpupt/mine.lua\n", folder.tree(folder.path))
  end)

  it("removes what an installation wrote that failed in the middle", function()
    folder.write("x/share/man/man1/gpupt.1/in-the-way", "") -- a folder where a file belongs
    local before = folder.tree(folder.path)
    local status, output = folder.make("install", { PREFIX = prefix })
    assert.not_equal(0, status, output)
    installed.must(("test -f '%s/share/lua/5.4/gpupt/init.lua'"):format(prefix))
    folder.make("uninstall", { PREFIX = prefix })
    assert.equal(before, folder.tree(folder.path))
  end)

  it("removes no file that gpupt does not install, whatever its list says", function()
    assert.equal(0, (folder.make("install", { PREFIX = prefix })))
    folder.write("keep", "")
    installed.must(("printf 'file %%s\\n' '%s/keep' '%s/share/lua/5.4/gpupt/../../../../../keep.lua' >>'%s/share/doc/gpupt/installed'")
      :format(folder.path, prefix, prefix))
    local status, output = folder.make("uninstall", { PREFIX = prefix })
    assert.equal(0, status, output)
    assert.matches("which gpupt does not install: left alone", output, 1, true)
    assert.equal("./keep\n", folder.tree(folder.path))
  end)

  it("says so when nothing is installed there", function()
    local status, output = folder.make("uninstall", { PREFIX = prefix })
    assert.not_equal(0, status)
    assert.matches("gpupt is not installed there", output, 1, true)
  end)
end)
