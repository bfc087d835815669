package guest

// ps_parse.go reads the part of PowerShell's language that automation uses: statements,
// pipelines, commands with parameters, expressions, if/foreach/for/while/try/function, strings with
// variables inside. What it does not know is a parse error, as for any shell, never a guess.

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

type psNode struct {
	kind string // see eval
	text string
	kids []*psNode
	num  any
	at   int
}

type psParser struct {
	s string
	i int
}

type psError struct{ text string }

func (e psError) Error() string { return e.text }

func parsePS(s string) (n *psNode, err error) {
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(psError)
			if !ok {
				panic(p)
			}
			err = e
		}
	}()
	p := &psParser{s: strings.ReplaceAll(s, "\r\n", "\n")}
	n = p.block(false)
	if p.i < len(p.s) {
		p.fail("Unexpected token '%c' in expression or statement.", p.s[p.i])
	}
	return n, nil
}

func (p *psParser) fail(format string, args ...any) {
	panic(psError{fmt.Sprintf("At char:%d: ", p.i+1) + fmt.Sprintf(format, args...)})
}

func (p *psParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *psParser) has(s string) bool { return strings.HasPrefix(p.s[p.i:], s) }

// blank skips spaces, comments and continuations; with lines, newlines too.
func (p *psParser) blank(lines bool) {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == ' ' || c == '\t' || c == '\r', lines && c == '\n':
			p.i++
		case c == '`' && p.has("`\n"):
			p.i += 2
		case p.has("<#"):
			end := strings.Index(p.s[p.i:], "#>")
			if end < 0 {
				p.fail("The terminator '#>' is missing from the multiline comment.")
			}
			p.i += end + 2
		case c == '#':
			for p.i < len(p.s) && p.s[p.i] != '\n' {
				p.i++
			}
		default:
			return
		}
	}
}

// block reads statements up to the end or to a closing brace.
func (p *psParser) block(braced bool) *psNode {
	b := &psNode{kind: "block"}
	for {
		p.blank(true)
		for p.peek() == ';' {
			p.i++
			p.blank(true)
		}
		if p.i >= len(p.s) {
			if braced {
				p.fail("Missing closing '}' in statement block.")
			}
			return b
		}
		if c := p.peek(); c == '}' || c == ')' {
			return b
		}
		b.kids = append(b.kids, p.statement())
		p.blank(false)
		if c := p.peek(); p.i < len(p.s) && c != ';' && c != '\n' && c != '}' && c != ')' {
			p.fail("Unexpected token '%s' in expression or statement.", p.rest())
		}
	}
}

func (p *psParser) rest() string {
	r := p.s[p.i:]
	if i := strings.IndexAny(r, " \n;"); i > 0 {
		r = r[:i]
	}
	return r
}

func (p *psParser) keyword() string {
	j := p.i
	for j < len(p.s) && (unicode.IsLetter(rune(p.s[j])) || p.s[j] == '-') {
		j++
	}
	return strings.ToLower(p.s[p.i:j])
}

func (p *psParser) braces() *psNode {
	p.blank(true)
	if p.peek() != '{' {
		p.fail("Missing statement block.")
	}
	p.i++
	b := p.block(true)
	p.i++
	return b
}

func (p *psParser) condition() *psNode {
	p.blank(true)
	if p.peek() != '(' {
		p.fail("Missing '(' after keyword.")
	}
	p.i++
	p.blank(true)
	n := p.pipeline()
	p.blank(true)
	if p.peek() != ')' {
		p.fail("Missing closing ')' in expression.")
	}
	p.i++
	return n
}

