package guest

// win_builtin.go: the commands inside cmd.exe.

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// builtin runs an internal command; false when there is no such command.
func (st *cmdState) builtin(body string) bool {
	name := strings.ToLower(word(body))
	if strings.HasPrefix(strings.ToLower(body), "echo.") || strings.HasPrefix(strings.ToLower(body), "echo:") {
		st.out("%s\n", strings.TrimPrefix(body[5:], " "))
		return true
	}
	rest := body[len(name):]
	args := batchArgs(rest)
	has := func(flag string) bool {
		for _, a := range args {
			for _, part := range strings.Split(a, "/") {
				if strings.EqualFold("/"+part, flag) {
					return true
				}
			}
		}
		return false
	}
	var plain []string
	for _, a := range args {
		if !strings.HasPrefix(a, "/") {
			plain = append(plain, strings.Trim(a, `"`))
		}
	}
	done := func(code int) bool { st.level = code; return true }
	refuse := func(text string) bool { st.fail(0, "%s\n", text); return done(1) }
	switch name {
	case "echo":
		t := strings.TrimPrefix(rest, " ")
		if strings.EqualFold(t, "on") || strings.EqualFold(t, "off") {
			return true
		}
		if t == "" {
			t = "ECHO is on."
		}
		st.out("%s\n", t)
	case "cd", "chdir":
		if len(plain) == 0 {
			st.out("%s\n", st.dir)
			return true
		}
		to := st.abs(strings.Join(plain, " "))
		h := st.host(to)
		if i, err := os.Stat(h); h == "" || err != nil || !i.IsDir() {
			return refuse("The system cannot find the path specified.")
		}
		st.dir = cleanWindows(to)
		return done(0)
	case "md", "mkdir":
		for _, p := range plain {
			h := st.writable(p)
			if h == "" {
				return refuse(st.refusal(p, "The system cannot find the path specified."))
			}
			if _, err := os.Stat(h); err == nil {
				return refuse("A subdirectory or file " + p + " already exists.")
			}
			os.MkdirAll(h, 0o755)
		}
		return done(0)
	case "rd", "rmdir":
		for _, p := range plain {
			h := st.writable(p)
			if h == "" || h == filepath.Join(st.m.root(), "C") {
				return refuse(st.refusal(p, "The system cannot find the file specified."))
			}
			if has("/s") {
				os.RemoveAll(h)
			} else if err := os.Remove(h); err != nil {
				return refuse("The directory is not empty.")
			}
		}
		return done(0)
	case "del", "erase":
		for _, p := range plain {
			for _, h := range st.glob(p) {
				if st.m.Access(st.user, h, true) != nil {
					return refuse("Access is denied.")
				}
				os.Remove(h)
			}
		}
		return done(0)
	case "copy":
		if len(plain) < 1 {
			return refuse("The syntax of the command is incorrect.")
		}
		if parts := joined(args); parts != nil {
			if !has("/b") || len(plain) != 2 {
				return refuse("The syntax of the command is incorrect.")
			}
			return done(st.join(parts, plain[1]))
		}
		from := st.glob(plain[0])
		if len(from) == 0 {
			return refuse("The system cannot find the file specified.")
		}
		to := st.dir
		if len(plain) > 1 {
			to = plain[1]
		}
		for _, f := range from {
			data, err := os.ReadFile(f)
			h := st.writable(to)
			if i, serr := os.Stat(h); serr == nil && i.IsDir() {
				h = filepath.Join(h, filepath.Base(f))
			}
			if err != nil || h == "" || st.m.Access(st.user, f, false) != nil || os.WriteFile(h, data, 0o755) != nil {
				return refuse(st.refusal(to, "The system cannot find the path specified."))
			}
		}
		st.out("        %d file(s) copied.\n", len(from))
		return done(0)
	case "move", "ren", "rename":
		if len(plain) < 2 {
			return refuse("The syntax of the command is incorrect.")
		}
		to := plain[1]
		if name != "move" {
			if i := strings.LastIndexByte(plain[0], '\\'); i >= 0 {
				to = plain[0][:i+1] + to
			}
		}
		from, h := st.writable(plain[0]), st.writable(to)
		if i, err := os.Stat(h); err == nil && i.IsDir() {
			h = filepath.Join(h, filepath.Base(from))
		}
		if from == "" || h == "" || os.Rename(from, h) != nil {
			return refuse(st.refusal(plain[0], st.refusal(to, "The system cannot find the file specified.")))
		}
		if name == "move" {
			st.out("        1 file(s) moved.\n")
		}
		return done(0)
	case "type":
		for _, p := range plain {
			h := st.host(p)
			if h != "" && st.m.Access(st.user, h, false) != nil {
				return refuse("Access is denied.")
			}
			b, err := os.ReadFile(h)
			if err != nil {
				return refuse("The system cannot find the file specified.")
			}
			st.stdout.Write(b)
		}
		return done(0)
	case "dir":
		p := st.dir
		if len(plain) > 0 {
			p = plain[0]
		}
		h := st.host(p)
		var names []string
		if i, err := os.Stat(h); h != "" && err == nil && i.IsDir() {
			list, _ := os.ReadDir(h)
			for _, e := range list {
				names = append(names, e.Name())
			}
		} else {
			for _, f := range st.glob(p) {
				names = append(names, filepath.Base(f))
			}
			if names == nil {
				return refuse("File Not Found")
			}
		}
		sort.Strings(names)
		for _, n := range names {
			st.out("%s\n", n)
		}
		return done(0)
	case "set":
		t := strings.Trim(strings.TrimSpace(rest), `"`)
		if strings.HasPrefix(strings.ToLower(t), "/a ") {
			k, v, ok := strings.Cut(t[3:], "=")
			if ok {
				st.setenv(strings.TrimSpace(k), strconv.Itoa(st.arithmetic(v)))
			}
			return true
		}
		if k, v, ok := strings.Cut(t, "="); ok {
			st.setenv(k, v)
			return done(0)
		}
		var all []string
		for k, v := range st.env {
			if strings.HasPrefix(strings.ToLower(k), strings.ToLower(t)) {
				all = append(all, k+"="+v)
			}
		}
		sort.Strings(all)
		for _, l := range all {
			st.out("%s\n", l)
		}
	case "exit":
		code := st.level
		if len(plain) > 0 {
			code, _ = strconv.Atoi(plain[0])
		}
		st.level = code
		if has("/b") && st.batch {
			st.endfile = true
		} else {
			st.exited = true
		}
	case "goto":
		label := strings.ToLower(strings.TrimLeft(strings.TrimSpace(rest), ":"))
		if label == "eof" {
			st.endfile = true
			return true
		}
		at, ok := st.labels[label]
		if !ok {
			st.endfile = true
			return refuse("The system cannot find the batch label specified - " + label)
		}
		st.at = at + 1
	case "call":
		t := strings.TrimSpace(rest)
		if strings.HasPrefix(t, ":") {
			label, more, _ := strings.Cut(t[1:], " ")
			at, ok := st.labels[strings.ToLower(label)]
			if !ok {
				return refuse("The system cannot find the batch label specified - " + label)
			}
			x := *st
			x.at, x.args, x.endfile = at+1, append([]string{st.path}, batchArgs(more)...), false
			x.loop()
			st.level, st.exited = x.level, x.exited
			return true
		}
		x := *st
		x.endfile = false
		x.command(t)
		st.level, st.exited = x.level, x.exited
	case "start":
		t := strings.TrimSpace(rest)
		wait := false
		if strings.HasPrefix(t, `"`) { // a title
			if i := strings.IndexByte(t[1:], '"'); i >= 0 {
				t = strings.TrimSpace(t[i+2:])
			}
		}
		for strings.HasPrefix(t, "/") {
			flag, after, _ := strings.Cut(t, " ")
			wait = wait || strings.EqualFold(flag, "/wait")
			t = strings.TrimSpace(after)
		}
		if strings.HasPrefix(t, `""`) {
			t = strings.TrimSpace(t[2:])
		}
		prog, a := splitProgram(t)
		x := *st.winRun
		if wait {
			code, found := x.run(prog, a)
			if !found {
				return refuse("The system cannot find the file " + prog + ".")
			}
			return done(code)
		}
		if _, ok := x.find(prog); !ok {
			return refuse("The system cannot find the file " + prog + ".")
		}
		x.apart(prog, a)
		return done(0)
	case "ver":
		st.m.mu.Lock()
		st.out("\nMicrosoft Windows [Version %s.587]\n", st.m.disk.Version)
		st.m.mu.Unlock()
	case "setlocal":
		if strings.Contains(strings.ToLower(rest), "enabledelayedexpansion") {
			st.delayed = true
		}
	case "title", "cls", "color", "endlocal", "chcp", "prompt", "verify", "pause", "break", "shift":
		if name == "shift" && len(st.args) > 1 {
			st.args = append(st.args[:1], st.args[2:]...)
		}
	default:
		if len(body) == 2 && body[1] == ':' { // change of the drive
			if st.host(body+`\`) == "" {
				return refuse("The system cannot find the drive specified.")
			}
			st.dir = strings.ToUpper(body) + `\`
			return true
		}
		return false
	}
	return true
}

// glob returns the files of a pattern with * and ? in its last part.
func (st *cmdState) glob(p string) []string {
	p = strings.Trim(p, `"`)
	dir, base := st.dir, p
	if i := strings.LastIndexAny(p, `\/`); i >= 0 {
		dir, base = p[:i+1], p[i+1:]
	}
	h := st.host(dir)
	if h == "" {
		return nil
	}
	var out []string
	list, _ := os.ReadDir(h)
	for _, e := range list {
		if ok, _ := filepath.Match(strings.ToLower(base), strings.ToLower(e.Name())); ok && !e.IsDir() {
			out = append(out, filepath.Join(h, e.Name()))
		}
	}
	return out
}

// arithmetic of set /a: numbers and variables with + - * /.
func (st *cmdState) arithmetic(s string) int {
	s = strings.ReplaceAll(s, " ", "")
	total, sign, op := 0, 1, byte('+')
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && strings.IndexByte("+-*/%", s[j]) < 0 {
			j++
		}
		n, err := strconv.Atoi(s[i:j])
		if err != nil {
			v, _ := st.variable(s[i:j])
			n, _ = strconv.Atoi(v)
		}
		n *= sign
		switch op {
		case '+':
			total += n
		case '-':
			total -= n
		case '*':
			total *= n
		case '/':
			if n != 0 {
				total /= n
			}
		}
		if j < len(s) {
			op = s[j]
			j++
		}
		i = j
	}
	return total
}

// cleanWindows removes . and .. from a path.
func cleanWindows(p string) string {
	drive, rest := p[:2], p[2:]
	var out []string
	for _, part := range strings.Split(rest, `\`) {
		switch part {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, part)
		}
	}
	return strings.ToUpper(drive) + `\` + strings.Join(out, `\`)
}

// joined is the sources of copy /b "a"+"b" target; nil for a plain copy.
func joined(args []string) (parts []string) {
	for _, a := range args {
		if strings.HasPrefix(a, "/") {
			continue
		}
		quoted := false
		cut := strings.FieldsFunc(a, func(c rune) bool {
			if c == '"' {
				quoted = !quoted
			}
			return c == '+' && !quoted
		})
		if len(cut) > 1 {
			for i := range cut {
				cut[i] = strings.Trim(cut[i], `"`)
			}
			return cut
		}
		return nil
	}
	return nil
}

// join writes the sources one behind the other: the exit code.
func (st *cmdState) join(parts []string, to string) int {
	var all []byte
	for _, p := range parts {
		data, err := os.ReadFile(st.host(p))
		if err != nil || st.m.Access(st.user, st.host(p), false) != nil {
			st.fail(0, "%s\n", st.refusal(p, "The system cannot find the file specified."))
			return 1
		}
		all = append(all, data...)
	}
	if h := st.writable(to); h == "" || os.WriteFile(h, all, 0o755) != nil {
		st.fail(0, "%s\n", st.refusal(to, "The system cannot find the path specified."))
		return 1
	}
	st.out("        1 file(s) copied.\n")
	return 0
}
