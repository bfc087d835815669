--- Saving a .vmx: the old file or the new one, never a third thing.
local gpupt = require "gpupt"
local vmx = gpupt.vmx

-- A sanitizer's runtime is preloaded into our own process only, not into every tool: children that need it say $LUA.
local PRELUDE = [[export LUA="env LD_PRELOAD=$LD_PRELOAD lua5.4"; unset LD_PRELOAD; ]]

local function shell(command, ...)
  local quoted = {}
  for i, word in ipairs { ... } do quoted[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'" end
  local line = command:gsub("%%(%d)", function(n) return quoted[tonumber(n)] end)
  local pipe = assert(io.popen(PRELUDE .. "{ " .. line .. "\n} 2>&1"))
  local out = pipe:read "a"
  local ok, _, status = pipe:close()
  return out, ok and 0 or status
end

local function write(path, text)
  local f = assert(io.open(path, "wb"))
  assert(f:write(text))
  f:close()
end

local function read(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read "a"
  f:close()
  return text
end

-- Another user runs Lua: from a copy of the modules, because the checkout may lie where only its owner can go.
local function as_somebody(script)
  local copy = shell([[d=$(mktemp -d); cp -R lua $d/lua; mkdir $d/lib; cp -R "${GPUPT_BUILD:-build}/lib/gpupt" $d/lib/
    chmod -R a+rX $d; echo $d]]):match "%S+"
  local out, status = shell([[cd %1; export LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua" LUA_CPATH="$PWD/lib/?.so"
    if [ -n "$GPUPT_SANITIZED" ]; then # its interpreter and its list of known leaks lie in the checkout
      LUA="env LD_PRELOAD=$(cc -print-file-name=libasan.so) /usr/bin/lua5.4"; export ASAN_OPTIONS=detect_leaks=0 LSAN_OPTIONS=
    fi
    setpriv --reuid=1234 --regid=1234 --clear-groups $LUA -e %2]], copy, script)
  shell("rm -rf %1", copy)
  return out, status
end

local OLD = '#!/usr/bin/vmware\r\nfirmware = "bios"\r\n' .. ('# filler line\r\n'):rep(600) .. 'memsize = "4096"'
local NEW = OLD:gsub('"bios"', '"efi"')

local function is_root() return shell("id -u"):match "^0" ~= nil end
local function is_sanitized() return os.getenv "GPUPT_SANITIZED" ~= nil or (os.getenv "LD_PRELOAD" or ""):find "asan" ~= nil end

describe("saving a vmx", function()
  local folder, path
  before_each(function()
    folder = shell("mktemp -d"):match "%S+"
    path = folder .. "/win11.vmx"
    write(path, OLD)
  end)
  after_each(function() shell("chmod -R u+rwx %1; rm -rf %1", folder) end)

  local function edit(at)
    local doc = gpupt.check(vmx.open(at or path))
    gpupt.check(doc:set("firmware", "efi"))
    return doc
  end

  local function listing() return (shell("ls -A %1", folder):gsub("\n", " ")) end

  it("replaces the file and leaves nothing beside it", function()
    assert.is_true(edit():save())
    assert.equal(NEW, read(path))
    assert.equal("win11.vmx ", listing())
  end)

  it("may be done again and again with the same document", function()
    local doc = edit()
    assert.is_true(doc:save())
    assert.is_false(doc:changed())
    doc:set("memsize", 8192)
    assert.is_true(doc:save())
    assert.equal((NEW:gsub("4096", "8192")), read(path))
  end)

  it("leaves a document that goes on as if it had been read again", function()
    math.randomseed(7)
    local keys = { "firmware", "memsize", "scsi0.present", "scsi0:0.x", "pciPassthru0.id", ".a", "new", "annotation" }
    local ends = { "\n", "\r\n", "\r" }
    for _ = 1, 60 do
      local parts = { math.random(3) == 1 and "\239\187\191" or "" }
      for _ = 1, math.random(0, 8) do
        parts[#parts + 1] = (math.random(5) == 1 and "# x" or keys[math.random(#keys)] .. ' = "1" # c') .. ends[math.random(3)]
      end
      if math.random(2) == 1 then parts[#parts + 1] = 'last = "1"' end
      write(path, table.concat(parts))
      local doc = gpupt.check(vmx.open(path))
      for _ = 1, 4 do
        for _ = 1, 3 do
          local key = keys[math.random(#keys)]
          if math.random(3) == 1 then doc:unset(key) else doc:set(key, tostring(math.random(99))) end
        end
        assert.is_true(doc:save())
        local again = gpupt.check(vmx.open(path))
        assert.equal(tostring(again), tostring(doc))
        local mine, theirs = {}, {}
        for key, value, line in doc:each() do mine[#mine + 1] = { key, value, line, doc:line(line) } end
        for key, value, line in again:each() do theirs[#theirs + 1] = { key, value, line, again:line(line) } end
        assert.same(theirs, mine)
      end
    end
  end)

  it("does not touch a file whose document was not changed", function()
    local before = shell("stat -c '%i %y' %1", path)
    assert.is_true(gpupt.check(vmx.open(path)):save())
    assert.equal(before, shell("stat -c '%i %y' %1", path))
  end)

  it("keeps mode, and owner and group where we may set them", function()
    shell("chmod 640 %1", path)
    if is_root() then shell("chown 1234:2345 %1", path) end
    local before = shell("stat -c '%a %u %g' %1", path)
    assert.is_true(edit():save())
    assert.equal(before, shell("stat -c '%a %u %g' %1", path))
  end)

  it("keeps any mode, whatever the file's owner", function()
    for _, mode in ipairs { "600", "604", "640", "644", "664", "666", "755", "4755" } do
      for _, owner in ipairs(is_root() and { "0:0", "1234:0", "0:2345", "1234:2345" } or { "" }) do
        write(path, OLD)
        if owner ~= "" then shell("chown %1 %2", owner, path) end
        shell("chmod %1 %2", mode, path)
        local before = shell("stat -c '%a %u %g' %1", path)
        assert.truthy(before:find("^" .. mode), before)
        assert.is_true(edit():save())
        assert.equal(before, shell("stat -c '%a %u %g' %1", path))
      end
    end
  end)

  it("keeps the ACL and the user's extended attributes", function()
    local show = [[getfacl -cpn %1; python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.note"))' %1]]
    local out, status = shell("setfacl -m u:1234:rw,g:2345:r %1 && " ..
      [[python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.note", b"kept")' %1]], path)
    if status ~= 0 then return pending("no ACLs on this file system: " .. out) end
    local before = shell(show, path)
    assert.truthy(before:find("user:1234:rw-", 1, true), before)
    assert.truthy(before:find("kept", 1, true), before)
    assert.is_true(edit():save())
    assert.equal(before, shell(show, path))
  end)

  it("keeps the old owner's file when it cannot keep the owner", function()
    if not is_root() then return pending "needs root to play another user" end
    -- user 1234 may write into the folder and into root's file, but cannot give a file to root
    shell("chmod 777 %1; chmod 666 %2", folder, path)
    local out, status = as_somebody(
      ([[local d = assert(require "gpupt.vmx".open "%s") d:set("firmware", "efi") local ok, message, code = d:save()
        print(ok, code, message)]]):format(path))
    assert.equal(0, status, out)
    assert.truthy(out:find("EPERM", 1, true), out)
    assert.truthy(out:find("cannot keep its owner 0:0", 1, true), out)
    assert.equal(OLD, read(path))
    assert.equal("win11.vmx ", listing())
  end)

  it("follows a symbolic link, which stays one", function()
    shell("mkdir %1/links; ln -s ../win11.vmx %1/links/vm.vmx", folder)
    local link = folder .. "/links/vm.vmx"
    assert.is_true(edit(link):save())
    assert.equal(NEW, read(path))
    assert.equal("../win11.vmx\n", shell("readlink %1", link))
    assert.equal("vm.vmx\n", shell("ls -A %1/links", folder))
  end)

  it("leaves another hard link with the old content", function()
    shell("ln %1 %2/backup.vmx", path, folder)
    assert.is_true(edit():save())
    assert.equal(NEW, read(path))
    assert.equal(OLD, read(folder .. "/backup.vmx"))
  end)

  it("is refused when the file changed since it was read, also within one clock tick and at the same size", function()
    local doc = edit()
    local other = OLD:gsub("4096", "2048")
    write(path, other)
    local ok, message, code = doc:save()
    assert.is_nil(ok)
    assert.equal("ECHANGED", code)
    assert.truthy(message:find("changed since it was read", 1, true))
    assert.equal(other, read(path))
    assert.equal("win11.vmx ", listing())
  end)

  it("is refused when the file was cut, grew, or was removed since", function()
    for _, text in ipairs { OLD:sub(1, -2), OLD .. "x", "" } do
      local doc = edit()
      write(path, text)
      assert.equal("ECHANGED", (select(3, doc:save())))
      assert.equal(text, read(path))
      write(path, OLD)
    end
    local doc = edit()
    os.remove(path)
    assert.equal("ENOENT", (select(3, doc:save())))
    assert.is_nil(read(path))
  end)

  it("is not refused when the file was only touched", function()
    local doc = edit()
    shell("touch -d '2001-01-01' %1", path)
    assert.is_true(doc:save())
  end)

  describe("while the VM runs", function()
    local function refused(lock)
      local ok, message, code = edit():save()
      assert.is_nil(ok)
      assert.equal("ELOCKED", code)
      assert.truthy(message:find(lock, 1, true), message)
      assert.equal(OLD, read(path))
    end

    it("is refused for a .lck file (VMFS)", function()
      write(path .. ".lck", "")
      refused "win11.vmx.lck"
      assert.equal("win11.vmx win11.vmx.lck ", listing())
    end)

    it("is refused for a .lck folder (Workstation)", function()
      shell("mkdir %1.lck; touch %1.lck/M12345.lck", path)
      refused "win11.vmx.lck"
    end)

    it("is refused for a .lck-ID of this file (NFS), the id with its lowest byte first", function()
      local inode = tonumber((shell("stat -c %i %1", path)))
      local id = ("<i8"):pack(inode):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      write(folder .. "/.lck-" .. id, "")
      refused(".lck-" .. id)
    end)

    it("is refused for the lock of the file behind a link", function()
      shell("ln -s win11.vmx %1/vm.vmx", folder)
      write(path .. ".lck", "")
      assert.equal("ELOCKED", (select(3, edit(folder .. "/vm.vmx"):save())))
    end)

    it("is not refused for the lock of another file", function()
      write(folder .. "/other.vmx.lck", "")
      write(folder .. "/.lck-0000000000000001", "")
      assert.is_true(edit():save())
    end)
  end)

  it("to a new name needs no permission, to an existing one it needs overwrite", function()
    local doc = edit()
    local copy = folder .. "/copy.vmx"
    assert.is_true(doc:save(copy))
    assert.equal(NEW, read(copy))
    assert.equal(OLD, read(path))
    doc = edit()
    local ok, _, code = doc:save(copy)
    assert.is_nil(ok)
    assert.equal("EEXIST", code)
    assert.is_true(doc:save(copy, { overwrite = true }))
    assert.equal(copy, doc:path())
  end)

  it("of a parsed text needs a path", function()
    local ok, message, code = vmx.parse('a = "1"\n'):save()
    assert.is_nil(ok)
    assert.equal("EINVAL", code)
    assert.truthy(message:find("path", 1, true))
    assert.is_true(vmx.parse('a = "1"\n'):save(folder .. "/new.vmx"))
    assert.equal('a = "1"\n', read(folder .. "/new.vmx"))
  end)

  it("gives a new file the mode that umask leaves", function()
    shell("umask 027; $LUA -e %1", ([[local d = assert(require "gpupt.vmx".open "%s") d:save "%s/copy.vmx"]])
      :format(path, folder))
    assert.equal("640\n", shell("stat -c %a %1/copy.vmx", folder))
  end)

  it("does not get round a read-only file through its folder's rights", function()
    if not is_root() then return pending "needs root to play another user" end
    shell("chown -R 1234 %1; chmod 400 %2", folder, path)
    local out = as_somebody(
      ([[local d = assert(require "gpupt.vmx".open "%s") d:set("firmware", "efi") print(select(3, d:save()))]]):format(path))
    assert.equal("EACCES\n", out)
    assert.equal(OLD, read(path))
  end)

  it("leaves the old file whole when the folder forbids new files", function()
    if not is_root() then return pending "needs root to play another user" end
    shell("chown -R 1234 %1; chmod 500 %1", folder)
    local out = as_somebody(
      ([[local d = assert(require "gpupt.vmx".open "%s") d:set("firmware", "efi") print(select(3, d:save()))]]):format(path))
    assert.equal("EACCES\n", out)
    assert.equal(OLD, read(path))
  end)

  it("leaves the old file whole on a full disk", function()
    local disk = folder .. "/disk"
    local script = ([[local vmx = require "gpupt.vmx" local d = assert(vmx.open "%s/a.vmx")
      d:set("annotation", ("x"):rep(40000)) print(select(3, d:save()))]]):format(disk)
    -- a namespace of its own where we are not root; the mount goes with it
    local enter = is_root() and "unshare -m" or "unshare -rm"
    local out, status = shell(enter .. [[ sh -c 'mkdir "$1" && mount -t tmpfs -o size=32k none "$1" && cp "$2" "$1/a.vmx" &&
      $LUA -e "$3"; echo "--"; cat "$1/a.vmx"; echo "--"; ls -A "$1"' - %1 %2 %3]], disk, path, script)
    if out:find("mount", 1, true) or out:find("unshare", 1, true) then return pending("cannot mount here: " .. out) end
    assert.equal(0, status)
    assert.equal("ENOSPC\n--\n" .. OLD .. "--\na.vmx\n", out)
  end)

  it("excludes another save of the same file at the same moment", function()
    -- what a writer at work looks like: its temporary file, locked
    write(folder .. "/hold.sh", ([[exec 9>'%s/.win11.vmx.gpupt~'; flock -x 9; exec $LUA "$1"]]):format(folder))
    write(folder .. "/try.lua", ([[local d = assert(require "gpupt.vmx".open "%s") d:set("firmware", "efi")
      local ok, message, code = d:save() print(code, message)]]):format(path))
    local out = shell("sh %1/hold.sh %1/try.lua", folder)
    assert.truthy(out:find "^EBUSY\t", out)
    assert.equal(OLD, read(path))
    -- the holder is gone: what it left is litter now, and the next save takes it away
    assert.is_true(edit():save())
    assert.equal(NEW, read(path))
    assert.falsy(listing():find("gpupt~", 1, true))
  end)

  it("marks what it takes for litter, so that a writer that was about to lock it sees that it is taken", function()
    local litter = folder .. "/.win11.vmx.gpupt~"
    write(litter, "")
    local seen = assert(io.open(litter, "rb")) -- as the writer that made it has it open
    assert.is_true(edit():save())
    assert.equal(NEW, read(path))
    assert.equal(1, seen:seek "end")
    seen:close()
    -- killed between marking and removing: the next one takes that away as well
    write(litter, "x")
    local doc = edit()
    doc:set("memsize", 1024)
    assert.is_true(doc:save())
    assert.equal("win11.vmx ", listing())
  end)

  it("loses no update of several processes that edit one file at the same time", function()
    write(path, 'counter = "0"\n')
    local script = ([[local vmx = require "gpupt.vmx"
      local done, refused = 0, 0
      while done < 15 do
        local doc = assert(vmx.open "%s")
        doc:set("counter", tonumber(doc:get "counter") + 1)
        local ok, message, code = doc:save()
        if ok then done = done + 1
        elseif code == "ECHANGED" or code == "EBUSY" then refused = refused + 1
        else error(message) end
      end]]):format(path)
    local out, status = shell("for i in 1 2 3 4; do $LUA -e %1 & done; wait", script)
    assert.equal(0, status, out)
    assert.equal("", out)
    assert.equal('counter = "60"\n', read(path))
    assert.equal("win11.vmx ", listing())
  end)

  it("leaves the old file or the new one, whole, when it is killed at any system call", function()
    if is_sanitized() then return pending "the leak detector cannot run under ptrace" end
    local _, status = shell("cc -O1 -o %1/killat csrc/test/killat.c", folder)
    assert.equal(0, status)
    local script = ([[local d = require "gpupt.core".vmx.open "%s" d:set("firmware", "efi") assert(d:_save(nil, false))]]):format(path)
    local out
    out, status = shell("%1/killat 0 lua5.4 -e %2", folder, script)
    if status == 2 then return pending("no ptrace here: " .. out) end
    local stops = tonumber(out)
    assert.truthy(stops and stops > 50, out)
    assert.equal(NEW, read(path))
    write(folder .. "/original", OLD)
    -- Twice: into a clean folder, then into one with what the killed writer before left. In one shell, for speed.
    for _, clean in ipairs { "rm -f .win11*", ":" } do
      local rounds = stops + (clean == ":" and 24 or 0)
      local result = shell(([[cd %%1; cp win11.vmx new
        for n in $(seq 1 %d); do
          %s; cp original win11.vmx
          ./killat $n lua5.4 -e %%2 >/dev/null || echo "status $?"
          if cmp -s win11.vmx original; then s=old; elif cmp -s win11.vmx new; then s=new; else s=BROKEN; fi
          l=clean; for f in .win11*; do [ -e "$f" ] && l=litter; done
          echo $s $l
        done]]):format(rounds, clean), folder, script)
      local old, new, littered = 0, 0, 0
      for line in result:gmatch "[^\n]+" do
        if line:find "^old" then old = old + 1 end
        if line:find "^new" then new = new + 1 end
        if line:find "litter" then littered = littered + 1 end
        assert.falsy(line:find "BROKEN" or line:find "status", line)
      end
      assert.equal(rounds, old + new)
      assert.truthy(old > 50 and new > 5, ("old %d, new %d"):format(old, new))
      -- the kills between making the temporary file and the rename leave it
      assert.truthy(littered > 5, littered)
    end
    write(path, OLD)
    assert.is_true(edit():save())
    assert.falsy(listing():find("gpupt~", 1, true))
  end)
end)

describe("opening a vmx", function()
  local function code_of(path, opts) return (select(3, vmx.open(path, opts))) end

  it("of a folder, an absent or an unreadable file fails with its name and code", function()
    local folder = shell("mktemp -d"):match "%S+"
    assert.equal("EISDIR", code_of(folder))
    assert.equal("ENOENT", code_of(folder .. "/none.vmx"))
    assert.truthy((select(2, vmx.open(folder .. "/none.vmx"))):find("none.vmx", 1, true))
    if is_root() then
      write(folder .. "/x.vmx", "a = 1\n")
      shell("chmod 711 %1; chmod 000 %1/x.vmx", folder)
      assert.equal("EACCES\n", as_somebody(
        ([[print(select(3, require "gpupt.vmx".open "%s/x.vmx"))]]):format(folder)))
    end
    shell("rm -rf %1", folder)
  end)

  it("of 200 MB, or of 1 GB on one line, is refused at once and without the memory for it", function()
    local folder = shell("mktemp -d"):match "%S+"
    shell("truncate -s 200M %1/big.vmx; truncate -s 1G %1/line.vmx", folder)
    local script = ([[for _, name in ipairs { "big", "line" } do
      local d, message, code = require "gpupt.vmx".open("%s/" .. name .. ".vmx") print(code, message) end]]):format(folder)
    -- the sanitizer's shadow memory would not fit the limit
    local out = shell((is_sanitized() and "" or "ulimit -v 100000; ") .. "$LUA -e %1", script)
    shell("rm -rf %1", folder)
    assert.truthy(out:find "EFBIG\t[^\n]*big.vmx[^\n]*16777216 bytes\nEFBIG\t[^\n]*line.vmx", out)
  end)

  it("of an endless stream stops at the limit", function()
    local doc, _, code = vmx.open("/dev/zero", { max_bytes = 100000 })
    assert.is_nil(doc)
    assert.equal("EFBIG", code)
  end)

  it("reads a pipe", function()
    local out = shell([[printf 'firmware = "efi"\n' | $LUA -e %1]],
      [[local d = assert(require "gpupt.vmx".open "/dev/stdin") print(d:get "firmware") print(select(3, (function() d:set("a", 1) return d:save() end)()))]])
    assert.truthy(out:find("^efi\n"), out)
  end)
end)