func (p *psParser) statement() *psNode {
	start := p.i
	switch k := p.keyword(); k {
	case "if":
		p.i += 2
		n := &psNode{kind: "if"}
		n.kids = append(n.kids, p.condition(), p.braces())
		for {
			mark := p.i
			p.blank(true)
			switch p.keyword() {
			case "elseif":
				p.i += 6
				n.kids = append(n.kids, p.condition(), p.braces())
				continue
			case "else":
				p.i += 4
				n.kids = append(n.kids, p.braces())
			default:
				p.i = mark
			}
			return n
		}
	case "foreach":
		p.i += 7
		p.blank(true)
		if p.peek() == '(' {
			p.i++
			p.blank(true)
			v := p.primary()
			p.blank(true)
			if p.keyword() != "in" {
				p.fail("Missing 'in' after variable in foreach loop.")
			}
			p.i += 2
			p.blank(true)
			list := p.pipeline()
			p.blank(true)
			if p.peek() != ')' {
				p.fail("Missing closing ')' in expression.")
			}
			p.i++
			return &psNode{kind: "foreach", text: v.text, kids: []*psNode{list, p.braces()}}
		}
		p.i = start
	case "while":
		p.i += 5
		return &psNode{kind: "while", kids: []*psNode{p.condition(), p.braces()}}
	case "do":
		p.i += 2
		b := p.braces()
		p.blank(true)
		k := p.keyword()
		if k != "while" && k != "until" {
			p.fail("The while or until keyword is missing in the Do loop.")
		}
		p.i += 5
		return &psNode{kind: "do-" + k, kids: []*psNode{p.condition(), b}}
	case "for":
		p.i += 3
		p.blank(true)
		if p.peek() != '(' {
			p.fail("Missing '(' after keyword 'for'.")
		}
		p.i++
		n := &psNode{kind: "for"}
		for j := 0; j < 3; j++ {
			p.blank(true)
			var part *psNode
			if c := p.peek(); c != ';' && c != ')' {
				part = p.statement()
			}
			n.kids = append(n.kids, part)
			p.blank(true)
			if p.peek() == ';' {
				p.i++
			}
		}
		p.blank(true)
		if p.peek() != ')' {
			p.fail("Missing closing ')' after expression in 'for' statement.")
		}
		p.i++
		n.kids = append(n.kids, p.braces())
		return n
	case "try":
		p.i += 3
		n := &psNode{kind: "try", kids: []*psNode{p.braces(), nil, nil}}
		for {
			mark := p.i
			p.blank(true)
			switch p.keyword() {
			case "catch":
				p.i += 5
				p.blank(true)
				for p.peek() == '[' {
					for p.peek() != ']' && p.i < len(p.s) {
						p.i++
					}
					p.i++
					p.blank(true)
				}
				n.kids[1] = p.braces()
				continue
			case "finally":
				p.i += 7
				n.kids[2] = p.braces()
				continue
			}
			p.i = mark
			return n
		}
	case "function":
		p.i += 8
		p.blank(false)
		name := p.bare()
		p.blank(true)
		var params []string
		if p.peek() == '(' {
			params = p.paramList()
		}
		b := p.braces()
		return &psNode{kind: "function", text: strings.ToLower(name), kids: []*psNode{b}, num: params}
	case "param":
		p.i += 5
		p.blank(true)
		if p.peek() == '(' {
			return &psNode{kind: "param", num: p.paramList()}
		}
		p.i = start
	case "exit", "return", "throw":
		if p.i+len(k) < len(p.s) && (unicode.IsLetter(rune(p.s[p.i+len(k)])) || p.s[p.i+len(k)] == '.') {
			break
		}
		p.i += len(k)
		p.blank(false)
		n := &psNode{kind: k}
		if c := p.peek(); p.i < len(p.s) && c != ';' && c != '\n' && c != '}' && c != ')' {
			n.kids = append(n.kids, p.pipeline())
		}
		return n
	case "break", "continue":
		p.i += len(k)
		return &psNode{kind: k}
	}
	return p.assignment()
}

func (p *psParser) paramList() []string {
	var names []string
	depth := 0
	for {
		c := p.peek()
		switch {
		case p.i >= len(p.s):
			p.fail("Missing ')' in function parameter list.")
		case c == '(':
			depth++
			p.i++
		case c == ')':
			depth--
			p.i++
			if depth == 0 {
				return names
			}
		case c == '$' && depth == 1:
			p.i++
			names = append(names, strings.ToLower(p.name()))
		default:
			p.i++
		}
	}
}

