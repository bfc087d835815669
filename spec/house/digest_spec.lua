local digest = require "gpupt.net".digest
local sha256 = require "gpupt.sha256"

describe("SHA-256", function()
  -- FIPS 180-4 examples (NIST CSRC, "SHA256.pdf")
  it("matches the published values", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256 "abc")
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256 "")
    assert.equal("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      sha256 "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
  end)
  it("accepts any bytes, also zero bytes", function()
    assert.not_equal(sha256 "a\0b", sha256 "a\0c")
    assert.error_matches(function() sha256(nil) end, "string expected")
  end)
end)

describe("HMAC with SHA-256", function()
  -- RFC 4231, test cases 1 and 2
  it("matches the published values", function()
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      digest.hmac(("\x0b"):rep(20), "Hi There"))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      digest.hmac("Jefe", "what do ya want for nothing?"))
  end)
end)

describe("random bytes", function()
  it("have the requested length, and differ", function()
    assert.equal(32, #digest.random(32))
    assert.not_equal(digest.random(32), digest.random(32))
    assert.error_matches(function() digest.random(0) end, "1 to 1024 bytes")
    assert.error_matches(function() digest.random(1025) end, "1 to 1024 bytes")
  end)
end)

describe("the password hash of Unix", function()
  -- the password and salt of Ulrich Drepper's specification; the value is that of `openssl passwd -6`
  it("matches the published SHA-512 value", function()
    assert.equal("$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
      digest.crypt("Hello world!", "$6$saltstring"))
  end)
  it("refuses an invalid setting, and a password that C would truncate", function()
    local hash, message, code = digest.crypt("x", "*nonsense")
    assert.is_nil(hash)
    assert.matches("does not support the setting", message)
    assert.equal("EINVAL", code)
    assert.equal("EINVAL", select(3, digest.crypt("a\0b", "$6$salt")))
  end)
end)
