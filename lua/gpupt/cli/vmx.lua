--- gpupt vmx: reads and edits .vmx files without losing a byte of what is not edited.
local cli = require "gpupt.cli"
local printer = require "gpupt.printer"
local visible = require "gpupt.visible"
local vmx = require "gpupt.vmx"

local actions = {}

local function usage(format, ...) return nil, "vmx: " .. format:format(...), "EUSAGE" end

--- Prints a value as JSON.
local function print_json(value)
  local ok, message, code = printer.json(value)
  if not ok then return nil, message, code end
  return cli.OK
end

local function spelled(key, value)
  return ('%s = "%s"'):format(key, (value:gsub('[%c"|\127]', function(c) return ("|%02X"):format(c:byte()) end)))
end

--- The difference of two documents, for people.
local function print_difference(before, after, path, what)
  printer.file(vmx.difference(before, after, visible(path), ("%s (%s)"):format(visible(path), what)))
end

local STDIN = "standard input"

--- The document of a file, or of standard input ("-"); and what to call it.
local function open(path)
  if path ~= "-" then
    local doc, message, code = vmx.open(path)
    return doc, doc and path or message, code
  end
  local doc, message, code = vmx.parse(require "gpupt.stdin"())
  if not doc then return nil, STDIN .. ": " .. message, code end
  return doc, STDIN
end

--- What is wrong with the file's form goes to stderr; true when the host could not load it as it is.
local function complain_about(doc, path)
  local pasted, malformed = vmx.pasted(tostring(doc)), false
  if pasted then
    -- one cause, one message: damage done by a page or a mail is not reported line by line
    cli.complain("%s: %s; gpupt vmx fix repairs that", path, pasted)
    for _, problem in ipairs(doc:problems()) do
      malformed = malformed or problem.code == "unbalanced-quote" or problem.code == "trailing-text"
    end
    return malformed
  end
  for _, problem in ipairs(doc:problems()) do
    cli.complain("%s:%d: %s", path, problem.line, problem.message)
    if problem.code == "unbalanced-quote" or problem.code == "trailing-text" then malformed = true end
  end
  return malformed
end

