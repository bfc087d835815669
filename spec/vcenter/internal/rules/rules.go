// Package rules is the one table of what this server enforces: every refusal and every
// piece of behaviour that a real vCenter shows and a lax simulator does not. A package
// declares its rules beside the code that enforces them (rules.Add in a package
// variable) and names the rule when it refuses. `vcenter -rules` prints the table.
//
// Sure says how well founded a rule is:
//
//	documented  the vSphere API reference, a guide or a KB article says so
//	seen        a public issue, log or transcript shows the real server doing it
//	inferred    follows from sourced facts, was not seen itself
//	memory      common knowledge of administrators, no source at hand
package rules

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
)

// Rule is one line of the table. Its source may be "none" and then says so.
type Rule struct {
	ID     string // group.word-word
	Text   string
	Source string
	Sure   string
}

var (
	mu    sync.Mutex
	table = map[string]Rule{}
)

// Add declares a rule and returns its id, so that a package variable can hold it.
func Add(r Rule) string {
	mu.Lock()
	defer mu.Unlock()
	if _, dup := table[r.ID]; dup {
		panic("rule declared twice: " + r.ID)
	}
	switch r.Sure {
	case "documented", "seen", "inferred", "memory":
	default:
		panic("rule " + r.ID + ": unknown degree of certainty " + r.Sure)
	}
	if r.Text == "" || r.Source == "" {
		panic("rule " + r.ID + " has no text or no source")
	}
	table[r.ID] = r
	return r.ID
}

// All returns the rules ordered by id.
func All() []Rule {
	mu.Lock()
	defer mu.Unlock()
	all := make([]Rule, 0, len(table))
	for _, r := range table {
		all = append(all, r)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

// Markdown writes the table, one section per group.
func Markdown(w io.Writer) {
	fmt.Fprintln(w, "# What the test vCenter enforces")
	group := ""
	for _, r := range All() {
		head, _, _ := strings.Cut(r.ID, ".")
		if head != group {
			group = head
			fmt.Fprintf(w, "\n## %s\n\n| rule | what holds | source | how sure |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", r.ID, cell(r.Text), cell(r.Source), r.Sure)
	}
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}
