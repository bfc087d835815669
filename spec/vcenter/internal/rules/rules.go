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
//
// As says how the server stands to a real one in this:
//
//	real            as a real one does, by a source that documents or shows it
//	inferred        as a real one is expected to do
//	stricter: TEXT  it refuses, limits or records more, on purpose; TEXT is what a real one does
//	laxer: TEXT     it does less, on purpose; TEXT is what a real one does
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
	As     string
}

// Deviation is what a real vCenter does where this server is stricter or laxer on purpose.
func (r Rule) Deviation() (kind, real string) {
	kind, real, _ = strings.Cut(r.As, ": ")
	return kind, real
}

// as checks how a rule stands to a real vCenter.
func (r Rule) as() error {
	kind, real := r.Deviation()
	sourced := r.Sure == "documented" || r.Sure == "seen"
	switch {
	case kind == "real" && real == "" && sourced, kind == "inferred" && real == "":
		return nil
	case kind == "real" && real == "":
		return fmt.Errorf("rule %s is %s and cannot be as a real one does: inferred", r.ID, r.Sure)
	case (kind == "stricter" || kind == "laxer") && real != "":
		return nil
	}
	return fmt.Errorf("rule %s: As %q is not real, inferred, \"stricter: what a real one does\" or \"laxer: what a real one does\"", r.ID, r.As)
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
	if err := r.as(); err != nil {
		panic(err.Error())
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
	fmt.Fprint(w, "# What the test vCenter enforces\n\n"+
		"The last column says how a real one stands to the rule: real (it does the same, by the source), inferred (it is\n"+
		"expected to), or what it does where this server is stricter or laxer on purpose.\n")
	group := ""
	for _, r := range All() {
		head, _, _ := strings.Cut(r.ID, ".")
		if head != group {
			group = head
			fmt.Fprintf(w, "\n## %s\n\n| rule | what holds | source | how sure | a real one |\n|---|---|---|---|---|\n", group)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", r.ID, cell(r.Text), cell(r.Source), r.Sure, word(r))
	}
}

func word(r Rule) string {
	kind, real := r.Deviation()
	if real == "" {
		return kind
	}
	return "here " + kind + ": " + cell(real)
}

// Deviations writes the rules in which the server is stricter, or laxer, than a real vCenter on purpose.
func Deviations(w io.Writer, kind string) {
	fmt.Fprintf(w, "\n| rule | here | a real one |\n|---|---|---|\n")
	for _, r := range All() {
		if k, real := r.Deviation(); k == kind {
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", r.ID, cell(r.Text), cell(real))
		}
	}
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}
