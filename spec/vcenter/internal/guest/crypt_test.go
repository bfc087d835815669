package guest

import "testing"

// The vectors are those of the SHA-crypt specification.
func TestShaCrypt(t *testing.T) {
	for _, v := range [][3]string{
		{"Hello world!", "$6$saltstring", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"Hello world!", "$5$saltstring", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{"Hello world!", "$6$rounds=10000$saltstringsaltstring",
			"$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
	} {
		if got := Crypt(v[0], v[1]); got != v[2] {
			t.Errorf("%s:\n%s\n%s", v[1], got, v[2])
		}
	}
	if !matches(Crypt("right", "$6$abc"), "right") || matches(Crypt("right", "$6$abc"), "wrong") {
		t.Error("the comparison is wrong")
	}
	if matches("plaintext", "plaintext") {
		t.Error("a text that is not a hash was accepted as a password")
	}
}
