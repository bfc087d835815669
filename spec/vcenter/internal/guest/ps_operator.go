package guest

// ps_operator.go: PowerShell's operators, casts and the format of -f.

import (
	"fmt"
	"regexp"
	"strings"
)

func (r *psRun) isType(v any, name string) bool {
	switch strings.ToLower(name) {
	case "string", "system.string":
		_, ok := v.(string)
		return ok
	case "int", "int32", "int64", "long":
		_, ok := v.(int64)
		return ok
	case "array", "object[]":
		_, ok := v.([]any)
		return ok
	case "bool", "boolean":
		_, ok := v.(bool)
		return ok
	}
	return false
}

func (r *psRun) cast(kind string, v any) any {
	switch strings.TrimPrefix(kind, "system.") {
	case "int", "int32", "int64", "long", "uint32", "uint64", "byte", "uint16":
		n, ok := psNumber(v)
		if !ok {
			r.throw("Cannot convert value \"%s\" to type \"System.Int32\". Error: \"Input string was not in a correct format.\"", psString(v))
		}
		if f, ok := n.(float64); ok {
			return int64(f + 0.5)
		}
		return n
	case "double", "float", "single", "decimal":
		n, ok := psNumber(v)
		if !ok {
			r.throw("Cannot convert value \"%s\" to type \"System.Double\".", psString(v))
		}
		return toFloat(n)
	case "string":
		return psString(v)
	case "char":
		if n, ok := psNumber(v); ok {
			return string(rune(int(toFloat(n))))
		}
		return psString(v)
	case "bool", "boolean", "switch":
		return psBool(v)
	case "array", "object[]", "string[]", "int[]":
		l := items(v)
		if l == nil {
			l = []any{}
		}
		return l
	case "void":
		return nil
	case "pscustomobject", "psobject":
		if o, ok := v.(*psObject); ok {
			n := *o
			n.hash = false
			return &n
		}
		return v
	case "version":
		return v
	}
	return v
}

