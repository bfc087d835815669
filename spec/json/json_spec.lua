local json = require "gpupt.json"

describe("json", function()
  describe("encode", function()
    it("keeps all 64 bits of an integer", function()
      assert.equal("[9223372036854775807,-9223372036854775808]", json.encode { math.maxinteger, math.mininteger })
    end)

    it("writes floats with as few digits as read back equal", function()
      assert.equal("0.1", json.encode(0.1))
      assert.equal("2.0", json.encode(2.0))
      assert.equal(1 / 3, json.decode(json.encode(1 / 3)))
    end)

    it("sorts keys, so that two results can be compared by diff", function()
      assert.equal('{"a":1,"b":{"c":2,"d":3},"z":[]}',
        json.encode { z = json.array {}, b = { d = 3, c = 2 }, a = 1 })
    end)

    it("writes an empty table as an object unless it is marked as an array", function()
      assert.equal("{}", json.encode {})
      assert.equal("[]", json.encode(json.array()))
      assert.equal("[]", json.encode(json.array {}))
    end)

    it("indents", function()
      assert.equal('{\n  "a": [\n    1\n  ]\n}', json.encode({ a = { 1 } }, { indent = 2 }))
    end)

    it("escapes control characters and keeps zero bytes", function()
      assert.equal([["a\u0000\n\u001F\"\\"]], json.encode "a\0\n\31\"\\")
      assert.equal("a\0b", json.decode [["a\u0000b"]])
    end)

    for what, case in pairs {
      ["NaN"] = { { a = { 0, 0 / 0 } }, "a[2]: JSON has no infinity and no NaN" },
      ["infinity"] = { { math.huge }, "[1]: JSON has no infinity and no NaN" },
      ["a function"] = { { f = print }, "f: a function cannot be written as JSON" },
      ["indices beside names"] = { { x = { 1, y = 2 } }, "x: a table has both indices and names" },
      ["holes"] = { { 1, nil, 3 }, "the value: an array has holes" },
      ["index zero"] = { { [0] = 1 }, "the value: an array's indices start at 1" },
      ["a table as key"] = { { [{}] = 1 }, "the value: keys must be strings or the integers 1..n" },
      ["a float as key"] = { { [1.5] = 1 }, "the value: keys must be strings or the integers 1..n" },
      ["names in a marked array"] = { json.array { a = 1 }, "the value: a table marked as array has names" },
      ["bytes that are not UTF-8"] = { { log = { "ok", "\xff" } }, "log[2]: the text is not UTF-8" },
      ["a surrogate in UTF-8"] = { { "\xed\xa0\x80" }, "[1]: the text is not UTF-8" },
      ["a key that is not UTF-8"] = { { ["\xc0\x80"] = 1 }, "the value: a key is not UTF-8" },
    } do
      it("refuses " .. what .. " and names the position", function()
        local text, message, code = json.encode(case[1])
        assert.is_nil(text)
        assert.equal(case[2], message)
        assert.equal("EINVAL", code)
      end)
    end

    it("refuses a cycle", function()
      local t = {}
      t.again = t
      local text, message, code = json.encode(t)
      assert.is_nil(text)
      assert.truthy(message:find("nested too deeply, or a cycle", 1, true))
      assert.equal("EINVAL", code)
    end)

    it("replaces invalid bytes on request, one mark per malformed sequence", function()
      assert.equal('["a\u{FFFD}b\u{FFFD}\u{FFFD}","\u{FFFD}"]',
        json.encode({ "a\xffb\xc0\x80", "\xe2\x82" }, { invalid = "replace" }))
      assert.equal('{"k\u{FFFD}":{"v":"\u{FFFD}"}}',
        json.encode({ ["k\xff"] = { v = "\xfe" } }, { invalid = "replace" }))
    end)

    it("checks its options", function()
      assert.error_matches(function() json.encode({}, { indnt = 2 }) end, "unknown option 'indnt' %(did you mean 'indent'%?%)")
      assert.error_matches(function() json.encode({}, { indent = 99 }) end, "indent must be 0 to 31")
    end)
  end)

  describe("decode", function()
    it("gives back what was encoded", function()
      local value = { a = { 1, 2.5, "x" }, e = json.array {}, o = {}, t = true, f = false, n = json.null,
        big = math.maxinteger }
      local text = json.encode(value)
      assert.equal(text, json.encode(json.decode(text)))
    end)

    it("tells null from an absent field", function()
      local value = json.decode '{"a":null}'
      assert.equal(json.null, value.a)
      assert.is_nil(value.b)
    end)

    it("accepts a scalar at the top", function()
      assert.equal(5, json.decode "5")
      assert.equal("integer", math.type(json.decode "5"))
      assert.equal("float", math.type(json.decode "5.0"))
    end)

    for what, case in pairs {
      ["a missing bracket"] = { "[1,\n2", "JSON line 2, column 1:" },
      ["text after the value"] = { "{} x", "JSON line 1, column 4:" },
      ["a duplicate key"] = { '{"a":1,"a":2}', "duplicate object key" },
      ["an integer beyond 64 bits"] = { "92233720368547758080", "too big integer" },
      ["nothing"] = { "", "JSON line 1, column 0:" },
      ["invalid UTF-8"] = { '"\xff"', "unable to decode byte 0xff" },
      ["10,000 open brackets"] = { ("["):rep(10000), "maximum parsing depth reached" },
    } do
      it("refuses " .. what .. " with the position", function()
        local value, message, code = json.decode(case[1])
        assert.is_nil(value)
        assert.matches(case[2], message)
        assert.equal("EPARSE", code)
      end)
    end
  end)

  describe("document", function()
    it("is what commands print: indented, ended by a newline, never failing on foreign bytes", function()
      assert.equal('{\n  "text": "\u{FFFD}"\n}\n', json.document { text = "\x80" })
    end)
  end)
end)
