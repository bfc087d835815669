--- SHA-256 of a string, as lower-case hexadecimal: for the hashes of playbooks and plans.
-- A page of text takes a millisecond; nothing here is a secret, so constant time is no concern.
local words = {}
do
  -- the first 32 bits of the fractional parts of square and cube roots of the first primes
  local function fraction(x) return math.tointeger((x % 1) * 2 ^ 32 // 1) end
  local primes, n = {}, 2
  while #primes < 64 do
    local prime = true
    for _, p in ipairs(primes) do if n % p == 0 then prime = false break end end
    if prime then primes[#primes + 1] = n end
    n = n + 1
  end
  words.start, words.round = {}, {}
  for i, p in ipairs(primes) do
    if i <= 8 then words.start[i] = fraction(p ^ 0.5) end
    -- the cube root of a double is exact enough only after one Newton step on the integer part's remainder
    local root = p ^ (1 / 3)
    root = root - (root * root * root - p) / (3 * root * root)
    words.round[i] = fraction(root)
  end
end

local function rotate(x, n) return ((x >> n) | (x << (32 - n))) & 0xffffffff end

return function(text)
  local length = #text
  text = text .. "\128" .. ("\0"):rep((55 - length) % 64) .. (">I8"):pack(length * 8)
  local h = table.move(words.start, 1, 8, 1, {})
  local k, w = words.round, {}
  for block = 1, #text, 64 do
    for i = 1, 16 do w[i] = (">I4"):unpack(text, block + 4 * (i - 1)) end
    for i = 17, 64 do
      local a, b = w[i - 15], w[i - 2]
      local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
      local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xffffffff
    end
    local a, b, c, d, e, f, g, z = table.unpack(h)
    for i = 1, 64 do
      local s1 = rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)
      local t1 = (z + s1 + ((e & f) ~ (~e & g)) + k[i] + w[i]) & 0xffffffff
      local s0 = rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)
      local t2 = (s0 + ((a & b) ~ (a & c) ~ (b & c))) & 0xffffffff
      z, g, f, e, d, c, b, a = g, f, e, (d + t1) & 0xffffffff, c, b, a, (t1 + t2) & 0xffffffff
    end
    for i, value in ipairs { a, b, c, d, e, f, g, z } do h[i] = (h[i] + value) & 0xffffffff end
  end
  return (("%08x"):rep(8):format(table.unpack(h)))
end
