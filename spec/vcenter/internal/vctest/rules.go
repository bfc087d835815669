package vctest

// rules.go: compares the table of rules with the tests. A test names the rules that it
// breaks; TestMain of its package then compares with the table, so that a rule which
// no test breaks fails the package.

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"

	"gpupt.test/vcenter/internal/rules"
)

var broken sync.Map

// Breaks names the rules that this test breaks; they count when the test passes.
func Breaks(t testing.TB, ids ...string) {
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		for _, id := range ids {
			broken.Store(id, true)
		}
	})
}

// Main runs the tests of a package that answers for these groups of rules (host) and single rules
// (task.cancel); one that starts with - is broken in another package.
func Main(m *testing.M, mine ...string) int {
	code := m.Run()
	if run := flag.Lookup("test.run"); code != 0 || (run != nil && run.Value.String() != "") {
		return code
	}
	wanted, except := map[string]bool{}, map[string]bool{}
	for _, name := range mine {
		if id, no := strings.CutPrefix(name, "-"); no {
			except[id] = true
		} else {
			wanted[name] = true
		}
	}
	known := map[string]bool{}
	for _, r := range rules.All() {
		known[r.ID] = true
		group, _, _ := strings.Cut(r.ID, ".")
		if _, ok := broken.Load(r.ID); !ok && !except[r.ID] && (wanted[group] || wanted[r.ID]) {
			fmt.Printf("no test breaks the rule %s: %s\n", r.ID, r.Text)
			code = 1
		}
	}
	unknown := func(id any, _ any) bool {
		if !known[id.(string)] {
			fmt.Printf("a test breaks %s, which is not in the table\n", id)
			code = 1
		}
		return true
	}
	broken.Range(unknown)
	for id := range except {
		unknown(id, true)
	}
	return code
}
