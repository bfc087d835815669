package guest

// cmd_flow.go: if and for of cmd.exe.

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// branch is if: [/i] [not] exist FILE | errorlevel N | defined NAME | A==B | A equ B, then else.
func (st *cmdState) branch(s string) {
	fold, negate := false, false
	for {
		low := strings.ToLower(s)
		if strings.HasPrefix(low, "/i ") {
			fold, s = true, strings.TrimLeft(s[3:], " ")
		} else if strings.HasPrefix(low, "not ") {
			negate, s = true, strings.TrimLeft(s[4:], " ")
		} else {
			break
		}
	}
	token := func() string {
		s = strings.TrimLeft(s, " ")
		q, i := false, 0
		for i < len(s) && (q || s[i] != ' ' && s[i] != '(' && !(s[i] == '=' && i+1 < len(s) && s[i+1] == '=')) {
			if s[i] == '"' {
				q = !q
			}
			i++
		}
		t := s[:i]
		s = strings.TrimLeft(s[i:], " ")
		return t
	}
	ok := false
	first := token()
	switch strings.ToLower(first) {
	case "exist":
		f := strings.Trim(token(), `"`)
		h := st.host(strings.TrimRight(f, `\`))
		if strings.HasSuffix(f, `\`) && len(f) == 3 {
			h = st.host(f)
		}
		if h != "" {
			_, err := os.Stat(h)
			ok = err == nil
		}
	case "errorlevel":
		n, _ := strconv.Atoi(token())
		ok = st.level >= n
	case "defined":
		_, ok = st.variable(token())
	default:
		if st.delayed {
			first = st.bang(first)
		}
		op := ""
		if strings.HasPrefix(s, "==") {
			op, s = "==", s[2:]
		} else {
			op = strings.ToLower(token())
		}
		second := token()
		a, b := first, second
		if fold {
			a, b = strings.ToLower(a), strings.ToLower(b)
		}
		x, e1 := strconv.Atoi(a)
		y, e2 := strconv.Atoi(b)
		cmp := strings.Compare(a, b)
		if e1 == nil && e2 == nil {
			cmp = x - y
		}
		switch op {
		case "==":
			ok = a == b
		case "equ":
			ok = cmp == 0
		case "neq":
			ok = cmp != 0
		case "lss":
			ok = cmp < 0
		case "leq":
			ok = cmp <= 0
		case "gtr":
			ok = cmp > 0
		case "geq":
			ok = cmp >= 0
		default:
			st.fail(0, "%s was unexpected at this time.\n", op)
			st.level = 255
			return
		}
	}
	then, other := s, ""
	if strings.HasPrefix(s, "(") {
		if end := closing(s); end > 0 {
			then = s[:end+1]
			rest := strings.TrimLeft(s[end+1:], " ")
			if strings.HasPrefix(strings.ToLower(rest), "else") {
				other = strings.TrimLeft(rest[4:], " ")
			} else if rest != "" { // redirection behind the block, or another command
				then += rest
			}
		}
	}
	if ok != negate {
		st.list(then)
	} else if other != "" {
		st.list(other)
	}
}

// closing finds the bracket that ends the one at the start.
func closing(s string) int {
	depth, quoted := 0, false
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
				depth++
			}
		case ')':
			if !quoted {
				if depth--; depth == 0 {
					return i
				}
			}
		}
	}
	return -1
}

// repeat is for: a list, /l (start,step,end), /f over a command's lines or a file.
func (st *cmdState) repeat(s string) {
	mode, options := "", ""
	if strings.HasPrefix(s, "/") {
		mode = strings.ToLower(word(s[1:]))
		s = strings.TrimLeft(s[1+len(mode):], " ")
		if mode == "f" && strings.HasPrefix(s, `"`) {
			if end := strings.IndexByte(s[1:], '"'); end >= 0 {
				options, s = s[1:1+end], strings.TrimLeft(s[end+2:], " ")
			}
		}
	}
	s = strings.TrimLeft(s, "%")
	if len(s) < 2 {
		return
	}
	name := s[0]
	i := strings.IndexByte(s, '(')
	if i < 0 {
		return
	}
	end := closing(s[i:])
	if end < 0 {
		return
	}
	set := s[i+1 : i+end]
	body := strings.TrimLeft(s[i+end+1:], " ")
	if len(body) < 2 || !strings.EqualFold(body[:2], "do") {
		return
	}
	body = strings.TrimLeft(body[2:], " ")
	do := func(values map[byte]string) bool {
		text := body
		for k, v := range values {
			text = strings.ReplaceAll(text, "%~z"+string(k), st.size(strings.Trim(v, `"`)))
			text = strings.ReplaceAll(text, "%~"+string(k), strings.Trim(v, `"`))
			text = strings.ReplaceAll(text, "%"+string(k), v)
		}
		st.list(text)
		return !st.exited && !st.endfile && st.ctx.Err() == nil
	}
	switch mode {
	case "":
		for _, v := range batchArgs(strings.ReplaceAll(set, "\n", " ")) {
			if !do(map[byte]string{name: v}) {
				return
			}
		}
	case "l":
		var n [3]int
		for j, p := range strings.Split(set, ",") {
			if j < 3 {
				n[j], _ = strconv.Atoi(strings.TrimSpace(p))
			}
		}
		for v := n[0]; n[1] > 0 && v <= n[2] || n[1] < 0 && v >= n[2]; v += n[1] {
			if !do(map[byte]string{name: strconv.Itoa(v)}) {
				return
			}
		}
	case "f":
		st.forF(name, options, strings.TrimSpace(set), do)
	}
}

// size is %~z: the size of a file, empty when there is none.
func (st *cmdState) size(path string) string {
	if i, err := os.Stat(st.host(path)); err == nil {
		return strconv.FormatInt(i.Size(), 10)
	}
	return ""
}

func (st *cmdState) forF(name byte, options, set string, do func(map[byte]string) bool) {
	var text string
	usebackq := strings.Contains(options, "usebackq")
	switch {
	case strings.HasPrefix(set, "'") && !usebackq || strings.HasPrefix(set, "`"):
		var out bytes.Buffer
		x := *st
		w := *st.winRun
		x.winRun = &w
		w.stdout = &out
		x.list(set[1 : len(set)-1])
		text = out.String()
	case strings.HasPrefix(set, `"`) && !usebackq:
		text = strings.Trim(set, `"`)
	default:
		b, _ := os.ReadFile(st.host(strings.Trim(set, `"`)))
		text = string(b)
	}
	delims, tokens, skip := " \t", "1", 0
	for _, o := range strings.Fields(options) {
		if v, ok := strings.CutPrefix(o, "tokens="); ok {
			tokens = v
		}
		if v, ok := strings.CutPrefix(o, "skip="); ok {
			skip, _ = strconv.Atoi(v)
		}
	}
	if i := strings.Index(options, "delims="); i >= 0 {
		delims = options[i+7:]
		if j := strings.Index(delims, " tokens="); j >= 0 {
			delims = delims[:j]
		}
	}
	for n, line := range strings.Split(strings.ReplaceAll(text, "\r", ""), "\n") {
		if n < skip || strings.TrimSpace(line) == "" {
			continue
		}
		cut := func(s string) (string, string) {
			s = strings.TrimLeft(s, delims)
			i := strings.IndexAny(s, delims)
			if delims == "" || i < 0 {
				return s, ""
			}
			return s[:i], s[i:]
		}
		values := map[byte]string{}
		key := name
		words, rest := []string{}, line
		for rest != "" && len(words) < 30 {
			var w string
			w, rest = cut(rest)
			if w != "" {
				words = append(words, w)
			}
		}
		for _, t := range strings.Split(tokens, ",") {
			if t == "*" || strings.HasSuffix(t, "*") {
				if m, err := strconv.Atoi(strings.TrimSuffix(t, "*")); err == nil {
					if m <= len(words) {
						values[key] = words[m-1]
					}
					key++
					r := line
					for j := 0; j < m; j++ {
						_, r = cut(r)
					}
					values[key] = strings.TrimLeft(r, delims)
				} else {
					values[key] = strings.TrimLeft(line, delims)
				}
				key++
				continue
			}
			if m, err := strconv.Atoi(t); err == nil {
				if m <= len(words) {
					values[key] = words[m-1]
				} else {
					values[key] = ""
				}
				key++
			}
		}
		if !do(values) {
			return
		}
	}
}
