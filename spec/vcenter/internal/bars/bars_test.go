package bars

import "testing"

func must(t *testing.T, list ...string) []Bar {
	t.Helper()
	b, err := Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPagesNeededMatchTheLoggedFigures(t *testing.T) {
	if n := Pages(must(t, "16M:32", "16G:64p", "32M:64p")); n != 4206594 {
		t.Errorf("P100: %d", n)
	}
	if n := Pages(must(t, "16M:32", "128G:64p", "32M:64p")); n != 33566722 {
		t.Errorf("A100-80: %d", n)
	}
	if n := Above(must(t, "16M:32", "32G:64p", "32M:64p")) / 1024; n != 33587200 {
		t.Errorf("L4: %d KB", n)
	}
}

func TestIndicesOf64BitRegisters(t *testing.T) {
	b := must(t, "16M:64p", "128G:64p", "32M:64p")
	if b[0].Index != 0 || b[1].Index != 2 || b[2].Index != 4 {
		t.Errorf("%+v", b)
	}
	if b = must(t, "16M:32", "256M:64p", "32M:64p", "128:io"); b[3].Index != 5 || b[3].Kind() != 1 {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"3M:32", "16M", "16M:65", "x:32", "7=16M:32"} {
		if _, err := Parse([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestPlacement(t *testing.T) {
	card := must(t, "16M:32", "32G:64p", "32M:64p")
	at, missing := Place([][]Bar{card}, 128<<30)
	if missing != 0 || at[0][1] != 1<<45-32<<30 || at[0][0] != 0 {
		t.Errorf("%x %d", at, missing)
	}
	if _, missing = Place([][]Bar{card}, 32<<30); missing != 32<<30+32<<20 {
		t.Errorf("a bare power of two holds no second BAR: %d", missing)
	}
	if _, missing = Place([][]Bar{card, card, card}, 128<<30); missing != 0 {
		t.Errorf("three of 32G fit 128G: %d", missing)
	}
	if _, missing = Place([][]Bar{card}, 0); missing != 32<<30+32<<20 {
		t.Errorf("no window: %d", missing)
	}
}
