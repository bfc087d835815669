--- A database of another program that was named by mistake (--journal cookies.sqlite) became a journal: its mode changed, it
-- got our tables and our format. On a network file system, where SQLite's log needs memory that all its users share, two
-- computers could damage the journal.
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local OTHER = [[
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE moz_cookies(id INTEGER)")
db.execute("PRAGMA application_id=%s" % sys.argv[2])
db.execute("PRAGMA user_version=%s" % sys.argv[3])
db.commit()
]]

-- statfs as if the file system were another
local SHIM = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/vfs.h>
static int lie(int rc, struct statfs *s) {
    if (rc == 0 && getenv("FS_TYPE")) s->f_type = strtol(getenv("FS_TYPE"), NULL, 16);
    return rc;
}
int statfs(const char *p, struct statfs *s) {
    int (*real)(const char *, struct statfs *) = (int (*)(const char *, struct statfs *))dlsym(RTLD_NEXT, "statfs");
    return lie(real(p, s), s);
}
int statfs64(const char *p, struct statfs64 *s) { return statfs(p, (struct statfs *)s); }
]]

describe("a file that is named as the journal", function()
  local dir
  setup(function() dir = vcenter.shell "mktemp -d":match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  for i, one in ipairs { { "0", "0" }, { "0", "3" }, { "252006674", "5" }, { "252006674", "3" } } do
    it(("is refused, and stays as it is, if it is another program's (%s, %s)"):format(one[1], one[2]), function()
      local path = ("%s/other-%d.db"):format(dir, i)
      vcenter.write(dir .. "/other.py", OTHER)
      assert(os.execute(("python3 %s/other.py %s %s %s && chmod 644 %s"):format(dir, path, one[1], one[2], path)))
      local before = vcenter.shell(("stat -c '%%a %%Y %%s' %s; md5sum %s; ls %s"):format(path, path, dir))
      for _, open in ipairs { store.open, store.read } do
        local journal, message, code = open(path)
        assert.is_nil(journal)
        assert.equal("EFORMAT", code)
        assert.matches(path .. " is a database of another program, not a journal of gpupt. Give another file", message, 1, true)
      end
      assert.equal(before, vcenter.shell(("stat -c '%%a %%Y %%s' %s; md5sum %s; ls %s"):format(path, path, dir)))
    end)
  end

  it("is refused if it is no database", function()
    local path = dir .. "/text.db"
    vcenter.write(path, ("not a database\n"):rep(100))
    os.execute("chmod 644 " .. path)
    for _, open in ipairs { store.open, store.read } do
      local journal, message, code = open(path)
      assert.is_nil(journal)
      assert.equal("EFORMAT", code)
      assert.matches("not a journal, or damaged", message, 1, true)
    end
    assert.equal("644\n", vcenter.shell("stat -c %a " .. path))
  end)

  it("is marked as gpupt's own", function()
    local path = dir .. "/ours.db"
    assert(store.open(path)):close()
    assert.equal("1735423344\n", vcenter.shell(("python3 -c 'import sqlite3, sys; "
      .. "print(sqlite3.connect(sys.argv[1]).execute(\"PRAGMA application_id\").fetchone()[0])' %s"):format(path)))
  end)

  it("is refused on a network file system, with the reason and the way out", function()
    vcenter.write(dir .. "/shim.c", SHIM)
    assert(os.execute(("cc -shared -fPIC -o %s/shim.so %s/shim.c -ldl"):format(dir, dir)))
    for type, name in pairs { ["6969"] = "NFS", FF534D42 = "CIFS", FE534D42 = "SMB", ["1021997"] = "9p", ["c36400"] = "Ceph",
      ["bd00bd0"] = "Lustre", ["5346414f"] = "AFS", ["47504653"] = "GPFS" } do
      for _, verb in ipairs { "open", "read" } do
        local path = dir .. "/ours.db"
        local text = vcenter.shell(("FILE=%s FS_TYPE=%s LD_PRELOAD=%s/shim.so lua5.4 -e 'package.path = \"lua/?.lua;lua/?/init.lua;\" .. package.path; "
          .. "print((select(2, require \"gpupt.store\".%s(os.getenv \"FILE\"))))' 2>&1"):format(path, type, dir, verb))
        assert.equal(("%s is on a network file system (%s), where the journal could be damaged: its log needs memory that all "
          .. "processes share. Give a file on a local disk, or set XDG_STATE_HOME to a folder there\n"):format(path, name), text)
      end
    end
    -- and nothing is created there
    vcenter.shell(("FILE=%s/new/gpupt/journal.db FS_TYPE=6969 LD_PRELOAD=%s/shim.so lua5.4 -e 'package.path = \"lua/?.lua;lua/?/init.lua;\" "
      .. ".. package.path; require \"gpupt.store\".open(os.getenv \"FILE\")'"):format(dir, dir))
    assert.is_falsy(os.execute(("test -e %s/new"):format(dir)))
  end)
end)
