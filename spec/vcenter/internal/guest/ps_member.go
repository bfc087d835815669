package guest

// ps_member.go: members and methods of values, the few static ones, text encodings, and how
// a command's parameters are bound.

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"
)

func (r *psRun) member(v any, name string) any {
	low := strings.ToLower(name)
	switch x := v.(type) {
	case *psObject:
		if got, ok := x.get(name); ok {
			return got
		}
		if x.hash {
			switch low {
			case "count":
				return int64(len(x.names))
			case "keys":
				out := []any{}
				for _, n := range x.names {
					out = append(out, n)
				}
				return out
			case "values":
				out := []any{}
				for _, n := range x.names {
					out = append(out, x.props[strings.ToLower(n)])
				}
				return out
			}
		}
		if low == "count" || low == "length" {
			return int64(1)
		}
		return nil
	case []any:
		switch low {
		case "count", "length":
			return int64(len(x))
		}
		var out []any // the members of the elements
		for _, e := range x {
			out = append(out, items(r.member(e, name))...)
		}
		return one(out)
	case string:
		if low == "length" {
			return int64(len([]rune(x)))
		}
	case nil:
		if low == "count" || low == "length" {
			return int64(0)
		}
		return nil
	}
	if low == "count" || low == "length" {
		return int64(1)
	}
	return nil
}

func (r *psRun) index(v, at any) any {
	if o, ok := v.(*psObject); ok {
		got, _ := o.get(psString(at))
		return got
	}
	n, ok := psNumber(at)
	if !ok {
		return nil
	}
	i := int(toFloat(n))
	switch x := v.(type) {
	case []any:
		if i < 0 {
			i += len(x)
		}
		if i >= 0 && i < len(x) {
			return x[i]
		}
	case string:
		c := []rune(x)
		if i < 0 {
			i += len(c)
		}
		if i >= 0 && i < len(c) {
			return string(c[i])
		}
	case nil:
		r.throw("Cannot index into a null array.")
	default:
		if i == 0 || i == -1 {
			return v
		}
	}
	return nil
}

func (r *psRun) method(v any, name string, args []any) any {
	low := strings.ToLower(name)
	arg := func(i int) string {
		if i < len(args) {
			return psString(args[i])
		}
		return ""
	}
	num := func(i int) int {
		if i < len(args) {
			if n, ok := psNumber(args[i]); ok {
				return int(toFloat(n))
			}
		}
		return 0
	}
	if v == nil {
		r.throw("You cannot call a method on a null-valued expression.")
	}
	switch v.(type) { // rule windows.constrained
	case string, int64, float64, bool, []any:
	default:
		if r.constrained() {
			r.throw("Cannot invoke method. Method invocation is supported only on core types in this language mode.")
		}
	}
	if c, ok := v.(*comType); ok && low == "invokemember" {
		return r.invokeMember(c, args)
	}
	if c, ok := v.(*comObject); ok {
		return r.comMethod(c, name, args)
	}
	if o, ok := v.(*psObject); ok {
		switch low {
		case "waitforexit", "dispose", "refresh":
			return nil
		case "containskey", "contains":
			_, ok := o.get(arg(0))
			return ok
		case "tostring":
			return psString(v)
		}
		r.throw("Method invocation failed because [%s] does not contain a method named '%s'.", o.kind, name)
	}
	if l, ok := v.([]any); ok && low != "contains" {
		out := []any{}
		for _, e := range l {
			out = append(out, r.method(e, name, args))
		}
		return out
	}
	if l, ok := v.([]any); ok {
		for _, e := range l {
			if psCompare(e, args[0]) == 0 {
				return true
			}
		}
		return false
	}
	if low == "tostring" {
		if len(args) == 1 {
			return psFormat("{0:"+arg(0)+"}", []any{v})
		}
		return psString(v)
	}
	s := psString(v)
	switch low {
	case "tolower":
		return strings.ToLower(s)
	case "toupper":
		return strings.ToUpper(s)
	case "trim":
		if len(args) > 0 {
			return strings.Trim(s, arg(0))
		}
		return strings.TrimSpace(s)
	case "trimend":
		if len(args) > 0 {
			return strings.TrimRight(s, arg(0))
		}
		return strings.TrimRight(s, " \t\r\n")
	case "trimstart":
		if len(args) > 0 {
			return strings.TrimLeft(s, arg(0))
		}
		return strings.TrimLeft(s, " \t\r\n")
	case "replace":
		return strings.ReplaceAll(s, arg(0), arg(1))
	case "startswith":
		return strings.HasPrefix(s, arg(0))
	case "endswith":
		return strings.HasSuffix(s, arg(0))
	case "contains":
		return strings.Contains(s, arg(0))
	case "indexof":
		return int64(strings.Index(s, arg(0)))
	case "split":
		out := []any{}
		for _, p := range strings.FieldsFunc(s+"\x00", func(c rune) bool { return strings.ContainsRune(arg(0), c) }) {
			out = append(out, strings.TrimSuffix(p, "\x00"))
		}
		return out
	case "substring":
		c := []rune(s)
		from := num(0)
		to := len(c)
		if len(args) > 1 {
			to = from + num(1)
		}
		if from < 0 || to > len(c) || from > to {
			r.throw("Exception calling \"Substring\": \"Index and length must refer to a location within the string.\"")
		}
		return string(c[from:to])
	case "padleft":
		return fmt.Sprintf("%*s", num(0), s)
	case "padright":
		return fmt.Sprintf("%-*s", num(0), s)
	case "equals":
		return s == arg(0)
	case "gettype":
		return newObject("Type", "Name", fmt.Sprintf("%T", v))
	}
	r.throw("Method invocation failed because [System.String] does not contain a method named '%s'.", name)
	return nil
}

