--- The hash of a Linux password: SHA-512-crypt ("$6$salt$..."), as /etc/shadow and cloud-init want it.
-- The algorithm is the published one by Ulrich Drepper (specification 0.4); SHA-512 is FIPS 180-4. It is in
-- plain Lua and needs no library: one hash of 5000 rounds takes about a tenth of a second.
--
--   local crypt = require "gpupt.guest.crypt"
--   crypt.sha512("correct horse", "saltsalt")   --> "$6$saltsalt$..."
--   crypt.salt()                                --> 16 random characters, from /dev/urandom
local crypt = {}

-- The first 64 bits of the fractional parts of the cube roots of the first 80 primes...
local K = {
  0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
  0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
  0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
  0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
  0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
  0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
  0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
  0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
  0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
  0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
  0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
  0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
  0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
  0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
  0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
  0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
  0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
  0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
  0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
  0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
}
-- ...and of the square roots of the first 8.
local H = {
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

local pack, unpack, rep = string.pack, string.unpack, string.rep
local block_format = ">" .. rep("i8", 16)

-- The digest of a whole message, 64 bytes.
local function sha512(message)
  local length = #message
  message = message .. "\x80" .. rep("\0", (111 - length) % 128) .. pack(">i8i8", 0, length * 8)
  local h1, h2, h3, h4, h5, h6, h7, h8 = H[1], H[2], H[3], H[4], H[5], H[6], H[7], H[8]
  for at = 1, #message, 128 do
    local w = { unpack(block_format, message, at) }
    for i = 17, 80 do
      local x, y = w[i - 15], w[i - 2]
      w[i] = w[i - 16] + w[i - 7] + ((x >> 1 | x << 63) ~ (x >> 8 | x << 56) ~ x >> 7)
        + ((y >> 19 | y << 45) ~ (y >> 61 | y << 3) ~ y >> 6)
    end
    local a, b, c, d, e, f, g, h = h1, h2, h3, h4, h5, h6, h7, h8
    for i = 1, 80 do
      local t1 = h + ((e >> 14 | e << 50) ~ (e >> 18 | e << 46) ~ (e >> 41 | e << 23)) + (e & f ~ ~e & g) + K[i] + w[i]
      local t2 = ((a >> 28 | a << 36) ~ (a >> 34 | a << 30) ~ (a >> 39 | a << 25)) + (a & b ~ a & c ~ b & c)
      h, g, f, e, d, c, b, a = g, f, e, d + t1, c, b, a, t1 + t2
    end
    h1, h2, h3, h4, h5, h6, h7, h8 = h1 + a, h2 + b, h3 + c, h4 + d, h5 + e, h6 + f, h7 + g, h8 + h
  end
  return pack(">i8i8i8i8i8i8i8i8", h1, h2, h3, h4, h5, h6, h7, h8)
end
crypt.digest = sha512

local alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

-- Crypt's own base 64: 24 bits, lowest first.
local function base64(bits, count)
  local out = {}
  for i = 1, count do
    out[i] = alphabet:sub((bits & 63) + 1, (bits & 63) + 1)
    bits = bits >> 6
  end
  return table.concat(out)
end

-- `digest` repeated to `length` bytes.
local function stretch(digest, length)
  return (rep(digest, length // 64) .. digest:sub(1, length % 64))
end

local function rounds_of(password, salt, count)
  local b = sha512(password .. salt .. password)
  local parts, bits = { password, salt, stretch(b, #password) }, #password
  while bits > 0 do
    parts[#parts + 1] = bits & 1 == 1 and b or password
    bits = bits >> 1
  end
  local a = sha512(table.concat(parts))
  local p = stretch(sha512(rep(password, #password)), #password)
  local s = stretch(sha512(rep(salt, 16 + a:byte(1))), #salt)
  for i = 0, count - 1 do
    local odd = i & 1 == 1
    a = sha512((odd and p or a) .. (i % 3 ~= 0 and s or "") .. (i % 7 ~= 0 and p or "") .. (odd and a or p))
  end
  return a
end

-- The digest's bytes are written in triples, whose order turns by one each time.
local function encode(digest)
  local out, x, y, z = {}, 0, 21, 42
  for i = 1, 21 do
    out[i] = base64(digest:byte(x + 1) << 16 | digest:byte(y + 1) << 8 | digest:byte(z + 1), 4)
    x, y, z = y + 1, z + 1, x + 1
  end
  out[22] = base64(digest:byte(64), 2)
  return table.concat(out)
end

--- "$6$salt$hash" of a password. `salt` has 1 to 16 characters of . / 0-9 A-Z a-z; `rounds` is 5000 when absent.
-- nil, message, "EINVAL" for another salt.
function crypt.sha512(password, salt, rounds)
  if #salt == 0 or #salt > 16 or salt:find "[^%./%w]" then
    return nil, "a salt has 1 to 16 characters of . / 0 to 9, A to Z and a to z", "EINVAL"
  end
  local prefix = "$6$"
  if rounds then
    rounds = math.max(1000, math.min(rounds, 999999999))
    prefix = ("$6$rounds=%d$"):format(rounds)
  end
  return prefix .. salt .. "$" .. encode(rounds_of(password, salt, rounds or 5000))
end

--- A random salt; nil, message, code when there is no /dev/urandom.
function crypt.salt()
  local file, message = io.open("/dev/urandom", "rb")
  if not file then return nil, message, "EIO" end
  file:setvbuf "no"
  local bytes = file:read(16)
  file:close()
  return (bytes:gsub(".", function(c) return alphabet:sub((c:byte() & 63) + 1, (c:byte() & 63) + 1) end))
end

--- True for text that is such a hash already (of any crypt method that Linux knows).
function crypt.is_hash(text) return text:find "^%$[1256y][abxy]?%$[^$]+%$" ~= nil end

return crypt