function actions.get(options, path, keys)
  local doc, message, code = open(path)
  if not doc then return nil, message, code end
  path = message
  complain_about(doc, path)
  local found, missing, out = {}, false, {}
  local bare = #keys == 1 and not keys[1]:find "[*?]"
  for _, key in ipairs(#keys > 0 and keys or { "*" }) do
    if key:find "[*?]" then
      for name in doc:each(key) do
        if found[name] == nil then
          found[name] = doc:get(name)
          out[#out + 1] = spelled(name, found[name])
        end
      end
    else
      local value = doc:get(key)
      if value == nil then
        cli.complain("%s: %s is not set", path, key)
        missing = true
      else
        found[key] = value
        out[#out + 1] = bare and value or spelled(key, value)
      end
    end
  end
  if options.json then
    local status, why, why_code = print_json(found)
    if not status then return nil, why, why_code end
  else
    -- a program that reads the value gets its bytes; a terminal does not
    if require("gpupt.cli.terminal").stdout() then
      printer.lines(out)
    elseif #out > 0 then
      printer.exact(table.concat(out, "\n") .. "\n")
    end
  end
  return (missing or next(found) == nil) and cli.FAILED or cli.OK
end

--- Applies `edit` to the document of `path`, then shows (--dry-run) or saves.
local function change(options, path, edit)
  local doc, message, code = open(path)
  if not doc then return nil, message, code end
  path = message
  if path == STDIN and not options.dry_run then
    return nil, "standard input cannot be saved: name a file, or give --dry-run", "EINVAL"
  end
  if complain_about(doc, path) and not options.force then
    return nil, ("%s: not edited: a host could not load it as it is; repair the lines above (or give --force)")
      :format(path), "EPARSE"
  end
  local before = vmx.parse(tostring(doc))
  local ok
  ok, message, code = edit(doc)
  if not ok then return nil, ("%s: %s"):format(path, message), code end
  local differences, changed = before:diff(doc), doc:changed()
  if not options.dry_run then
    ok, message, code = doc:save()
    if not ok then return nil, message, code end
  end
  if options.json then
    return print_json {
      changed = changed, saved = not options.dry_run,
      changes = require("gpupt.json").array(table.move(differences, 1, #differences, 1, {})),
    }
  end
  if options.dry_run then
    print_difference(tostring(before), tostring(doc), path, "edited")
  end
  return cli.OK
end

function actions.set(options, path, words)
  if #words == 0 then return usage "set needs KEY=VALUE" end
  local pairs_given = {}
  for _, word in ipairs(words) do
    local key, value = word:match "^([^=]+)=(.*)$"
    if not key then return usage("'%s' is not KEY=VALUE", word) end
    if vmx.is_odd(key, value) then
      return nil, ("%s: '%s' has typographic quotes or blanks, or quotes that would become part of it; write it "
        .. "without quotes, as KEY=VALUE"):format(path, word), "EINVAL"
    end
    pairs_given[#pairs_given + 1] = { key, value }
  end
  return change(options, path, function(doc)
    for _, pair in ipairs(pairs_given) do
      local ok, message, code = doc:set(pair[1], pair[2])
      if not ok then return nil, message, code end
    end
    return true
  end)
end

function actions.unset(options, path, keys)
  if #keys == 0 then return usage "unset needs a KEY" end
  return change(options, path, function(doc)
    for _, key in ipairs(keys) do
      local names = { key }
      if key:find "[*?]" then
        names = {}
        for name in doc:each(key) do names[#names + 1] = name end
      end
      for _, name in ipairs(names) do
        local removed, message, code = doc:unset(name)
        if not removed then return nil, message, code end
      end
    end
    return true
  end)
end

function actions.diff(options, path, words)
  if #words ~= 1 then return usage "diff needs two files" end
  if path == "-" and words[1] == "-" then return usage "standard input can be read once" end
  local before, message, code = open(path)
  if not before then return nil, message, code end
  local after
  after, message, code = open(words[1])
  if not after then return nil, message, code end
  local differences = before:diff(after)
  if options.json then
    return print_json(require("gpupt.json").array(table.move(differences, 1, #differences, 1, {})))
  end
  printer.file(vmx.difference(tostring(before), tostring(after), visible(path), visible(words[1])))
  return cli.OK
end

--- Examines each file by the doctor's rules; `then_do(doc, path, result)` may fix it and gives the result to
-- show.
local function examine_all(options, paths, then_do)
  local doctor, show = require "gpupt.doctor", require "gpupt.cli.show"
  local status, results = cli.OK, require("gpupt.json").array {}
  for i, path in ipairs(paths) do
    local doc, message, code = open(path)
    local name = doc and message or path
    local result, made
    if doc then result, message, code = doctor.examine { vmx = doc, vmx_name = name } end
    if result and then_do then
      result, made, code = then_do(doc, name, result)
      if not result then message = made end
    end
    if not result then
      if #paths == 1 then return nil, message, code end
      cli.complain("%s", message)
      results[i] = { vmx = path, problem = message }
      status = cli.FAILED
    else
      if not result.healthy then status = cli.FAILED end
      if options.json then
        results[i] = show.for_json(result, made, made and not options.dry_run)
        results[i].vmx = path
      else
        if #paths > 1 then
          if i > 1 then printer.out "" end
          printer.out("== %s", path)
        end
        show.result(result)
      end
    end
  end
  if options.json then
    local ok, message, code = print_json(results)
    if not ok then return nil, message, code end
  end
  return status
end

local function with_more(path, words) return table.move(words, 1, #words, 2, { path }) end

function actions.check(options, path, words) return examine_all(options, with_more(path, words)) end

function actions.fix(options, path, words)
  local doctor = require "gpupt.doctor"
  return examine_all(options, with_more(path, words), function(doc, name, result)
    local before = tostring(doc)
    if name == STDIN and not options.dry_run then
      return nil, "standard input cannot be saved: name a file, or give --dry-run", "EINVAL"
    end
    local again, made, code = doctor.mend(result, doc, function(keys)
      return doctor.examine { vmx = doc, vmx_name = name, changed = keys }
    end)
    if not again then return nil, made, code end
    -- saved first: what could not be saved must not be shown as fixed
    if not options.dry_run then
      local ok, message, why = doc:save()
      if not ok then return nil, message, why end
    end
    if not options.json then
      print_difference(before, tostring(doc), name, "fixed")
      require("gpupt.cli.show").made(made, options.dry_run)
    end
    return again, made
  end)
end

return {
  name = "vmx",
  summary = "read, edit, check and fix a .vmx file",
  usage = "vmx get|set|unset|check|fix|diff FILE [KEY|KEY=VALUE|FILE]...",
  details = [[
get FILE KEY...        print the value of a key. Several keys or a pattern
                       (pciPassthru*) print KEY = "VALUE" lines. Control
                       characters are escaped on a terminal only
set FILE KEY=VALUE...  change or add keys, next to related keys
unset FILE KEY...      remove keys or patterns
check FILE...          report what a host would refuse or misread, and what a
                       passed-through card needs; exit 1 for any problem
fix FILE...            make the safe changes and show them as a diff. Also
                       repairs files copied from a web page or a mail
                       (typographic quotes, prompts, > marks)
diff FILE FILE         print a unified diff

Lines that are not edited keep every byte. FILE may be - (standard input) where
nothing is written.

Saving is atomic and keeps mode, owner and ACL. It is refused while a .lck file
shows that the VM runs, and when the file changed in the meantime. Afterwards,
reload the file on the host: vim-cmd vmsvc/reload VMID.]],
  options = {
    { "dry-run", short = "n", doc = "show the diff, save nothing" },
    { "force", doc = "edit although a host could not load some line" },
    { "json", doc = "print the result as JSON" },
  },
  examples = {
    { "gpupt vmx get win11.vmx firmware" },
    { "gpupt vmx get win11.vmx 'pciPassthru*'", "every passthrough key" },
    { "gpupt vmx set win11.vmx firmware=efi pciPassthru.use64bitMMIO=TRUE --dry-run" },
    { "gpupt vmx fix --dry-run win11.vmx", "what would be fixed, as a diff" },
  },
  run = function(options, words)
    local action, path = words[1], words[2]
    if not action then return usage "get, set, unset, check, fix or diff?" end
    if not actions[action] then
      local names = {}
      for name in pairs(actions) do names[#names + 1] = name end
      return usage("unknown action '%s'%s", action, require("gpupt.nearest").hint(action, names))
    end
    if not path then return usage("%s needs a FILE", action) end
    return actions[action](options, path, table.move(words, 3, #words, 1, {}))
  end,
}