// assignment is lvalue = statement, or a pipeline.
func (p *psParser) assignment() *psNode {
	start := p.i
	if p.peek() == '$' || p.peek() == '[' {
		var left *psNode
		func() {
			defer func() {
				if e := recover(); e != nil {
					if _, ok := e.(psError); !ok {
						panic(e)
					}
					left = nil
				}
			}()
			left = p.unary()
		}()
		if left != nil {
			p.blank(false)
			for _, op := range []string{"=", "+=", "-=", "*=", "/="} {
				if p.has(op) && !p.has("==") {
					p.i += len(op)
					p.blank(true)
					return &psNode{kind: "assign", text: op, kids: []*psNode{left, p.statement()}}
				}
			}
			if p.has("++") || p.has("--") {
				op := p.s[p.i : p.i+1]
				p.i += 2
				return &psNode{kind: "assign", text: op + "=", kids: []*psNode{left, {kind: "number", num: int64(1)}}}
			}
		}
		p.i = start
	}
	return p.pipeline()
}

func (p *psParser) pipeline() *psNode {
	n := &psNode{kind: "pipeline"}
	for {
		n.kids = append(n.kids, p.element())
		p.blank(false)
		if p.peek() != '|' {
			break
		}
		p.i++
		p.blank(true)
	}
	if len(n.kids) == 1 {
		return n.kids[0]
	}
	return n
}

// element is an expression or a command.
func (p *psParser) element() *psNode {
	c := p.peek()
	switch {
	case c == '&' || c == '.' && p.i+1 < len(p.s) && p.s[p.i+1] == ' ':
		p.i++
		p.blank(false)
		return p.command(p.argument())
	case c == '$' || c == '"' || c == '\'' || c == '(' || c == '@' || c == '{' || c == '[' || c == '!' || c >= '0' && c <= '9',
		c == '-' && p.i+1 < len(p.s) && (unicode.IsLetter(rune(p.s[p.i+1])) || p.s[p.i+1] >= '0' && p.s[p.i+1] <= '9' || p.s[p.i+1] == '('):
		n := p.expression(0)
		return p.redirect(n)
	}
	return p.command(&psNode{kind: "string", text: p.bare()})
}

// redirect takes > file, 2>&1, *> file behind an expression.
func (p *psParser) redirect(n *psNode) *psNode {
	for {
		p.blank(false)
		r := p.redirection()
		if r == nil {
			return n
		}
		r.kids = append([]*psNode{n}, r.kids...)
		n = r
	}
}

func (p *psParser) redirection() *psNode {
	for _, op := range []string{"2>&1", "*>&1", "3>&1", "1>&2", "2>>", "*>>", "2>", "*>", "1>", ">>", ">"} {
		if !p.has(op) {
			continue
		}
		p.i += len(op)
		n := &psNode{kind: "redirect", text: op}
		if !strings.Contains(op, "&") {
			p.blank(false)
			n.kids = append(n.kids, p.argument())
		}
		return n
	}
	return nil
}

// command reads parameters and arguments behind a name.
func (p *psParser) command(name *psNode) *psNode {
	n := &psNode{kind: "command", kids: []*psNode{name}, at: p.i}
	var redirects []*psNode
	for {
		p.blank(false)
		if p.i >= len(p.s) {
			break
		}
		c := p.peek()
		if c == '|' || c == ';' || c == '\n' || c == ')' || c == '}' || c == '&' {
			break
		}
		if r := p.redirection(); r != nil {
			redirects = append(redirects, r)
			continue
		}
		if c == '-' && p.i+1 < len(p.s) && unicode.IsLetter(rune(p.s[p.i+1])) {
			start := p.i
			j := p.i + 1
			for j < len(p.s) && (unicode.IsLetter(rune(p.s[j])) || unicode.IsDigit(rune(p.s[j]))) {
				j++
			}
			if j >= len(p.s) || strings.IndexByte(" \t\n;|)}:`", p.s[j]) >= 0 {
				prm := &psNode{kind: "param-name", text: p.s[p.i+1 : j], at: start}
				p.i = j
				if p.peek() == ':' && p.i+1 < len(p.s) {
					p.i++
					p.blank(false)
					prm.kids = []*psNode{p.argument()}
				}
				n.kids = append(n.kids, prm)
				continue
			}
		}
		n.kids = append(n.kids, p.arguments())
	}
	out := n
	for _, r := range redirects {
		r.kids = append([]*psNode{out}, r.kids...)
		out = r
	}
	return out
}

