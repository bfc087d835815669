package guest

// win_cmd.go: cmd.exe. Lines are expanded (%NAME%, %1), split at & && || | and brackets
// outside quotes, and run; batch files support labels, goto and call.

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
)

// cmdState is one cmd.exe.
type cmdState struct {
	*winRun
	level   int // errorlevel
	args    []string
	lines   []string
	labels  map[string]int
	at      int
	batch   bool
	path    string
	exited  bool
	endfile bool
	vars    map[byte]string // of for
	delayed bool
}

// runCmd is cmd.exe with its switches: /c LINE, /k, /d, /s, /q, /v:on.
func runCmd(w *winRun, args string) int {
	rest := strings.TrimLeft(args, " ")
	st := &cmdState{winRun: w, vars: map[byte]string{}}
	for strings.HasPrefix(rest, "/") && len(rest) >= 2 {
		switch rest[1] | 0x20 {
		case 'c', 'k', 'r':
			st.line(unquoteCmd(st, strings.TrimLeft(rest[2:], " ")))
			return st.level
		case 'v':
			st.delayed = strings.Contains(strings.ToLower(rest), "/v:on")
		}
		_, after, ok := strings.Cut(rest, " ")
		if !ok {
			return 0
		}
		rest = strings.TrimLeft(after, " ")
	}
	if w.stdin != nil {
		b, _ := io.ReadAll(w.stdin)
		for _, l := range strings.Split(string(b), "\n") {
			st.line(strings.TrimRight(l, "\r"))
		}
	}
	return st.level
}

// unquoteCmd is the rule of "cmd /?": the outer quotes go, unless the line is one quoted
// program and nothing special.
func unquoteCmd(st *cmdState, s string) string {
	s = strings.TrimRight(s, " ")
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	if strings.Count(s, `"`) == 2 && strings.HasSuffix(s, `"`) && !strings.ContainsAny(s, "&<>()@^|") && strings.Contains(s, " ") {
		if _, ok := st.find(s[1 : len(s)-1]); ok {
			return s
		}
	}
	last := strings.LastIndexByte(s, '"')
	return s[1:last] + s[last+1:]
}

// batch runs a .cmd or .bat file.
func (w *winRun) batch(text, path, args string) int {
	st := &cmdState{winRun: w, batch: true, path: path, vars: map[byte]string{}, labels: map[string]int{}}
	st.args = append([]string{path}, batchArgs(args)...)
	st.lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, l := range st.lines {
		if t := strings.TrimSpace(l); strings.HasPrefix(t, ":") && !strings.HasPrefix(t, "::") {
			name, _, _ := strings.Cut(strings.ToLower(t[1:]), " ")
			st.labels[name] = i
		}
	}
	st.loop()
	return st.level
}

func batchArgs(s string) (out []string) {
	cur, quoted := "", false
	for _, c := range s {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && (c == ' ' || c == '\t' || c == ',' || c == ';' || c == '=') {
			if cur != "" {
				out = append(out, cur)
			}
			cur = ""
			continue
		}
		cur += string(c)
	}
	if cur != "" {
		out = append(out, cur)
	}
	return
}

func (st *cmdState) loop() {
	for st.at < len(st.lines) && !st.exited && !st.endfile && st.ctx.Err() == nil {
		line := st.lines[st.at]
		st.at++
		for open(line) > 0 && st.at < len(st.lines) { // a block goes on in the next lines
			line += "\n" + st.lines[st.at]
			st.at++
		}
		if t := strings.TrimSpace(line); t == "" || strings.HasPrefix(t, ":") {
			continue
		}
		st.line(line)
	}
}

// open counts brackets that are not closed.
func open(s string) (n int) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '^':
			i++
		case '\n':
			quoted = false
		case '(':
			if !quoted {
				n++
			}
		case ')':
			if !quoted && n > 0 {
				n--
			}
		}
	}
	return
}

// expand replaces %NAME%, %1, %~dp0, %% and the variables of for.
func (st *cmdState) expand(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		rest := s[i+1:]
		if st.batch {
			switch {
			case strings.HasPrefix(rest, "%"):
				b.WriteByte('%')
				i++
				continue
			case strings.HasPrefix(rest, "*"):
				b.WriteString(strings.Join(st.args[1:], " "))
				i++
				continue
			case len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9':
				if n := int(rest[0] - '0'); n < len(st.args) {
					b.WriteString(st.args[n])
				}
				i++
				continue
			case strings.HasPrefix(rest, "~"):
				j := 1
				for j < len(rest) && strings.IndexByte("dpnxfs", rest[j]|0x20) >= 0 && !(rest[j] >= '0' && rest[j] <= '9') {
					j++
				}
				if j < len(rest) && rest[j] >= '0' && rest[j] <= '9' {
					if n := int(rest[j] - '0'); n < len(st.args) {
						b.WriteString(pathPart(st.abs(st.args[n]), rest[1:j], st.args[n]))
					}
					i += j + 1
					continue
				}
			}
		}
		if end := strings.IndexByte(rest, '%'); end > 0 {
			name := rest[:end]
			if v, ok := st.variable(name); ok || st.batch && !strings.ContainsAny(name, " \n") {
				b.WriteString(v)
				i += end + 1
				continue
			}
		}
		b.WriteByte('%')
	}
	return b.String()
}

