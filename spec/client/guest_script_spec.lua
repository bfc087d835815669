-- The script that runs programs in a guest: whatever its words are, the programs see them unchanged. Linux: the script is
-- really run by /bin/sh. Windows: it is read by a model of cmd.exe.
local cmd = require "spec.support.cmd_model"
local script = require "gpupt.vim.guest_script"
local shell = require "gpupt.shell"
local vcenter = require "spec.support.vcenter"

-- Words of random characters, the special ones of both shells among them; the same in every run.
local function words(seed, count, letters)
  local state, list = seed, {}
  local function below(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end
  for i = 1, count do
    local word = {}
    for n = 1, below(12) do word[n] = letters[below(#letters)] end
    list[i] = table.concat(word)
  end
  return list
end

local LINUX = { "a", "b", " ", "'", '"', "\\", "$", "`", "%", "&", "|", ";", "(", ")", "<", ">", "*", "?", "~", "#", "!",
  "\n", "\t", "ö", "-" }
-- what a path of Windows may have
local PATHS = { "a", "b", " ", "'", "%", "%%", "&", "(", ")", "^", ";", ",", "=", "!", "ö", "~", "%a%", "%TEMP%" }
local ARGUMENTS = { "a", " ", "'", "%", "&", "|", "(", ")", "<", ">", "^", "!", "ö", "\\", '"', "%PATH%" }

describe("the script of a Linux guest", function()
  local dir

  before_each(function() dir = vcenter.shell "mktemp -d -t gpupt-sh.XXXXXX":match "%S+" end)
  after_each(function() os.execute("rm -rf " .. shell.quote(dir)) end)

  -- Runs a list of programs in a folder; what script.read makes of the result.
  local function run(folder, programs)
    os.execute("mkdir -p " .. shell.quote(folder))
    local name, text, inside = script.of("linux", folder, programs)
    vcenter.write(inside .. name, text)
    local program, arguments = script.command("linux", inside .. name)
    os.execute(program .. " " .. arguments .. " 2>/dev/null")
    return script.read(assert(vcenter.read(inside .. script.RESULT)), #programs)
  end

  it("gives a program its words unchanged, in a folder of any name", function()
    for i, word in ipairs(words(7, 40, LINUX)) do
      local folder = dir .. "/t" .. i .. word:gsub("/", ""):gsub("\n", "")
      local list = run(folder, {
        { program = "/usr/bin/printf", arguments = shell.quote "%s" .. " " .. shell.quote(word) },
        { program = "/bin/pwd", directory = folder } })
      assert.equal(word, list[1].stdout)
      assert.equal(0, list[1].rc)
      assert.equal(folder .. "\n", list[2].stdout)
    end
  end)

  it("keeps exit codes, both outputs and an empty input", function()
    local list = run(dir .. "/x", { { program = "/bin/sh", arguments = "-c 'echo out; echo err >&2; exit 7'" },
      { program = "/bin/cat" }, { program = "/none" }, { program = "/bin/pwd", directory = "/none" },
      { program = "/bin/sh", arguments = "-c 'kill -9 $$'" } })
    assert.same({ rc = 7, stdout = "out\n", stderr = "err\n" }, list[1])
    assert.same({ rc = 0, stdout = "", stderr = "" }, list[2])
    assert.equal(127, list[3].rc)
    assert.equal(126, list[4].rc)
    assert.equal(137, list[5].rc)
  end)

  it("ends the program and what it has started when it is ended", function()
    local pids = dir .. "/pids"
    local name, text, inside = script.of("linux", dir, { { program = "/bin/sh",
      arguments = "-c " .. shell.quote(("sleep 300 & echo $! >>%s; sleep 300 & echo $! >>%s; echo $$ >>%s; wait"):format(
        pids, pids, pids)) } })
    vcenter.write(inside .. name, text)
    local program, arguments = script.command("linux", inside .. name)
    local pid = vcenter.shell(("%s %s >/dev/null 2>&1 & echo $!"):format(program, arguments)):match "%d+"
    local started
    for _ = 1, 100 do
      started = vcenter.read(pids) or ""
      if select(2, started:gsub("\n", "")) == 3 then break end
      vcenter.sleep(0.05)
    end
    local function alive()
      local count = 0
      for one in started:gmatch "%d+" do
        local state = (vcenter.read("/proc/" .. one .. "/stat") or ""):match "%) (%a)"
        if state and state ~= "Z" then count = count + 1 end
      end
      return count
    end
    assert.equal(3, alive())
    os.execute("kill -TERM " .. pid)
    for _ = 1, 100 do
      if alive() == 0 then break end
      vcenter.sleep(0.05)
    end
    assert.equal(0, alive())
    assert.is_nil(vcenter.read(inside .. script.RESULT))
  end)
end)

describe("the script of a Windows guest", function()
  -- The words of the first program's line, and where its output goes.
  local function first_program(folder, programs)
    local name, text, inside = script.of("windows", folder, programs)
    local variables = { temp = [[C:\T]], path = [[C:\P]], a = "wrong" }
    local lines = {}
    for line in text:gmatch "([^\r\n]+)\r\n" do lines[#lines + 1] = line end
    local _, arguments = script.command("windows", inside .. name)
    local at = lines[2]:find "^chcp" and 1 or 0
    local changed = cmd.split(cmd.batch(lines[2 + at], folder .. "\\", variables))
    local command, files = cmd.split(cmd.batch(lines[3 + at], folder .. "\\", variables))
    return command, files, changed, arguments, inside .. name, at == 1
  end

  it("names the program, its folder and its outputs unchanged", function()
    for i, word in ipairs(words(11, 200, PATHS)) do
      local folder = [[C:\Users\]] .. word .. i .. [[\Temp\gpupt-1]]
      local program = [[C:\Program Files\]] .. word .. [[\x.exe]]
      local where = [[D:\]] .. word .. " y"
      local command, files, changed, arguments, path, utf8 = first_program(folder,
        { { program = program, arguments = "/x", directory = where } })
      assert.equal('"' .. program .. '" /x', command)
      assert.equal(folder .. [[\out-1]], files["1"])
      assert.equal(folder .. [[\err-1]], files["2"])
      assert.equal("nul", files["<"])
      assert.equal('cd /d "' .. where .. '"', changed)
      assert.equal('"' .. path .. '"', cmd.after_c(arguments))
      assert.equal(program:find "[\128-\255]" ~= nil, utf8)
    end
  end)

  it("gives a program its words unchanged", function()
    for _, word in ipairs(words(13, 300, ARGUMENTS)) do
      -- where an odd quote leaves cmd's quotes, its special characters would begin another command
      if not word:find('"', 1, true) or not word:find "[&|<>^]" then
        local command = first_program([[C:\T\gpupt-1]], { { program = [[C:\x.exe]], arguments = cmd.quote(word) } })
        assert.equal(word, cmd.words(command)[2], word)
      end
    end
  end)

  it("never has the name of the temporary folder in itself, which has letters of the user's language", function()
    local _, text = script.of("windows", "C:\\Users\\J\xC3\xB6rg\\Temp\\gpupt-1", { { program = [[C:\x.exe]] } })
    assert.is_nil(text:find "[\128-\255]")
    assert.is_nil(text:find("gpupt-1", 1, true))
  end)
end)
