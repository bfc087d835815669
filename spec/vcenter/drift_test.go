package main

import (
	"bytes"
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
	if bytes.Equal(page, b.Bytes()) {
		return
	}
	in := func(text string) map[string]bool {
		out := map[string]bool{}
		for _, line := range strings.Split(text, "\n") {
			out[line] = true
		}
		return out
	}
	have, want := in(string(page)), in(b.String())
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
	t.Error("docs/test-vcenter-rules.md is out of date: build/vcenter -rules >docs/test-vcenter-rules.md")
}
