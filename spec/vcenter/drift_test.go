package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/rules"
)

// The page of rules in docs/ is what -rules prints.
func TestThePageOfRulesIsTheTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/test-vcenter-rules.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	rules.Markdown(&b)
	same(t, page, b.Bytes())
	if t.Failed() {
		t.Error("docs/test-vcenter-rules.md is out of date: build/vcenter -rules >docs/test-vcenter-rules.md")
	}
}

// The page for users of vcsim is what -differences prints.
func TestThePageOfDifferencesIsThePrintedOne(t *testing.T) {
	page, err := os.ReadFile("../../docs/test-vcenter-vcsim.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := differences(&b); err != nil {
		t.Fatal(err)
	}
	same(t, page, b.Bytes())
	if t.Failed() {
		t.Error("docs/test-vcenter-vcsim.md is out of date: build/vcenter -differences >docs/test-vcenter-vcsim.md")
	}
}

// Each rule says how a real vCenter stands to it, and the page of differences names rules and flags that exist.
func TestEveryRuleSaysHowARealOneStandsToIt(t *testing.T) {
	known, kinds := map[string]bool{}, map[string]int{}
	for _, r := range rules.All() {
		known[r.ID] = true
		kind, real := r.Deviation()
		kinds[kind]++
		if (real == "") != (kind == "real" || kind == "inferred") {
			t.Errorf("%s: %q", r.ID, r.As)
		}
	}
	if len(kinds) != 4 || kinds["real"] == 0 || kinds["inferred"] == 0 || kinds["stricter"] == 0 || kinds["laxer"] == 0 {
		t.Errorf("rules by kind: %v", kinds)
	}
	for _, x := range refused {
		for _, id := range strings.Fields(x.rules) {
			if !known[id] {
				t.Errorf("%q names the rule %s, which there is not", x.what, id)
			}
		}
	}
	var s settings
	fs := flags(&s)
	here := map[string]bool{}
	for _, x := range vcsimFlags {
		if !strings.HasPrefix(x.here, "`") && !strings.HasPrefix(x.here, "none") && fs.Lookup(x.flag) == nil {
			t.Errorf("-%s of vcsim is said to be a flag here", x.flag)
		}
		here[x.flag] = true
	}
	for flag := range counting {
		if !here[flag] && flag != "gpus" {
			t.Errorf("-%s is not on the page of differences", flag)
		}
	}
}

// A rule cannot be declared without it.
func TestARuleNeedsItsStand(t *testing.T) {
	for _, as := range []string{"", "similar", "stricter", "laxer: ", "real: too", "inferred: so"} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "rule x.y: As") {
					t.Errorf("As %q: %v", as, p)
				}
			}()
			rules.Add(rules.Rule{ID: "x.y", Text: "t", Source: "s", Sure: "seen", As: as})
		}()
	}
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "cannot be as a real one does") {
			t.Errorf("a rule from memory that is real: %v", p)
		}
	}()
	rules.Add(rules.Rule{ID: "x.z", Text: "t", Source: "s", Sure: "memory", As: "real"})
}

// same compares two pages line by line.
func same(t *testing.T, page, b []byte) {
	t.Helper()
	if bytes.Equal(page, b) {
		return
	}
	in := func(text string) map[string]bool {
		out := map[string]bool{}
		for _, line := range strings.Split(text, "\n") {
			out[line] = true
		}
		return out
	}
	have, want := in(string(page)), in(string(b))
	for line := range want {
		if !have[line] {
			t.Errorf("the page lacks: %s", line)
		}
	}
	for line := range have {
		if !want[line] {
			t.Errorf("the table does not have: %s", line)
		}
	}
	if !t.Failed() {
		t.Error("the lines are the same in another order")
	}
}
