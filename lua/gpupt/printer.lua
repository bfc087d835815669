--- The only module that writes to standard output and standard error: commands, progress, warnings of the library.
-- No other file of gpupt does (build-support/lint checks that), so that text from a log, a guest or a server never
-- controls the terminal: see gpupt.visible. Formats are our own text; their arguments are made visible.
--
--   printer.out("%s: %d cards", host, count)    one line of data       printer.err(...)   one line of anything else
--   printer.lines(list)      several lines                             printer.file(text) the lines of a file
--   printer.json(value)      what --json prints                         printer.event(value) one line of JSON, at once
--   printer.exact(text)      the bytes themselves, for a program that reads them
--   printer.live(text)       the progress line on a terminal; "" removes it
local visible = require "gpupt.visible"

local printer = {}

-- The first write error: a full disk must not look like success.
local failed
local started = false

local function write(file, ...)
  if file == io.stdout then started = true end
  local ok, message = file:write(...)
  if not ok and file == io.stdout then failed = failed or message end
end

--- The format with its arguments made visible; without arguments the text itself is made visible.
function printer.format(format, ...)
  local count = select("#", ...)
  if count == 0 then return visible(format) end
  local list = { ... }
  for i = 1, count do
    if type(list[i]) ~= "number" then list[i] = visible(list[i]) end
  end
  return (format:format(table.unpack(list, 1, count)))
end

function printer.out(...) write(io.stdout, printer.format(...), "\n") end
-- In one piece: standard error has no buffer, and lines of several programs must not mix.
function printer.err(...) write(io.stderr, printer.format(...) .. "\n") end

function printer.lines(list)
  if #list > 0 then write(io.stdout, visible.lines(list), "\n") end
end

--- Help pages and other text of our own that ends with a line end. `to_err`: on standard error.
function printer.page(text, to_err) write(to_err and io.stderr or io.stdout, visible.file(text)) end

function printer.file(text) write(io.stdout, visible.file(text)) end

--- true; nil, message, code if JSON cannot represent the value.
function printer.json(value)
  local text, message, code = require("gpupt.json").document(value)
  if not text then return nil, message, code end
  write(io.stdout, visible.json(text))
  return true
end

function printer.event(value)
  local text = require("gpupt.json").encode(value, { invalid = "replace" })
  write(io.stdout, visible.json(text or "{}"), "\n")
  printer.flush()
end

function printer.exact(text) write(io.stdout, text) end

function printer.live(text)
  io.stderr:write("\r\27[K", visible(text))
  io.stderr:flush()
end

--- Whether something was written to standard output.
function printer.started() return started end

--- Flushes standard output. true, or nil and the first write error.
function printer.flush()
  local ok, message = io.stdout:flush()
  if not ok then failed = failed or message end
  if failed then return nil, failed end
  return true
end

return printer
