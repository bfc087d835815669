--- A recording of what a client asked a server and what it got, to be sent to others: a folder with a text file for
-- each exchange, without names, addresses, serial numbers, secrets and free texts (gpupt.record.redact).
--   local record = gpupt.check(gpupt.record.open "recording")
--   local vc = gpupt.check(gpupt.vim.connect { record = record })
-- While it records, a client sends only what reads: gpupt.record.reads says which methods do.
local core = require "gpupt.core"
local files = require "gpupt.record.files"
local names = require "gpupt.record.names"
local options = require "gpupt.options"
local redact = require "gpupt.record.redact"
local vim = require "gpupt.vim"
local words = require "gpupt.record.words"

local record = {}

local declared = options.declare("record.open", {
  { "words", "table", doc = "the command that is recorded, as a list of words: for README.txt, with stand-ins" },
})

local Record = { __name = "gpupt.record" }
Record.__index = Record

local readme = [[
This folder was written by %s. The command, with stand-ins for what it
names: %s

It is a recording of what the command asked a vCenter or an ESXi host and what
it got, one text file for each exchange, in their order. While it was written,
nothing was sent that changes anything.

What names or identifies something was replaced: names of hosts, VMs,
datastores, networks, folders and users, paths, addresses, UUIDs, serial
numbers, certificates, licence keys, notes and custom values. The same text has
the same stand-in in all files of this folder, such as vm_1 or host_2. Which
text has which stand-in is not written anywhere. Passwords, tickets and session
cookies are not recorded, and of a login only its answer.

Kept are numbers, sizes, times, switches, versions, models and ids of hardware
(10de:20b5), PCI addresses, names of types and fields, kinds of faults, and of
messages the words that gpupt knows; "(...)" is in place of other words.

Before you send it, look: the files are plain text. For example, to search all
of them for a name that must not be in them:

    grep -ri 'NAME' .
]]

--- Whether a method only reads: what may be sent during a recording.
function record.reads(name) return vim.reads(name) end

local open_records = {}

-- An empty folder is replaced by one for this user alone. The slash keeps links and files from being removed.
local function make_folder(path)
  local kind = core.folder.kind(path)
  if kind and kind ~= "folder" then return nil, ("%s exists and is not a folder"):format(path), "EEXIST" end
  if kind and not os.remove(path .. "/") then
    return nil, ("%s is not an empty folder that can be replaced: a recording needs one of its own"):format(path),
      "EEXIST"
  end
  return core.file.folders(path .. "/")
end

-- The words of a command: its name, a method and the names of options and properties stay, the others are replaced.
local function command_line(self, words_given)
  local list = { "gpupt" }
  for i, word in ipairs(words_given) do
    local name, value = word:match "^(%-%-[%l%-]+)=(.*)$"
    local is_property = words_given[i - 1] == "--property" and word:find "^%l[%w.]*$"
    local is_method = i == 2 and words_given[1] == "vim" and (word == "get" or vim.schema.method(word))
    if i == 1 or is_property or is_method or word:find "^%-%-?[%l%-]+$" then list[#list + 1] = word
    elseif name then list[#list + 1] = name .. "=" .. self.names:value(value, "name")
    else list[#list + 1] = self.names:value(word, "name")
    end
  end
  return table.concat(list, " ")
end

--- Begins a recording in `path`, a new or an empty folder. Gives the record; the same one when this process has opened
-- the folder already; or nil, message, code.
function record.open(path, opts)
  opts = declared:check(opts)
  if type(path) ~= "string" or path == "" then error("record.open: expected the path of a folder", 2) end
  path = path:gsub("(.)/+$", "%1")
  if open_records[path] then return open_records[path] end
  local ok, message, code = make_folder(path)
  if not ok then return nil, "the recording: " .. message, code end
  local self = setmetatable({ path = path, count = 0, names = names.new() }, Record)
  ok, message, code = self:write("README.txt", readme:format(require "gpupt.version",
    opts.words and command_line(self, opts.words) or "a program of the user's own"))
  if not ok then return nil, message, code end
  open_records[path] = self
  return self
end

function Record:write(name, text)
  local ok, message = core.system.write(self.path .. "/" .. name, text)
  if ok then return true end
  self.failed = ("the recording cannot be written: %s. Nothing more is sent"):format(message)
  return nil, self.failed, "ERECORD"
end

--- What a text (a name, a path) was or will be replaced by.
function Record:standin(text) return self.names:value(text) end

--- nil when a method of vim25 or of HTTP may be sent; else message, code.
function Record:refuses(name)
  if name == "Logout" then return nil end
  if self.failed then return self.failed, "ERECORD" end
  if name == "GET" or record.reads(name) then return nil end
  return ("%s is not sent while a recording is written, because it can change something. Stop recording "
    .. "(--record, GPUPT_RECORD) to send it"):format(name), "ERECORD"
end

local function save(self, name, exchange)
  self.count = self.count + 1
  return self:write(("%04d-%s.txt"):format(self.count, name), files.text(exchange))
end

-- How a call ended.
local function outcome(what)
  if what.code then return "failed " .. what.code end
  return "answered"
end

--- After a call: `what` = { name, version, request (XML without secrets), answer (XML, nil without one), status, code,
-- logs_in }. true, or nil, message, code when it could not be written.
function Record:call(what)
  local exchange = { method = what.name, version = what.version, status = what.status, result = outcome(what) }
  if what.logs_in then
    exchange.note = "the request of a login is not recorded"
  else
    local request, message = redact.envelope(what.request, self.names)
    exchange.request, exchange.note = request, message and "the request is not recorded: " .. message
  end
  if what.answer then
    local answer, why = redact.envelope(what.answer, self.names)
    exchange.answer = answer
    if not answer then exchange.note = "the answer is not recorded: " .. why
    elseif why then exchange.result = "fault" end
  end
  return save(self, what.name, exchange)
end

--- After a request for the versions of the server.
function Record:versions(text, status)
  return save(self, "vimServiceVersions", { method = "GET", path = "/sdk/vimServiceVersions.xml", status = status,
    result = text and "answered" or "failed EHTTP", answer = text and redact.versions(text) })
end

local function decoded(text) return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)) end

local function encoded(text) return (text:gsub("[^%w%-._~/]", function(c) return ("%%%02X"):format(c:byte()) end)) end

-- The path of a file on a datastore, and what names the datastore.
local function target(self, url)
  local path, query = url:match "^%a+://[^/]*([^?]*)%??(.*)$"
  local words_of = {}
  for name, value in query:gmatch "([^&=]+)=([^&]*)" do
    local kept = (name == "dcPath" or name == "dsName") and encoded(self.names:value(decoded(value)))
    words_of[#words_of + 1] = ("%s=%s"):format(name:find "^%a+$" and name or "x", kept or "(secret)")
  end
  return encoded(self.names:value(decoded(path))) .. (#words_of > 0 and "?" .. table.concat(words_of, "&") or "")
end

--- After a GET of a file: `text` when the whole of it was read.
function Record:file(url, text, status, code)
  local exchange = { method = "GET", path = target(self, url), status = status, result = outcome { code = code } }
  if text and url:find "/vmware%-?%d*%.log%?" then
    exchange.answer = words.log(text, self.names)
    exchange.note = "of the log, the lines that gpupt reads"
  elseif not code then
    exchange.note = "the file's content is not recorded"
  end
  return save(self, "file", exchange)
end

return record
