package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// -h explains every flag, and the page in docs/ has the same table.
func TestEveryFlagIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/test-vcenter.md")
	if err != nil {
		t.Fatal(err)
	}
	var s settings
	fs := flags(&s)
	var help bytes.Buffer
	fs.SetOutput(&help)
	explain(fs)
	n := 0
	fs.VisitAll(func(f *flag.Flag) {
		n++
		if len(f.Usage) < 10 || !strings.Contains(help.String(), "  -"+f.Name) {
			t.Errorf("-%s is not explained", f.Name)
		}
		if line := row(f); !strings.Contains(string(page), line+"\n") {
			t.Errorf("docs/test-vcenter.md does not have the row\n%s", line)
		}
	})
	for _, line := range strings.Split(help.String(), "\n") {
		if len(line) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
	if rows := strings.Count(string(page), "\n| `-"); rows != n {
		t.Errorf("the page has %d rows of flags, and there are %d", rows, n)
	}
}

// row is a flag's line in the page.
func row(f *flag.Flag) string {
	value := f.DefValue
	if value == "" || value == "false" {
		value = "-"
	} else {
		value = "`" + value + "`"
	}
	return fmt.Sprintf("| `-%s` | %s | %s |", f.Name, value, f.Usage)
}

// As a user types it.
func TestHelpByGoRun(t *testing.T) {
	c := exec.Command("go", "run", "./spec/vcenter", "-h")
	c.Dir = "../.."
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "usage: vcenter") || !strings.Contains(string(out), "-until-stdin-closes") {
		t.Fatalf("%v %s", err, out)
	}
}

func TestInvalidFlags(t *testing.T) {
	for _, args := range [][]string{{"-speed", "0"}, {"-speed", "-1"}, {"-speed", "NaN"}, {"-page", "0"}, {"-max-updates", "-3"}, {"-tasks-per-host", "0"}, {"-session-limit", "-1"},
		{"-session-idle", "-1"}, {"-version", "eight"}, {"-version", "3.0"}, {"-tlscert", "/nowhere"}, {"-tlskey", "/nowhere"}, {"-fleet", "/nowhere"}, {"-listen", "nowhere:x"}, {"-user", ""}} {
		if err := run(append([]string{"-quiet"}, args...)); err == nil {
			t.Errorf("taken: %v", args)
		}
	}
}