// arguments is a comma list.
func (p *psParser) arguments() *psNode {
	first := p.argument()
	mark := p.i
	p.blank(false)
	if p.peek() != ',' {
		p.i = mark
		return first
	}
	list := &psNode{kind: "list", kids: []*psNode{first}}
	for {
		mark = p.i
		p.blank(false)
		if p.peek() != ',' {
			p.i = mark
			return list
		}
		p.i++
		p.blank(true)
		list.kids = append(list.kids, p.argument())
	}
}

// argument is one value in argument mode.
func (p *psParser) argument() *psNode {
	switch c := p.peek(); {
	case c == '"' || c == '\'' || c == '(' || c == '@' || c == '{':
		return p.postfix(p.primary())
	case c == '$':
		n := p.postfix(p.primary())
		if c := p.peek(); p.i < len(p.s) && strings.IndexByte(" \t\n;|)},", c) < 0 { // $a\b is one word
			tail := p.expandable(p.bareRaw())
			return &psNode{kind: "concat", kids: []*psNode{n, tail}}
		}
		return n
	}
	raw := p.bareRaw()
	if raw == "" {
		p.fail("Unexpected token '%s' in expression or statement.", p.rest())
	}
	if n, ok := number(raw); ok {
		return &psNode{kind: "number", num: n, text: raw}
	}
	return p.expandable(raw)
}

func (p *psParser) bareRaw() string {
	j := p.i
	for j < len(p.s) {
		c := p.s[j]
		if c == '`' && j+1 < len(p.s) {
			j += 2
			continue
		}
		if c == '"' || c == '\'' { // a quoted piece inside a word: /v"..."
			if end := strings.IndexByte(p.s[j+1:], c); end >= 0 {
				j += end + 2
				continue
			}
		}
		if c == '(' && j > p.i {
			break
		}
		if strings.IndexByte(" \t\n;|)},(", c) >= 0 {
			break
		}
		j++
	}
	raw := p.s[p.i:j]
	p.i = j
	return raw
}

// expandable is a bare word or a double-quoted text with variables.
func (p *psParser) expandable(raw string) *psNode {
	if !strings.ContainsAny(raw, "$`") {
		return &psNode{kind: "string", text: raw}
	}
	return interpolate(raw)
}

func (p *psParser) bare() string {
	j := p.i
	for j < len(p.s) && strings.IndexByte(" \t\n;|(){}\"',", p.s[j]) < 0 {
		j++
	}
	if j == p.i {
		p.fail("Unexpected token '%s' in expression or statement.", p.rest())
	}
	s := p.s[p.i:j]
	p.i = j
	return s
}

func (p *psParser) name() string {
	if p.peek() == '{' {
		end := strings.IndexByte(p.s[p.i:], '}')
		if end < 0 {
			p.fail("Missing '}' in variable name.")
		}
		s := p.s[p.i+1 : p.i+end]
		p.i += end + 1
		return s
	}
	j := p.i
	if c := p.peek(); c == '?' || c == '^' || c == '$' {
		p.i++
		return string(c)
	}
	for j < len(p.s) && (unicode.IsLetter(rune(p.s[j])) || unicode.IsDigit(rune(p.s[j])) || p.s[j] == '_' ||
		p.s[j] == ':' && j+1 < len(p.s) && unicode.IsLetter(rune(p.s[j+1])) && j > p.i && p.s[j-1] != ':') {
		j++
	}
	s := p.s[p.i:j]
	p.i = j
	return s
}

// operators by level; higher binds tighter.
var psOps = []map[string]bool{
	{"-and": true, "-or": true, "-xor": true},
	{"-eq": true, "-ne": true, "-gt": true, "-ge": true, "-lt": true, "-le": true, "-like": true, "-notlike": true, "-match": true,
		"-notmatch": true, "-contains": true, "-notcontains": true, "-in": true, "-notin": true, "-replace": true, "-split": true, "-join": true,
		"-is": true, "-isnot": true, "-as": true, "-band": true, "-bor": true, "-shr": true, "-shl": true, "-ceq": true, "-ieq": true, "-imatch": true,
		"-cmatch": true, "-ilike": true, "-clike": true, "-ine": true, "-cne": true, "-ireplace": true, "-creplace": true},
	{"+": true, "-": true},
	{"*": true, "/": true, "%": true},
	{"-f": true},
	{"..": true},
}

