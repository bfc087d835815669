package guest

// ps_lex.go: PowerShell's expressions, from operators down to single values: the lower half of
// the parser in ps_parse.go.

import (
	"strconv"
	"strings"
	"unicode"
)

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

// comma is a comma list of operands; arguments one of a command's values.
func (p *psParser) comma() *psNode     { return p.list(p.unary) }
func (p *psParser) arguments() *psNode { return p.list(p.argument) }

// list reads one element, or several separated by commas.
func (p *psParser) list(element func() *psNode) *psNode {
	first := element()
	list := &psNode{kind: "list", kids: []*psNode{first}}
	for {
		mark := p.i
		p.blank(false)
		if p.peek() != ',' {
			if p.i = mark; len(list.kids) == 1 {
				return first
			}
			return list
		}
		p.i++
		p.blank(true)
		list.kids = append(list.kids, element())
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

// interpolate splits a double-quoted text into pieces.
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
