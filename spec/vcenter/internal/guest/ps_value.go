package guest

// ps_value.go: PowerShell's values. Objects keep their properties in order; names are found
// whatever their case.

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

type psObject struct {
	kind  string // type name
	names []string
	props map[string]any // by lower-case name
	hash  bool
}

func newObject(kind string, pairs ...any) *psObject {
	o := &psObject{kind: kind, props: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func (o *psObject) set(name string, v any) {
	low := strings.ToLower(name)
	if _, ok := o.props[low]; !ok {
		o.names = append(o.names, name)
	}
	o.props[low] = v
}

func (o *psObject) get(name string) (any, bool) {
	v, ok := o.props[strings.ToLower(name)]
	return v, ok
}

type psScript struct{ body *psNode }

// items flattens a value to the things that a pipeline carries.
func items(v any) []any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		return x
	}
	return []any{v}
}

// one is the value of a list as PowerShell assigns it: nothing, the thing, or the list.
func one(list []any) any {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

func psString(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		if x {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []any:
		var parts []string
		for _, e := range x {
			parts = append(parts, psString(e))
		}
		return strings.Join(parts, " ")
	case *psObject:
		if x.hash {
			return "System.Collections.Hashtable"
		}
		if x.kind == "" || x.kind == "Selected" {
			var parts []string
			for _, n := range x.names {
				parts = append(parts, n+"="+psString(x.props[strings.ToLower(n)]))
			}
			return "@{" + strings.Join(parts, "; ") + "}"
		}
		return x.kind
	case *psScript:
		return "{...}"
	}
	return fmt.Sprint(v)
}

func psBool(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != ""
	case int64:
		return x != 0
	case float64:
		return x != 0
	case []any:
		if len(x) == 1 {
			return psBool(x[0])
		}
		return len(x) > 0
	}
	return true
}

func psNumber(v any) (any, bool) {
	switch x := v.(type) {
	case nil:
		return int64(0), true
	case int64, float64:
		return x, true
	case bool:
		if x {
			return int64(1), true
		}
		return int64(0), true
	case string:
		s := strings.TrimSpace(x)
		if s == "" {
			return int64(0), true
		}
		return number(s)
	}
	return nil, false
}

func toFloat(v any) float64 {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	}
	return 0
}

// psCompare orders a against b; the left side decides the kind.
func psCompare(a, b any) int {
	if s, ok := a.(string); ok {
		return strings.Compare(strings.ToLower(s), strings.ToLower(psString(b)))
	}
	x, ok1 := psNumber(a)
	y, ok2 := psNumber(b)
	if ok1 && ok2 && a != nil && b != nil {
		switch d := toFloat(x) - toFloat(y); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	}
	if a == nil && b == nil {
		return 0
	}
	if a == nil {
		return -1
	}
	if b == nil {
		return 1
	}
	return strings.Compare(strings.ToLower(psString(a)), strings.ToLower(psString(b)))
}

func wildcard(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?is)^")
	for _, c := range pattern {
		switch c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[', ']':
			b.WriteRune(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString("$")
	re, err := regexp.Compile(b.String())
	if err != nil {
		return regexp.MustCompile("(?is)^" + regexp.QuoteMeta(pattern) + "$")
	}
	return re
}

// toJSON writes as ConvertTo-Json does: objects in order, \u0027-style escapes left out.
func toJSON(v any, depth int, compress bool, indent string) string {
	nl, sep, in := "\r\n", ":  ", indent+"    "
	if compress {
		nl, sep, in = "", ":", ""
	}
	pad := func(s string) string {
		if compress {
			return ""
		}
		return s
	}
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		b, _ := json.Marshal(x)
		return string(b)
	case bool:
		return strings.ToLower(psString(x))
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return "null"
		}
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []any:
		if depth < 0 {
			b, _ := json.Marshal(psString(x))
			return string(b)
		}
		if len(x) == 0 {
			return "[]"
		}
		var parts []string
		for _, e := range x {
			parts = append(parts, pad(in)+toJSON(e, depth-1, compress, in))
		}
		return "[" + nl + strings.Join(parts, ","+nl) + nl + pad(indent) + "]"
	case *psObject:
		if depth < 0 {
			b, _ := json.Marshal(psString(x))
			return string(b)
		}
		var parts []string
		for _, n := range x.names {
			k, _ := json.Marshal(n)
			parts = append(parts, pad(in)+string(k)+sep+toJSON(x.props[strings.ToLower(n)], depth-1, compress, in))
		}
		if len(parts) == 0 {
			return "{" + nl + pad(indent) + "}"
		}
		return "{" + nl + strings.Join(parts, ","+nl) + nl + pad(indent) + "}"
	}
	b, _ := json.Marshal(psString(v))
	return string(b)
}

// render writes values as the console shows them: texts as lines, objects of one kind as a
// table (up to four columns) or a list.
func render(list []any, asList bool) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		o, ok := list[i].(*psObject)
		if !ok || o.hash && len(o.names) == 0 {
			b.WriteString(psString(list[i]) + "\r\n")
			i++
			continue
		}
		j := i
		var rows []*psObject
		for j < len(list) {
			r, ok := list[j].(*psObject)
			if !ok || strings.Join(r.names, ",") != strings.Join(o.names, ",") {
				break
			}
			rows = append(rows, r)
			j++
		}
		names := o.names
		if o.kind == "PnPDevice" {
			names = []string{"Status", "Class", "FriendlyName", "InstanceId"}
		}
		if len(names) > 4 || asList {
			width := 0
			for _, n := range names {
				width = max(width, len(n))
			}
			for _, r := range rows {
				b.WriteString("\r\n")
				for _, n := range names {
					fmt.Fprintf(&b, "%-*s : %s\r\n", width, n, cell(r.props[strings.ToLower(n)]))
				}
			}
			b.WriteString("\r\n")
		} else {
			widths := make([]int, len(names))
			for c, n := range names {
				widths[c] = len(n)
				for _, r := range rows {
					widths[c] = max(widths[c], len(cell(r.props[strings.ToLower(n)])))
				}
			}
			line := func(get func(c int) string) {
				var parts []string
				for c := range names {
					parts = append(parts, fmt.Sprintf("%-*s", widths[c], get(c)))
				}
				b.WriteString(strings.TrimRight(strings.Join(parts, " "), " ") + "\r\n")
			}
			b.WriteString("\r\n")
			line(func(c int) string { return names[c] })
			line(func(c int) string { return strings.Repeat("-", len(names[c])) })
			for _, r := range rows {
				line(func(c int) string { return cell(r.props[strings.ToLower(names[c])]) })
			}
			b.WriteString("\r\n")
		}
		i = j
	}
	return b.String()
}

func cell(v any) string {
	if l, ok := v.([]any); ok {
		var parts []string
		for _, e := range l {
			parts = append(parts, psString(e))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return psString(v)
}
