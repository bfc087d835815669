-- A message that says what to type next must name a command that exists, with options that it has: a command that was
-- renamed would leave its old name in some message. Here all texts of lua/ and of the documentation are read.
local cli = require "gpupt.cli"
local vcenter = require "spec.support.vcenter"

-- command -> { option -> true }, and all options of all commands
local commands, every_option = {}, { help = true, version = true }
for _, name in ipairs(cli.commands) do
  commands[name] = { help = true }
  for _, option in ipairs(cli.load(name).options or {}) do
    commands[name][option[1]], every_option[option[1]] = true, true
  end
end

-- What follows the program's name in prose.
local prose = {}
for word in ([[was reads moves has command as yield writes waits that sets sends on looks leaves does creates can calls
  again and for is in to read knows session help version]]):gmatch "%S+" do prose[word] = true end

-- Texts with the options of other programs: of guests, of their installers, of what is pasted.
local function is_foreign(path)
  for _, folder in ipairs { "guest/", "facts/", "evidence/", "vmlog/", "doctor/report_html.lua", "step/driver_install.lua" } do
    if path:find("lua/gpupt/" .. folder, 1, true) == 1 then return true end
  end
  return false
end

-- The texts of Lua source: { text =, line = }. Literals that are concatenated, one after the other, are one text.
local function texts_of(source)
  local list, at, line = {}, 1, 1
  local joined = false
  local function pass(to)
    local _, count = source:sub(at, to):gsub("\n", "")
    line, at = line + count, to + 1
  end
  local function add(text)
    if joined then list[#list].text = list[#list].text .. text else list[#list + 1] = { text = text, line = line } end
  end
  while at <= #source do
    local _, last = source:find("^%s+", at)
    if last then
      pass(last)
    elseif source:find("^%-%-%[=*%[", at) then
      local equals = source:match("^%-%-%[(=*)%[", at)
      pass(select(2, assert(source:find("]" .. equals .. "]", at, true))))
    elseif source:find("^%-%-", at) then
      pass((source:find("\n", at, true) or #source + 1) - 1)
    elseif source:find("^%[=*%[", at) then
      local equals = source:match("^%[(=*)%[", at)
      local first, final = assert(source:find("]" .. equals .. "]", at, true))
      add(source:sub(at + #equals + 2, first - 1))
      pass(final)
      joined = true
    elseif source:find("^[\"']", at) then
      local quote, stop = source:sub(at, at), at + 1
      while source:sub(stop, stop) ~= quote do stop = stop + (source:sub(stop, stop) == "\\" and 2 or 1) end
      add((source:sub(at + 1, stop - 1):gsub("\\n", "\n"):gsub("\\(.)", "%1")))
      pass(stop)
      joined = true
    else
      local _, final = source:find("^%.%.", at)
      if not final then
        joined = false
        final = select(2, source:find("^[%w_]+", at)) or at
      end
      pass(final)
    end
  end
  return list
end

-- The words of a command line that begins in a text: to the end of its quotation, sentence or line.
local function command_line(text)
  local line = text:match "^[^\n\"'`|;)<]*"
  return (line:match "^(.-)[.,:] " or line):gsub("[.,:]$", "")
end

-- What a text says that no command has: a list. `foreign`: only what follows a command of gpupt is an option of it.
-- `page`: of documentation, where the name is followed by prose but for a line to type: `gpupt ...` or $ gpupt ...
local function wrong(text, foreign, page)
  local list = {}
  for before, start in text:gmatch "()gpupt()" do
    local word = text:sub(start):match "^ ([%l]+)%f[^%l]"
    local alone = not text:sub(before - 1, before - 1):find "[%w./_-]"
    if alone and word and commands[word] then
      for option in command_line(text:sub(start)):gmatch "%f[%S]%-%-([%w-]+)" do
        if not commands[word][option] then list[#list + 1] = ("gpupt %s --%s"):format(word, option) end
      end
    elseif alone and word and not prose[word] and (not page or text:sub(1, before - 1):find "[`$] ?$") then
      list[#list + 1] = "gpupt " .. word
    end
  end
  for option in (foreign and "" or text):gmatch "%f[%w-]%-%-(%l[%w-]*)" do
    if not every_option[option] then list[#list + 1] = "--" .. option end
  end
  return list
end

local function files(pattern)
  local list = {}
  for path in vcenter.shell("ls -d " .. pattern):gmatch "%S+" do list[#list + 1] = path end
  return list
end

describe("the commands that messages name", function()
  it("control: a name and an option that do not exist are found, also across a line", function()
    local function found(source)
      local list = {}
      for _, one in ipairs(texts_of(source)) do table.move(wrong(one.text), 1, 10, #list + 1, list) end
      return list
    end
    assert.same({}, found 'say("continue with: gpupt apply --resume %s --allow reboot", id) -- gpupt nothing --at-all')
    assert.same({ "gpupt aply" }, found [[say("see gpupt " .. "aply")]])
    assert.same({ "gpupt status --allow" }, found 'say("gpupt status %s --al"\n  .. "low x. Then --json")')
    assert.same({ "--jurnal" }, found "say('set --jurnal')")
    assert.same({ "gpupt aply" }, wrong("use `gpupt aply` where gpupt finds", true, true))
    assert.same({}, found "say('gpupt waits; the gpupt command, build/gpupt plans')")
  end)

  it("exist with these options", function()
    local list, count = {}, 0
    for _, path in ipairs(files "$(find lua/gpupt -name '*.lua' ! -path '*/meta/*')") do
      for _, one in ipairs(texts_of(assert(vcenter.read(path)))) do
        count = count + 1
        for _, what in ipairs(wrong(one.text, is_foreign(path))) do list[#list + 1] = ("%s:%d: %s"):format(path, one.line, what) end
      end
    end
    assert.is_true(count > 10000, count)
    assert.same({}, list)
  end)

  it("name options by names that a command has, where the program may also be a library", function()
    -- the command takes no password itself, and a proxy from the environment
    local of_the_library = { password = true, proxy = true }
    local list, count = {}, 0
    for _, path in ipairs(files "$(find lua/gpupt -name '*.lua' ! -path '*/meta/*')") do
      local source = assert(vcenter.read(path))
      for _, form in ipairs { "spell *%(?[\"']([%w_]+)[\"']", "options%.word *%(?[\"']([%w_]+)[\"']" } do
        for name in source:gmatch(form) do
          count = count + 1
          local option = name:gsub("_", "-")
          if not every_option[option] and not of_the_library[name] then list[#list + 1] = path .. ": " .. name end
        end
      end
    end
    assert.is_true(count > 5, count)
    assert.same({}, list)
  end)

  it("exist in the documentation and the examples, too", function()
    local list = {}
    for _, path in ipairs(files "README.md CONTRIBUTING.md SECURITY.md docs/*.md docs/guide/*.md examples/*.lua") do
      local line = 0
      for text in (assert(vcenter.read(path)) .. "\n"):gmatch "([^\n]*)\n" do
        line = line + 1
        for _, what in ipairs(wrong(text, true, true)) do list[#list + 1] = ("%s:%d: %s"):format(path, line, what) end
      end
    end
    assert.same({}, list)
  end)
end)
