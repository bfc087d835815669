--- What csrc/test/oomhost.c runs while memory fails: the readers of answer files (see oom_spec.lua).
-- A function ends normally, or raises anything but WRONG: a result that is not what it should be.
local iso = require "gpupt.iso"

local function expect(condition, what)
  if not condition then error("WRONG: " .. tostring(what), 0) end
end

--- nil, message, code is a way to end: a refusal is clean, a wrong result is not. (libxml2 2.9 says of some of its own
-- allocations that the text is wrong; oom_spec.lua runs each body with memory, too.)
local function got(value, message, code)
  if value ~= nil then return value end
  expect(code == "ENOMEM" or (code == "EPARSE" and tostring(message):find "^f:%d+: "), tostring(message) .. " " .. tostring(code))
  error("out of memory", 0)
end

local function refused(value, message, code, words)
  expect(value == nil, "accepted")
  if code == "ENOMEM" then error("out of memory", 0) end
  expect(tostring(message):find(words, 1, true), message)
end

local xml = "<?xml version='1.0'?>\n<a xmlns='urn:x' xmlns:w='urn:w' w:b='1 &amp; 2'>"
  .. ("<c>t &lt; u<d/>v<![CDATA[<&>]]></c>\n"):rep(20) .. "</a>"
local yaml = "base: &b {a: 1, b: [x, 'y', \"z\\n\"]}\n" .. "more: [*b, *b, {c: *b}]\ntext: |\n  " .. ("x"):rep(300) .. "\n"

local bodies = {}

bodies["xml"] = function()
  local root = got(iso.xml(xml, "f"))
  expect(#root == 20 and root.attr.b == "1 & 2" and root[20].text == "t < uv<&>", "another tree")
end
bodies["xml in UTF-16"] = function()
  local root = got(iso.xml("\xff\xfe" .. ("<a>b</a>"):gsub(".", "%0\0"), "f"))
  expect(root.text == "b", "another text")
end
bodies["xml that is refused"] = function()
  local value, message, code = iso.xml("<a>\n<b></a>", "f")
  refused(value, message, code, "f:2: ")
end
bodies["xml with a document type"] = function()
  local value, message, code = iso.xml("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "f")
  refused(value, message, code, "document types")
end
bodies["yaml"] = function()
  local root = got(iso.yaml(yaml, "f"))
  expect(#root == 3 and root[2].value[3][1].value[2].value[3].value == "z\n", "another tree")
end
bodies["yaml that is refused"] = function()
  local value, message, code = iso.yaml("a: &x [1]\nb: *y\n", "f")
  refused(value, message, code, "f:2: ")
end

return bodies