func (p *psParser) operator() string {
	c := p.peek()
	if c == '-' {
		j := p.i + 1
		for j < len(p.s) && unicode.IsLetter(rune(p.s[j])) {
			j++
		}
		if j > p.i+1 {
			return strings.ToLower(p.s[p.i:j])
		}
		return "-"
	}
	if p.has("..") {
		return ".."
	}
	if strings.IndexByte("+*/%", c) >= 0 && c != 0 {
		return string(c)
	}
	return ""
}

func (p *psParser) expression(level int) *psNode {
	if level == len(psOps) {
		return p.comma()
	}
	left := p.expression(level + 1)
	for {
		mark := p.i
		p.blank(false)
		op := p.operator()
		if op == "" || !psOps[level][op] {
			p.i = mark
			return left
		}
		p.i += len(op)
		p.blank(true)
		right := p.expression(level + 1)
		left = &psNode{kind: "binary", text: op, kids: []*psNode{left, right}}
	}
}

func (p *psParser) comma() *psNode {
	first := p.unary()
	mark := p.i
	p.blank(false)
	if p.peek() != ',' {
		p.i = mark
		return first
	}
	list := &psNode{kind: "list", kids: []*psNode{first}}
	for {
		mark = p.i
		p.blank(false)
		if p.peek() != ',' {
			p.i = mark
			return list
		}
		p.i++
		p.blank(true)
		list.kids = append(list.kids, p.unary())
	}
}

func (p *psParser) unary() *psNode {
	c := p.peek()
	if c == '!' {
		p.i++
		p.blank(false)
		return &psNode{kind: "not", kids: []*psNode{p.unary()}}
	}
	if c == '-' || c == '+' {
		op := p.operator()
		switch op {
		case "-not":
			p.i += 4
			p.blank(false)
			return &psNode{kind: "not", kids: []*psNode{p.unary()}}
		case "-join", "-split":
			p.i += len(op)
			p.blank(false)
			return &psNode{kind: op[1:], kids: []*psNode{p.unary()}}
		case "-", "+":
			p.i++
			return &psNode{kind: "negate", text: op, kids: []*psNode{p.unary()}}
		}
	}
	if c == '[' {
		end := strings.IndexByte(p.s[p.i:], ']')
		for end > 0 && p.i+end+1 < len(p.s) && p.s[p.i+end-1] == '[' { // [string[]]
			next := strings.IndexByte(p.s[p.i+end+1:], ']')
			if next < 0 {
				break
			}
			end += next + 1
		}
		if end < 0 {
			p.fail("Missing ] at end of type token.")
		}
		name := p.s[p.i+1 : p.i+end]
		p.i += end + 1
		if p.has("::") {
			return p.postfix(&psNode{kind: "type", text: name})
		}
		p.blank(false)
		if c := p.peek(); p.i >= len(p.s) || strings.IndexByte(";|)}\n,", c) >= 0 || p.operator() == "-eq" {
			return &psNode{kind: "type", text: name}
		}
		return &psNode{kind: "cast", text: strings.ToLower(name), kids: []*psNode{p.unary()}}
	}
	return p.postfix(p.primary())
}

func number(s string) (any, bool) {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return nil, false
	}
	body, mult := s, int64(1)
	low := strings.ToLower(s)
	for suffix, m := range map[string]int64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40} {
		if strings.HasSuffix(low, suffix) && !strings.HasPrefix(low, "0x") {
			body, mult = s[:len(s)-2], m
		}
	}
	if strings.HasPrefix(low, "0x") {
		n, err := strconv.ParseInt(low[2:], 16, 64)
		return n, err == nil
	}
	if n, err := strconv.ParseInt(body, 10, 64); err == nil {
		return n * mult, true
	}
	if f, err := strconv.ParseFloat(body, 64); err == nil && !strings.ContainsAny(body, "xXpPnN") {
		return f * float64(mult), true
	}
	return nil, false
}

