--- How cmd.exe reads the lines of a batch file and of /c, as far as gpupt.vim.guest_script uses it. A model, in the order
-- of cmd's phases: percent signs, then quotes and special characters, then the program's own words (CommandLineToArgvW).
-- Sources: `cmd /?`, `for /?`; learn.microsoft.com: CommandLineToArgvW, "Parsing C command-line arguments".
local model = {}

--- What a line of a batch file becomes: %% is a percent sign, %~dp0 the script's folder, %NAME% a variable (empty when
-- it is not set), and a single percent sign disappears.
function model.batch(line, folder, variables)
  local out, at = {}, 1
  while at <= #line do
    local c = line:sub(at, at)
    if c ~= "%" then
      out[#out + 1], at = c, at + 1
    elseif line:sub(at, at + 1) == "%%" then
      out[#out + 1], at = "%", at + 2
    elseif line:sub(at, at + 4) == "%~dp0" then
      out[#out + 1], at = folder, at + 5
    else
      local name = line:match("^%%([^%%]*)%%", at)
      if name and name ~= "" then
        out[#out + 1], at = (variables or {})[name:lower()] or "", at + #name + 2
      else
        at = at + 1
      end
    end
  end
  return table.concat(out)
end

--- Splits an expanded line into the command and its redirections: outside quotes <, > and & have a meaning. Gives the
-- command, and { ["1"] = file, ["2"] = file, ["<"] = file }; raises for an operator that starts another command.
function model.split(line)
  local command, files, quoted, at = {}, {}, false, 1
  while at <= #line do
    local c = line:sub(at, at)
    if c == '"' then quoted = not quoted end
    if not quoted and (c == "&" or c == "|") then error("another command begins at: " .. line:sub(at)) end
    if not quoted and c == "^" then
      at = at + 1
      command[#command + 1] = line:sub(at, at)
    elseif not quoted and (c == ">" or c == "<") then
      local handle = c == "<" and "<" or "1"
      if c == ">" and command[#command] == "2" and (command[#command - 1] or " ") == " " then
        handle = "2"
        command[#command] = nil
      end
      local name, after = line:match('^%s*"([^"]*)"()', at + 1)
      if not name then name, after = line:match("^%s*(%S+)()", at + 1) end
      files[handle], at = name, after - 1
    else
      command[#command + 1] = c
    end
    at = at + 1
  end
  return (table.concat(command):gsub("%s+$", "")), files
end

--- What /c runs: with /s the first and the last quote go.
function model.after_c(arguments)
  local rest = arguments:match "/c%s+(.*)$"
  if arguments:find "/s%f[%s]" then
    return (rest:gsub('^"', "", 1):gsub('"([^"]*)$', "%1"))
  end
  if select(2, rest:gsub('"', "")) == 2 and not rest:find "[&<>()@^|]" and rest:find "%s" then return rest end
  return (rest:gsub('^"', "", 1):gsub('"([^"]*)$', "%1"))
end

--- The words that a C program sees: quotes group, 2n backslashes before a quote are n, one more escapes the quote.
function model.words(text)
  local words, word, quoted, at = {}, nil, false, 1
  while at <= #text do
    local slashes, quote = text:match('^(\\*)("?)', at)
    if slashes ~= "" or quote ~= "" then
      word = word or ""
      if quote == "" then
        word = word .. slashes
      else
        word = word .. slashes:sub(1, #slashes // 2)
        if #slashes % 2 == 1 then word = word .. '"' else quoted = not quoted end
      end
      at = at + #slashes + #quote
    else
      local c = text:sub(at, at)
      if (c == " " or c == "\t") and not quoted then
        words[#words + 1], word = word, nil
      else
        word = (word or "") .. c
      end
      at = at + 1
    end
  end
  words[#words + 1] = word
  return words
end

--- A word in quotes for such a program.
function model.quote(word)
  local inner = word:gsub('(\\*)"', function(slashes) return slashes .. slashes .. '\\"' end)
  return '"' .. inner:gsub("(\\+)$", "%1%1") .. '"'
end

return model