// pathPart is %~dp0 and its kin; without letters it takes the quotes away.
func pathPart(full, letters, raw string) string {
	full = strings.Trim(full, `"`)
	if letters == "" {
		return strings.Trim(raw, `"`)
	}
	dir, name := full, ""
	if i := strings.LastIndexByte(full, '\\'); i >= 0 {
		dir, name = full[:i+1], full[i+1:]
	}
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name, ext = name[:i], name[i:]
	}
	out := ""
	for _, c := range strings.ToLower(letters) {
		switch c {
		case 'f':
			return full
		case 'd':
			out += dir[:2]
		case 'p':
			out += dir[2:]
		case 'n':
			out += name
		case 'x':
			out += ext
		}
	}
	return out
}

func (st *cmdState) variable(name string) (string, bool) {
	name, edit, edited := strings.Cut(name, ":")
	v, ok := st.getenv(name)
	if !ok {
		switch strings.ToLower(name) {
		case "errorlevel":
			v, ok = strconv.Itoa(st.level), true
		case "cd":
			v, ok = st.dir, true
		case "random":
			v, ok = "4242", true
		case "date":
			v, ok = "Tue 06/25/2024", true
		case "time":
			v, ok = "12:00:00.00", true
		}
	}
	if ok && edited {
		if from, to, sub := strings.Cut(edit, "="); sub {
			v = strings.ReplaceAll(v, from, to)
		} else if strings.HasPrefix(edit, "~") {
			a, b, two := strings.Cut(edit[1:], ",")
			n, _ := strconv.Atoi(a)
			if n < 0 {
				n = max(len(v)+n, 0)
			}
			n = min(n, len(v))
			end := len(v)
			if two {
				if l, _ := strconv.Atoi(b); l >= 0 {
					end = min(n+l, len(v))
				} else {
					end = max(len(v)+l, n)
				}
			}
			v = v[n:end]
		}
	}
	return v, ok
}

// line expands and runs one (logical) line.
func (st *cmdState) line(s string) { st.list(st.expand(s)) }

// list runs commands separated by & && || and newlines.
func (st *cmdState) list(s string) {
	op := ""
	for s != "" && !st.exited && !st.endfile && st.ctx.Err() == nil {
		part, next, rest := cutOperator(s)
		skip := op == "&&" && st.level != 0 || op == "||" && st.level == 0
		if t := strings.TrimSpace(part); t != "" && !skip {
			low := strings.ToLower(strings.TrimLeft(t, "@"))
			if word(low) == "if" || word(low) == "for" { // they take the rest of the line
				whole := part
				if next != "" && next != "\n" {
					whole, rest = untilLineEnd(s)
					next = "\n"
				}
				st.pipeline(strings.TrimSpace(whole))
			} else {
				st.pipeline(t)
			}
		}
		op, s = next, rest
	}
}

func untilLineEnd(s string) (line, rest string) {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '(':
			if !quoted {
				depth++
			}
		case ')':
			if !quoted {
				depth--
			}
		case '\n':
			quoted = false
			if depth <= 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

func word(s string) string {
	i := strings.IndexAny(s, " \t(/,;=\"")
	if i < 0 {
		return s
	}
	return s[:i]
}

// cutOperator finds the first & && || or newline outside quotes and brackets.
func cutOperator(s string) (part, op, rest string) {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			quoted = !quoted
		case '^':
			if !quoted {
				i++
			}
		case '(':
			if !quoted {
				depth++
			}
		case ')':
			if !quoted && depth > 0 {
				depth--
			}
		case '\n':
			quoted = false
			if depth == 0 {
				return s[:i], "\n", s[i+1:]
			}
		case '&':
			if quoted || depth > 0 || i > 0 && s[i-1] == '>' {
				continue
			}
			if i+1 < len(s) && s[i+1] == '&' {
				return s[:i], "&&", s[i+2:]
			}
			return s[:i], "&", s[i+1:]
		case '|':
			if !quoted && depth == 0 && i+1 < len(s) && s[i+1] == '|' {
				return s[:i], "||", s[i+2:]
			}
		}
	}
	return s, "", ""
}

// pipeline runs the parts of a | b one after the other.
func (st *cmdState) pipeline(s string) {
	low := strings.ToLower(strings.TrimLeft(s, "@ "))
	if word(low) == "if" || word(low) == "for" {
		st.command(s)
		return
	}
	var parts []string
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '^':
			i++
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if !quoted && depth <= 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	parts = append(parts, s[from:])
	if len(parts) == 1 {
		st.command(s)
		return
	}
	stdin, stdout := st.stdin, st.stdout
	for i, p := range parts {
		var buf bytes.Buffer
		if i < len(parts)-1 {
			st.stdout = &buf
		} else {
			st.stdout = stdout
		}
		st.command(p)
		st.stdin = &buf
	}
	st.stdin, st.stdout = stdin, stdout
}