func (p *psParser) primary() *psNode {
	start := p.i
	switch c := p.peek(); {
	case c == '$':
		p.i++
		if p.peek() == '(' {
			p.i++
			b := p.block(false)
			p.closing(')')
			return &psNode{kind: "sub", kids: []*psNode{b}}
		}
		n := p.name()
		if n == "" {
			p.fail("Variable reference is not valid.")
		}
		return &psNode{kind: "var", text: strings.ToLower(n)}
	case c == '\'':
		var b strings.Builder
		for p.i++; ; p.i++ {
			if p.i >= len(p.s) {
				p.i = start
				p.fail("The string is missing the terminator: '.")
			}
			if p.s[p.i] == '\'' {
				if p.i+1 < len(p.s) && p.s[p.i+1] == '\'' {
					p.i++
				} else {
					p.i++
					return &psNode{kind: "string", text: b.String()}
				}
			}
			b.WriteByte(p.s[p.i])
		}
	case c == '"':
		var b strings.Builder
		depth := 0
		for p.i++; ; p.i++ {
			if p.i >= len(p.s) {
				p.i = start
				p.fail("The string is missing the terminator: \".")
			}
			ch := p.s[p.i]
			if ch == '`' && p.i+1 < len(p.s) {
				b.WriteByte(ch)
				p.i++
				b.WriteByte(p.s[p.i])
				continue
			}
			if ch == '$' && p.i+1 < len(p.s) && p.s[p.i+1] == '(' || ch == '(' && depth > 0 {
				depth++
				if ch == '$' {
					b.WriteByte(ch)
					p.i++
					ch = '('
				}
			} else if ch == ')' && depth > 0 {
				depth--
			}
			if ch == '"' && depth == 0 {
				if p.i+1 < len(p.s) && p.s[p.i+1] == '"' {
					b.WriteString("`\"")
					p.i++
					continue
				}
				p.i++
				return interpolate(b.String())
			}
			b.WriteByte(ch)
		}
	case c == '(':
		p.i++
		p.blank(true)
		n := p.statement()
		p.closing(')')
		return &psNode{kind: "group", kids: []*psNode{n}}
	case c == '@' && p.has("@("):
		p.i += 2
		b := p.block(false)
		p.closing(')')
		return &psNode{kind: "array", kids: []*psNode{b}}
	case c == '@' && p.has("@{"):
		p.i += 2
		return p.hash()
	case c == '@' && (p.has("@'\n") || p.has("@\"\n")):
		q := p.s[p.i+1 : p.i+2]
		end := strings.Index(p.s[p.i+3:], "\n"+q+"@")
		if end < 0 {
			p.fail("The string is missing the terminator: %s@.", q)
		}
		text := p.s[p.i+3 : p.i+3+end]
		p.i += 3 + end + 3
		if q == "'" {
			return &psNode{kind: "string", text: text}
		}
		return interpolate(strings.ReplaceAll(text, `"`, "`\""))
	case c == '{':
		p.i++
		b := p.block(true)
		p.i++
		return &psNode{kind: "script", kids: []*psNode{b}}
	case c >= '0' && c <= '9' || c == '.' && p.i+1 < len(p.s) && p.s[p.i+1] >= '0' && p.s[p.i+1] <= '9':
		j := p.i
		for j < len(p.s) && (unicode.IsLetter(rune(p.s[j])) || unicode.IsDigit(rune(p.s[j])) || p.s[j] == '.' && !strings.HasPrefix(p.s[j:], "..")) {
			j++
		}
		n, ok := number(p.s[p.i:j])
		if !ok {
			p.fail("Bad numeric constant: %s.", p.s[p.i:j])
		}
		p.i = j
		return &psNode{kind: "number", num: n}
	case unicode.IsLetter(rune(c)):
		return p.command(&psNode{kind: "string", text: p.bare()})
	}
	p.fail("Unexpected token '%s' in expression or statement.", p.rest())
	return nil
}

func (p *psParser) closing(c byte) {
	p.blank(true)
	if p.peek() != c {
		p.fail("Missing closing '%c' in expression.", c)
	}
	p.i++
}

