package guest

// ps_parse.go reads the part of PowerShell's language that automation uses: statements,
// pipelines, commands with parameters, expressions, if/foreach/for/while/try/function, strings with
// variables inside. What it does not support is a parse error, as in any shell, never a guess.

import (
	"fmt"
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
	n := p.assignment()
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
