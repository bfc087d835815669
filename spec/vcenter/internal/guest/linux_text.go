package guest

// linux_text.go: the text tools of this computer, kept inside the guest's directory.

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// tools of this computer: true = an argument that begins with a slash is always a path
var textTools = map[string]bool{"cat": true, "ls": true, "head": true, "tail": true, "wc": true, "mkdir": true, "rmdir": true, "rm": true,
	"mv": true, "cp": true, "touch": true, "chmod": true, "find": true, "tee": true, "readlink": true, "ln": true, "stat": true,
	"sha256sum": true, "md5sum": true, "base64": true, "od": true, "cmp": true, "diff": true, "mktemp": true, "truncate": true, "install": true,
	"grep": false, "egrep": false, "sed": false, "awk": false, "tr": false, "cut": false, "sort": false, "uniq": false, "basename": false,
	"dirname": false, "seq": false, "date": false, "expr": false, "paste": false, "rev": false, "tac": true, "nl": true, "yes": false,
	"true": false, "false": false, "printf": false, "echo": false, "test": false, "[": false}

func textTool(name string, always bool) func(*linuxRun, []string) int {
	return func(r *linuxRun, args []string) int {
		tool, err := exec.LookPath(name)
		if err != nil {
			return r.err(127, "%s: command not found\n", name)
		}
		if why := unsupported(name, args); why != "" {
			r.m.unsupported("%s: %s", name, why)
			return r.err(126, "%s: %s\n", name, why)
		}
		if p, how := r.forbidden(name, args[1:]); p != "" {
			return r.err(1, "%s: cannot %s '%s': Permission denied\n", name, how, p)
		}
		mapped := make([]string, 0, len(args)+1)
		if name == "sed" {
			mapped = append(mapped, "--sandbox") // neither commands nor other files
		}
		for _, a := range args[1:] {
			opt, value, ok := strings.Cut(a, "=")
			switch {
			case a == "/dev/null" || a == "/dev/stdin" || a == "/dev/stdout" || a == "/dev/stderr" || strings.HasPrefix(a, "/dev/fd/"):
			case strings.HasPrefix(a, "/") && (always || r.under(a)):
				a = r.at(r.dir, a)
			case ok && strings.HasPrefix(opt, "-") && strings.HasPrefix(value, "/") && r.under(value):
				a = opt + "=" + r.at(r.dir, value)
			case strings.HasPrefix(a, "/") && there(a), strings.Contains(a, "..") && (always || there(filepath.Join(r.dir, a))):
				a = r.at(r.dir, a) // a file of this computer is not a file of the guest
			}
			mapped = append(mapped, a)
		}
		if name == "mktemp" && !slices.ContainsFunc(mapped, func(s string) bool { return !strings.HasPrefix(s, "-") }) {
			mapped = append(mapped, r.at("/", "/tmp/tmp.XXXXXXXXXX"))
		}
		cmd := exec.CommandContext(r.ctx, tool, mapped...)
		cmd.Args[0] = name
		cmd.Dir, cmd.Stdin = r.dir, r.stdin
		w := &rewriter{root: r.m.root()}
		cmd.Stdout, cmd.Stderr = w.wrap(r.stdout), w.wrap(r.stderr)
		cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC", "TMPDIR=" + r.at("/", "/tmp")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err = cmd.Run()
		if ee, ok := err.(*exec.ExitError); ok {
			return ee.ExitCode() & 0xff
		}
		if err != nil {
			return 126
		}
		return 0
	}
}

// writers are the tools that change files: all their operands, or the last one.
var writers = map[string]string{"rm": "remove", "rmdir": "remove", "mkdir": "create directory", "touch": "touch", "tee": "open", "truncate": "open",
	"chmod": "change permissions of", "mv": "move", "cp": "create regular file", "ln": "create symbolic link", "install": "create regular file"}

// forbidden finds the operand that the account's rights do not cover, and what for.
func (r *linuxRun) forbidden(name string, args []string) (operand, how string) {
	if r.isRoot() {
		return "", ""
	}
	var words []string
	inPlace, mode := false, name == "chmod"
	for _, a := range args {
		if strings.HasPrefix(a, "-") && len(a) > 1 {
			inPlace = inPlace || name == "sed" && (strings.HasPrefix(a, "-i") || strings.HasPrefix(a, "--in-place"))
			continue
		}
		if mode || a == "/dev/null" || a == "-" {
			mode = false
			continue
		}
		words = append(words, a)
	}
	for i, a := range words {
		h := r.at(r.dir, a)
		_, err := os.Lstat(h)
		change := writers[name] != "" || inPlace
		switch {
		case (name == "cp" || name == "ln") && i < len(words)-1:
			change = false
		case name == "install" && i < len(words)-1 && !slices.Contains(args, "-d"):
			change = false
		}
		if change && (name == "rm" || name == "rmdir" || name == "mv") {
			if err == nil && r.m.Removable(r.user, h) != nil {
				return a, writers[name]
			}
			if err != nil && name == "mv" && r.m.Access(r.user, h, true) != nil {
				return a, writers[name]
			}
			continue
		}
		if err != nil && !change || err != nil && inPlace {
			continue // not a path, or not there: the tool says so itself
		}
		if change && name == "mkdir" && err == nil {
			continue
		}
		if r.m.Access(r.user, h, change) != nil {
			if change {
				return a, writers[name]
			}
			return a, "open"
		}
	}
	return "", ""
}

func there(p string) bool { _, err := os.Lstat(p); return err == nil }

var awkReaches = regexp.MustCompile(`system\s*\(|getline|\|\s*"|>\s*"|ENVIRON`)

// unsupported names options that would let a text tool start programs or reach files itself.
func unsupported(name string, args []string) string {
	for _, a := range args[1:] {
		switch {
		case name == "find" && (strings.HasPrefix(a, "-exec") || strings.HasPrefix(a, "-ok") || a == "-fprint" || a == "-fls" || a == "-fprintf"):
			return a + " is not supported in this guest; use xargs"
		case name == "awk" && awkReaches.MatchString(a):
			return "programs and files inside an awk script are not supported in this guest"
		case name == "awk" && (a == "-f" || a == "-i" || a == "-l"), name == "sort" && strings.HasPrefix(a, "--compress"):
			return a + " is not supported in this guest"
		}
	}
	return ""
}

// under reports whether a text can be a path of the guest: its directory exists there.
func (r *linuxRun) under(p string) bool {
	_, err := os.Stat(filepath.Dir(r.at(r.dir, p)))
	return err == nil && !strings.ContainsAny(p, "{};$\\\n")
}