func (p *psParser) hash() *psNode {
	n := &psNode{kind: "hash"}
	for {
		p.blank(true)
		for p.peek() == ';' {
			p.i++
			p.blank(true)
		}
		if p.peek() == '}' {
			p.i++
			return n
		}
		var key *psNode
		if c := p.peek(); c == '"' || c == '\'' || c == '$' || c == '(' {
			key = p.primary()
		} else {
			j := p.i
			for j < len(p.s) && strings.IndexByte(" \t\n=;}", p.s[j]) < 0 {
				j++
			}
			key = &psNode{kind: "string", text: p.s[p.i:j]}
			p.i = j
		}
		p.blank(false)
		if p.peek() != '=' {
			p.fail("Missing '=' operator after key in hash literal.")
		}
		p.i++
		p.blank(true)
		n.kids = append(n.kids, key, p.statement())
		p.blank(false)
	}
}

// postfix is .member .method(...) [index] ::static.
func (p *psParser) postfix(n *psNode) *psNode {
	for p.i < len(p.s) {
		switch {
		case p.has("::"), p.peek() == '.' && p.i+1 < len(p.s) && (unicode.IsLetter(rune(p.s[p.i+1])) || strings.IndexByte("$_'\"(", p.s[p.i+1]) >= 0):
			static := p.has("::")
			p.i++
			if static {
				p.i++
			}
			var member *psNode
			if c := p.peek(); c == '$' || c == '\'' || c == '"' || c == '(' {
				member = p.primary()
			} else {
				j := p.i
				for j < len(p.s) && (unicode.IsLetter(rune(p.s[j])) || unicode.IsDigit(rune(p.s[j])) || p.s[j] == '_') {
					j++
				}
				member = &psNode{kind: "string", text: p.s[p.i:j]}
				p.i = j
			}
			kind := "member"
			if static {
				kind = "static"
			}
			m := &psNode{kind: kind, kids: []*psNode{n, member}}
			if p.peek() == '(' {
				m.kind = map[string]string{"member": "method", "static": "static-method"}[kind]
				p.i++
				p.blank(true)
				for p.peek() != ')' {
					m.kids = append(m.kids, p.single())
					p.blank(true)
					if p.peek() == ',' {
						p.i++
						p.blank(true)
					} else if p.peek() != ')' {
						p.fail("Missing ')' in method call.")
					}
				}
				p.i++
			}
			n = m
		case p.peek() == '[':
			p.i++
			p.blank(true)
			e := p.expression(0)
			p.closing(']')
			n = &psNode{kind: "index", kids: []*psNode{n, e}}
		default:
			return n
		}
	}
	return n
}

// single is an expression without a comma, for method arguments.
func (p *psParser) single() *psNode {
	left := p.unary()
	for {
		mark := p.i
		p.blank(false)
		op := p.operator()
		if op == "" || op == ".." {
			p.i = mark
			return left
		}
		p.i += len(op)
		p.blank(true)
		left = &psNode{kind: "binary", text: op, kids: []*psNode{left, p.unary()}}
	}
}

// interpolate parts a double-quoted text into pieces.
func interpolate(s string) *psNode {
	n := &psNode{kind: "concat"}
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			n.kids = append(n.kids, &psNode{kind: "string", text: b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '`' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '0':
				b.WriteByte(0)
			default:
				b.WriteByte(s[i])
			}
		case c == '$' && i+1 < len(s):
			q := &psParser{s: s, i: i + 1}
			if s[i+1] == '(' {
				q.i = i
				flush()
				n.kids = append(n.kids, q.primary())
				i = q.i - 1
				continue
			}
			name := q.name()
			if name == "" || name == "$" {
				b.WriteByte(c)
				continue
			}
			flush()
			n.kids = append(n.kids, &psNode{kind: "var", text: strings.ToLower(name)})
			i = q.i - 1
		default:
			b.WriteByte(c)
		}
	}
	flush()
	if len(n.kids) == 0 {
		return &psNode{kind: "string"}
	}
	if len(n.kids) == 1 && n.kids[0].kind == "string" {
		return n.kids[0]
	}
	return n
}