func (r *psRun) static(kind, name string, args []any) any {
	arg := func(i int) any {
		if i < len(args) {
			return args[i]
		}
		return nil
	}
	switch key := strings.ToLower(strings.TrimPrefix(strings.ToLower(kind), "system.") + "::" + name); key {
	case "string::isnullorempty":
		return psString(arg(0)) == ""
	case "string::isnullorwhitespace":
		return strings.TrimSpace(psString(arg(0))) == ""
	case "string::join":
		var parts []string
		for _, v := range items(arg(1)) {
			parts = append(parts, psString(v))
		}
		return strings.Join(parts, psString(arg(0)))
	case "environment::newline":
		return "\r\n"
	case "environment::exit":
		n, _ := psNumber(arg(0))
		panic(psExit{int(toFloat(n))})
	case "environment::machinename":
		v, _ := r.getenv("COMPUTERNAME")
		return v
	case "environment::getenvironmentvariable":
		v, ok := r.getenv(psString(arg(0)))
		if !ok {
			return nil
		}
		return v
	case "io.file::exists", "io.directory::exists":
		h := r.host(psString(arg(0)))
		st, err := os.Stat(h)
		return h != "" && err == nil && st.IsDir() == strings.Contains(key, "directory")
	case "io.file::readalltext":
		b, err := os.ReadFile(r.host(psString(arg(0))))
		if err != nil {
			r.throw("Could not find file '%s'.", psString(arg(0)))
		}
		return decodeText(b)
	case "io.file::writealltext":
		if h := r.writable(psString(arg(0))); h == "" || os.WriteFile(h, []byte(psString(arg(1))), 0o644) != nil {
			r.throw("Could not find a part of the path '%s'.", psString(arg(0)))
		}
		return nil
	case "io.path::combine":
		return r.m.Join(psString(arg(0)), psString(arg(1)))
	case "io.path::gettemppath":
		v, _ := r.getenv("TEMP")
		return v + `\`
	case "math::max", "math::min":
		a, b := psCompare(arg(0), arg(1)), strings.HasSuffix(key, "max")
		if (a >= 0) == b {
			return arg(0)
		}
		return arg(1)
	case "math::round", "math::floor", "math::ceiling":
		n, _ := psNumber(arg(0))
		return int64(toFloat(n) + 0.5)
	case "convert::toint32", "convert::toint64":
		s := psString(arg(0))
		if len(args) > 1 && psString(args[1]) == "16" {
			s = "0x" + strings.TrimPrefix(strings.ToLower(s), "0x")
		}
		n, ok := number(s)
		if !ok {
			r.throw("Input string was not in a correct format.")
		}
		return n
	case "console::outputencoding", "text.encoding::utf8", "text.encoding::unicode", "net.servicepointmanager::securityprotocol":
		return "utf8"
	case "guid::newguid":
		return newObject("Guid", "Guid", "b9a1b6d0-6f0c-4d5c-8f4e-0d6d7e0a9c11")
	case "datetime::now", "datetime::utcnow":
		return "06/25/2024 12:00:00"
	}
	r.throw("Method invocation failed because [%s] does not contain a method named '%s'.", kind, name)
	return nil
}

// bind assigns arguments to parameters in order.
func (r *psRun) bind(names []string, args []any) {
	for i, n := range names {
		if i < len(args) {
			r.vars[len(r.vars)-1][n] = args[i]
		}
	}
}

// decodeText reads UTF-8 or UTF-16 with its mark.
func decodeText(b []byte) string {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0xfe {
		return fromUTF16(b[2:])
	}
	return strings.TrimPrefix(string(b), "\xef\xbb\xbf")
}

func fromUTF16(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, binary.LittleEndian.Uint16(b[i:]))
	}
	return string(utf16.Decode(u))
}

func decodeCommand(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return "", err
	}
	if len(b)%2 != 0 {
		return "", errors.New("an odd number of bytes")
	}
	return fromUTF16(b), nil
}

func utf16le(s string, mark bool) []byte {
	var out []byte
	if mark {
		out = []byte{0xff, 0xfe}
	}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

// psArgs are a command's bound arguments.
type psArgs struct {
	named map[string]any
	order []any
	in    []any
	piped bool
	name  string
	asked map[string]bool // parameters that the cmdlet looked at
}

// has reports whether a switch or parameter is given; names may be shortened.
func (a *psArgs) param(name string) (any, bool) {
	low := strings.ToLower(name)
	if a.asked == nil {
		a.asked = map[string]bool{}
	}
	if v, ok := a.named[low]; ok {
		a.asked[low] = true
		return v, true
	}
	for k, v := range a.named {
		if len(k) >= 2 && strings.HasPrefix(low, k) {
			a.asked[k] = true
			return v, true
		}
	}
	return nil, false
}

func (a *psArgs) flag(name string) bool { v, ok := a.param(name); return ok && (v == nil || psBool(v)) }

// value is a parameter by name, or the n-th argument in order.
func (a *psArgs) value(name string, n int) (any, bool) {
	if v, ok := a.param(name); ok {
		return v, true
	}
	if n >= 0 && n < len(a.order) {
		return a.order[n], true
	}
	return nil, false
}

func (a *psArgs) text(name string, n int) string {
	v, _ := a.value(name, n)
	return psString(v)
}

func (a *psArgs) quiet() bool {
	v, _ := a.param("ErrorAction")
	if v == nil {
		v, _ = a.param("ea")
	}
	s := strings.ToLower(psString(v))
	return s == "silentlycontinue" || s == "ignore" || s == "0"
}