// redirections takes < > >> 2> 2>&1 1>&2 out of a command.
func (st *cmdState) redirections(s string) (string, func(), bool) {
	var b strings.Builder
	var files []*os.File
	in, out, errw := st.stdin, st.stdout, st.stderr
	restore := func() {
		st.stdin, st.stdout, st.stderr = in, out, errw
		for _, f := range files {
			f.Close()
		}
	}
	quoted := false
	depth := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			quoted = !quoted
		case c == '^' && !quoted && i+1 < len(s):
			b.WriteByte(c)
			i++
			b.WriteByte(s[i])
			continue
		case c == '(' && !quoted:
			depth++
		case c == ')' && !quoted:
			depth--
		}
		if quoted || depth > 0 || c != '<' && c != '>' {
			b.WriteByte(c)
			continue
		}
		handle := byte('1')
		if text := b.String(); len(text) > 0 && (text[len(text)-1] == '1' || text[len(text)-1] == '2') &&
			(len(text) == 1 || text[len(text)-2] == ' ' || text[len(text)-2] == ')') {
			handle = text[len(text)-1]
			b.Reset()
			b.WriteString(text[:len(text)-1])
		}
		appending := c == '>' && i+1 < len(s) && s[i+1] == '>'
		if appending {
			i++
		}
		i++
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i < len(s) && s[i] == '&' && i+1 < len(s) {
			if c == '>' {
				target := st.stdout
				if s[i+1] == '2' {
					target = st.stderr
				}
				if handle == '2' {
					st.stderr = target
				} else {
					st.stdout = target
				}
			}
			i++
			continue
		}
		start, q := i, false
		for i < len(s) && (q || !strings.ContainsRune(" <>)\t", rune(s[i]))) {
			if s[i] == '"' {
				q = !q
			}
			i++
		}
		name := strings.Trim(s[start:i], `"`)
		i--
		if c == '<' {
			if isNul(name) {
				st.stdin = bytes.NewReader(nil)
				continue
			}
			f, err := os.Open(st.host(name))
			if err != nil {
				st.fail(0, "The system cannot find the file specified.\n")
				restore()
				return "", nil, false
			}
			files = append(files, f)
			st.stdin = f
			continue
		}
		var w io.Writer = io.Discard
		if !isNul(name) {
			flag := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
			if appending {
				flag = os.O_CREATE | os.O_WRONLY | os.O_APPEND
			}
			h := st.writable(name)
			f, err := os.OpenFile(h, flag, 0o644)
			if h == "" || err != nil {
				st.fail(0, "%s\n", st.refusal(name, "The system cannot find the path specified."))
				restore()
				return "", nil, false
			}
			files = append(files, f)
			w = f
		}
		if handle == '2' {
			st.stderr = w
		} else {
			st.stdout = w
		}
	}
	return b.String(), restore, true
}

// command runs one command with its redirections.
func (st *cmdState) command(s string) {
	s = strings.TrimLeft(s, " \t@\n")
	low := strings.ToLower(s)
	switch word(low) {
	case "if":
		st.branch(strings.TrimLeft(s[2:], " "))
		return
	case "for":
		st.repeat(strings.TrimLeft(s[3:], " "))
		return
	case "rem":
		return
	}
	body, restore, ok := st.redirections(s)
	if !ok {
		st.level = 1
		return
	}
	defer restore()
	body = strings.Trim(body, " \t\n")
	if strings.HasPrefix(body, "(") {
		if end := strings.LastIndexByte(body, ')'); end > 0 {
			st.list(body[1:end])
		}
		return
	}
	body = unescape(body)
	if st.delayed { // after everything else: what a variable contains is not read again
		body = st.bang(body)
	}
	if body == "" || strings.HasPrefix(body, ":") {
		return
	}
	if st.builtin(body) {
		return
	}
	name, args := splitProgram(body)
	if !strings.HasPrefix(body, `"`) {
		if i := strings.IndexAny(body, " \t/"); i > 0 && body[i] == '/' && !strings.Contains(body[:i], `\`) {
			name, args = body[:i], body[i:]
		}
	}
	x := *st.winRun
	code, found := x.run(name, args)
	if !found {
		st.m.unsupported("%s: not recognized by cmd.exe", name)
		st.fail(0, "'%s' is not recognized as an internal or external command,\noperable program or batch file.\n", name)
		code = 9009
		if !st.batch {
			code = 1
		}
	}
	st.level = code
	if strings.HasSuffix(strings.ToLower(name), ".cmd") || strings.HasSuffix(strings.ToLower(name), ".bat") {
		if st.batch && found { // without call, the caller does not go on
			st.endfile = true
		}
	}
}

// bang replaces !NAME!.
func (st *cmdState) bang(s string) string {
	parts := strings.Split(s, "!")
	if len(parts) < 3 {
		return s
	}
	out := parts[0]
	for i := 1; i < len(parts); i++ {
		if i%2 == 1 && i < len(parts)-1 {
			v, _ := st.variable(parts[i])
			out += v
		} else {
			out += parts[i]
		}
	}
	return out
}

func unescape(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			quoted = !quoted
		}
		if s[i] == '^' && !quoted && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
