package guest

// crypt.go is the SHA-crypt of Linux' /etc/shadow ($5$ and $6$), as its specification
// describes it. An answer medium carries such a hash; a guest login is checked against it.

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strconv"
	"strings"
)

const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Crypt hashes a password by the settings of a salt or a whole hash; "" when the scheme is
// none of $5$ and $6$.
func Crypt(password, setting string) string {
	parts := strings.Split(setting, "$")
	if len(parts) < 3 || parts[0] != "" {
		return ""
	}
	var fresh func() hash.Hash
	switch parts[1] {
	case "5":
		fresh = sha256.New
	case "6":
		fresh = sha512.New
	default:
		return ""
	}
	rounds, given, at := 5000, false, 2
	if r, ok := strings.CutPrefix(parts[2], "rounds="); ok && len(parts) > 3 {
		n, err := strconv.Atoi(r)
		if err != nil {
			return ""
		}
		rounds, given, at = min(max(n, 1000), 999999999), true, 3
	}
	salt := parts[at]
	if len(salt) > 16 {
		salt = salt[:16]
	}
	key := []byte(password)
	b := fresh()
	b.Write(key)
	b.Write([]byte(salt))
	b.Write(key)
	sumB := b.Sum(nil)
	size := len(sumB)
	a := fresh()
	a.Write(key)
	a.Write([]byte(salt))
	a.Write(repeat(sumB, len(key)))
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			a.Write(sumB)
		} else {
			a.Write(key)
		}
	}
	sum := a.Sum(nil)
	dp := fresh()
	for range key {
		dp.Write(key)
	}
	p := repeat(dp.Sum(nil), len(key))
	ds := fresh()
	for i := 0; i < 16+int(sum[0]); i++ {
		ds.Write([]byte(salt))
	}
	s := repeat(ds.Sum(nil), len(salt))
	for i := 0; i < rounds; i++ {
		c := fresh()
		if i&1 != 0 {
			c.Write(p)
		} else {
			c.Write(sum)
		}
		if i%3 != 0 {
			c.Write(s)
		}
		if i%7 != 0 {
			c.Write(p)
		}
		if i&1 != 0 {
			c.Write(sum)
		} else {
			c.Write(p)
		}
		sum = c.Sum(nil)
	}
	out := "$" + parts[1] + "$"
	if given {
		out += "rounds=" + strconv.Itoa(rounds) + "$"
	}
	return out + salt + "$" + encode(sum, size)
}

func repeat(b []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, b[:min(len(b), n-len(out))]...)
	}
	return out
}

// encode puts the digest's bytes in the scheme's order, 24 bits to four letters.
func encode(sum []byte, size int) string {
	var out strings.Builder
	put := func(a, b, c byte, n int) {
		w := uint(a)<<16 | uint(b)<<8 | uint(c)
		for ; n > 0; n-- {
			out.WriteByte(alphabet[w&63])
			w >>= 6
		}
	}
	if size == 64 {
		i, j, k := 0, 21, 42
		for x := 0; x < 21; x++ {
			put(sum[i], sum[j], sum[k], 4)
			i, j, k = j+1, k+1, i+1
		}
		put(0, 0, sum[63], 2)
	} else {
		i, j, k := 0, 10, 20
		for x := 0; x < 10; x++ {
			put(sum[i], sum[j], sum[k], 4)
			i, j, k = k+1, i+1, j+1
		}
		put(0, sum[31], sum[30], 3)
	}
	return out.String()
}

// matches checks a password against what the system stores.
func matches(secret, password string) bool {
	if p, ok := strings.CutPrefix(secret, "plain:"); ok {
		return p == password
	}
	return secret != "" && Crypt(password, secret) == secret
}