func (r *psRun) binary(op string, a, b any) any {
	// on a list, comparisons filter
	if l, ok := a.([]any); ok {
		switch op {
		case "-eq", "-ne", "-like", "-notlike", "-match", "-notmatch", "-gt", "-ge", "-lt", "-le", "-ieq", "-ine":
			out := []any{}
			for _, x := range l {
				if psBool(r.binary(op, x, b)) {
					out = append(out, x)
				}
			}
			return out
		case "-replace":
			out := []any{}
			for _, x := range l {
				out = append(out, r.binary(op, x, b))
			}
			return out
		}
	}
	switch op {
	case "-eq", "-ieq":
		return psCompare(a, b) == 0
	case "-ceq":
		return psString(a) == psString(b)
	case "-ne", "-ine":
		return psCompare(a, b) != 0
	case "-cne":
		return psString(a) != psString(b)
	case "-gt":
		return psCompare(a, b) > 0
	case "-ge":
		return psCompare(a, b) >= 0
	case "-lt":
		return psCompare(a, b) < 0
	case "-le":
		return psCompare(a, b) <= 0
	case "-like", "-ilike", "-clike":
		return wildcard(psString(b)).MatchString(psString(a))
	case "-notlike":
		return !wildcard(psString(b)).MatchString(psString(a))
	case "-match", "-imatch", "-notmatch", "-cmatch":
		flags := "(?i)"
		if op == "-cmatch" {
			flags = ""
		}
		re, err := regexp.Compile(flags + psString(b))
		if err != nil {
			r.throw("parsing \"%s\" - %v", psString(b), err)
		}
		m := re.FindStringSubmatch(psString(a))
		if m != nil {
			h := newObject("")
			h.hash = true
			for i, s := range m {
				h.set(fmt.Sprint(i), s)
				if n := re.SubexpNames()[i]; n != "" {
					h.set(n, s)
				}
			}
			r.store("matches", h)
		}
		return (m != nil) != (op == "-notmatch")
	case "-contains", "-notcontains", "-in", "-notin":
		list, x := a, b
		if op == "-in" || op == "-notin" {
			list, x = b, a
		}
		found := false
		for _, e := range items(list) {
			found = found || psCompare(e, x) == 0
		}
		return found == (op == "-contains" || op == "-in")
	case "-replace", "-ireplace", "-creplace":
		p, with := b, any("")
		if l, ok := b.([]any); ok && len(l) > 0 {
			p = l[0]
			if len(l) > 1 {
				with = l[1]
			}
		}
		re, err := regexp.Compile("(?i)" + psString(p))
		if err != nil {
			r.throw("parsing \"%s\" - %v", psString(p), err)
		}
		return re.ReplaceAllString(psString(a), regexp.MustCompile(`\$(\d+)`).ReplaceAllString(psString(with), "$${$1}"))
	case "-split":
		re, err := regexp.Compile("(?i)" + psString(b))
		if err != nil {
			r.throw("parsing \"%s\" - %v", psString(b), err)
		}
		out := []any{}
		for _, s := range re.Split(psString(a), -1) {
			out = append(out, s)
		}
		return out
	case "-join":
		var parts []string
		for _, v := range items(a) {
			parts = append(parts, psString(v))
		}
		return strings.Join(parts, psString(b))
	case "-f":
		return psFormat(psString(a), items(b))
	case "-as":
		return b
	case "-xor":
		return psBool(a) != psBool(b)
	case "..":
		x, _ := psNumber(a)
		y, _ := psNumber(b)
		out := []any{}
		for i, end := int64(toFloat(x)), int64(toFloat(y)); i <= end && len(out) < 100000; i++ {
			out = append(out, i)
		}
		return out
	case "+":
		if l, ok := a.([]any); ok {
			return append(append([]any{}, l...), items(b)...)
		}
		if s, ok := a.(string); ok {
			return s + psString(b)
		}
		if a == nil {
			return b
		}
	case "*":
		if s, ok := a.(string); ok {
			n, _ := psNumber(b)
			return strings.Repeat(s, max(0, int(toFloat(n))))
		}
	}
	x, ok1 := psNumber(a)
	y, ok2 := psNumber(b)
	if !ok1 || !ok2 {
		r.throw("Method invocation failed because the operands of '%s' are not numbers.", op)
	}
	i, int1 := x.(int64)
	j, int2 := y.(int64)
	if int1 && int2 {
		switch op {
		case "+":
			return i + j
		case "-":
			return i - j
		case "*":
			return i * j
		case "%":
			if j == 0 {
				r.throw("Attempted to divide by zero.")
			}
			return i % j
		case "/":
			if j == 0 {
				r.throw("Attempted to divide by zero.")
			}
			if i%j == 0 {
				return i / j
			}
		case "-band":
			return i & j
		case "-bor":
			return i | j
		case "-shl":
			return i << uint(j&63)
		case "-shr":
			return i >> uint(j&63)
		}
	}
	f, g := toFloat(x), toFloat(y)
	switch op {
	case "+":
		return f + g
	case "-":
		return f - g
	case "*":
		return f * g
	case "/":
		if g == 0 {
			r.throw("Attempted to divide by zero.")
		}
		return f / g
	}
	r.throw("The operator '%s' is not supported here.", op)
	return nil
}

var placeholder = regexp.MustCompile(`\{(\d+)(?:,(-?\d+))?(?::([^}]*))?\}`)

// psFormat is -f with {0}, {0,10}, {0:x4}, {0:D3}, {0:N2}.
func psFormat(format string, args []any) string {
	return placeholder.ReplaceAllStringFunc(format, func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		var i, width int
		fmt.Sscan(p[1], &i)
		if i >= len(args) {
			return ""
		}
		s := psString(args[i])
		if n, ok := psNumber(args[i]); ok && p[3] != "" && args[i] != nil {
			digits := 0
			fmt.Sscan(p[3][1:], &digits)
			switch p[3][0] {
			case 'x':
				s = fmt.Sprintf("%0*x", digits, uint64(int64(toFloat(n)))&0xffffffff)
			case 'X':
				s = fmt.Sprintf("%0*X", digits, uint64(int64(toFloat(n)))&0xffffffff)
			case 'd', 'D':
				s = fmt.Sprintf("%0*d", digits, int64(toFloat(n)))
			case 'n', 'N', 'f', 'F':
				s = fmt.Sprintf("%.*f", digits, toFloat(n))
			}
		}
		if p[2] != "" {
			fmt.Sscan(p[2], &width)
			s = fmt.Sprintf("%*s", width, s)
		}
		return s
	})
}
