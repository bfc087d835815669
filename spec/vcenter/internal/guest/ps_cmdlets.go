package guest

// ps_cmdlets.go: the cmdlets that work on objects and text.

import (
	"encoding/json"
	"math"
	"os"
	"sort"
	"strings"
)

func whereObject(r *psRun, a *psArgs) (out []any) {
	var block *psScript
	for _, v := range a.order {
		if s, ok := v.(*psScript); ok {
			block = s
		}
	}
	if v, ok := a.param("FilterScript"); ok {
		block, _ = v.(*psScript)
	}
	if block != nil {
		for _, v := range a.in {
			if psBool(one(r.with(v, block.body))) {
				out = append(out, v)
			}
		}
		return
	}
	prop := a.text("Property", 0)
	op := ""
	for _, o := range []string{"eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch", "contains", "notcontains", "in", "notin"} {
		if _, ok := a.named[o]; ok {
			op = o
		}
	}
	var with any
	if len(a.order) > 1 {
		with = a.order[1]
	}
	if v, ok := a.named["value"]; ok {
		with = v
	}
	for _, v := range a.in {
		m := r.member(v, prop)
		if op == "" && psBool(m) || op != "" && psBool(r.binary("-"+op, m, with)) {
			out = append(out, v)
		}
	}
	return
}

func forEachObject(r *psRun, a *psArgs) (out []any) {
	var blocks []*psScript
	for _, v := range a.order {
		if s, ok := v.(*psScript); ok {
			blocks = append(blocks, s)
		}
	}
	if v, ok := a.param("Process"); ok {
		if s, ok := v.(*psScript); ok {
			blocks = append(blocks, s)
		}
	}
	if len(blocks) == 0 {
		name := a.text("MemberName", 0)
		for _, v := range a.in {
			out = append(out, items(r.member(v, name))...)
		}
		return
	}
	body := blocks[0]
	if len(blocks) > 1 {
		out = append(out, r.exec(blocks[0].body)...)
		body = blocks[1]
	}
	for _, v := range a.in {
		out = append(out, r.with(v, body.body)...)
	}
	if len(blocks) > 2 {
		out = append(out, r.exec(blocks[2].body)...)
	}
	return
}

func selectObject(r *psRun, a *psArgs) (out []any) {
	in := a.input()
	count := func(name string) (int, bool) {
		v, ok := a.param(name)
		if !ok {
			return 0, false
		}
		n, _ := psNumber(v)
		return int(toFloat(n)), true
	}
	if n, ok := count("Skip"); ok {
		in = in[min(n, len(in)):]
	}
	if n, ok := count("First"); ok {
		in = in[:min(n, len(in))]
	}
	if n, ok := count("Last"); ok {
		in = in[max(0, len(in)-n):]
	}
	if p, ok := a.param("ExpandProperty"); ok {
		for _, v := range in {
			out = append(out, items(r.member(v, psString(p)))...)
		}
		return
	}
	props, some := a.value("Property", 0)
	if !some {
		out = in
	} else {
		for _, v := range in {
			o := newObject("Selected")
			for _, p := range items(props) {
				if h, ok := p.(*psObject); ok { // @{n='Name';e={...}}
					name, expr := "", any(nil)
					for _, n := range h.names {
						switch l := strings.ToLower(n); {
						case strings.HasPrefix("name", l) || strings.HasPrefix("label", l):
							name = psString(h.props[l])
						case strings.HasPrefix("expression", l):
							expr = h.props[l]
						}
					}
					if s, ok := expr.(*psScript); ok {
						o.set(name, one(r.with(v, s.body)))
					} else {
						o.set(name, r.member(v, psString(expr)))
					}
					continue
				}
				name := psString(p)
				if src, ok := v.(*psObject); ok && strings.ContainsAny(name, "*?") {
					re := wildcard(name)
					for _, n := range src.names {
						if re.MatchString(n) {
							o.set(n, src.props[strings.ToLower(n)])
						}
					}
					continue
				}
				o.set(name, r.member(v, name))
			}
			out = append(out, o)
		}
	}
	if a.flag("Unique") {
		seen := map[string]bool{}
		var u []any
		for _, v := range out {
			if k := toJSON(v, 4, true, ""); !seen[k] {
				seen[k] = true
				u = append(u, v)
			}
		}
		out = u
	}
	return
}

func sortObject(r *psRun, a *psArgs) []any {
	out := append([]any(nil), a.input()...)
	prop, some := a.value("Property", 0)
	key := func(v any) any {
		if !some {
			return v
		}
		if s, ok := prop.(*psScript); ok {
			return one(r.with(v, s.body))
		}
		return r.member(v, psString(items(prop)[0]))
	}
	sort.SliceStable(out, func(i, j int) bool {
		c := psCompare(key(out[i]), key(out[j]))
		if a.flag("Descending") {
			return c > 0
		}
		return c < 0
	})
	return out
}

func measureObject(r *psRun, a *psArgs) []any {
	prop := a.text("Property", 0)
	sum, least, most := 0.0, math.Inf(1), math.Inf(-1)
	for _, v := range a.in {
		if prop != "" {
			v = r.member(v, prop)
		}
		if n, ok := psNumber(v); ok {
			f := toFloat(n)
			sum, least, most = sum+f, math.Min(least, f), math.Max(most, f)
		}
	}
	o := newObject("MeasureInfo", "Count", int64(len(a.in)))
	if a.flag("Sum") {
		o.set("Sum", sum)
	}
	if len(a.in) > 0 {
		if a.flag("Maximum") {
			o.set("Maximum", most)
		}
		if a.flag("Minimum") {
			o.set("Minimum", least)
		}
		if a.flag("Average") {
			o.set("Average", sum/float64(len(a.in)))
		}
	}
	return []any{o}
}

func groupObject(r *psRun, a *psArgs) (out []any) {
	prop := a.text("Property", 0)
	at := map[string]*psObject{}
	for _, v := range a.in {
		k := psString(r.member(v, prop))
		o := at[k]
		if o == nil {
			o = newObject("GroupInfo", "Count", int64(0), "Name", k, "Group", []any{})
			at[k] = o
			out = append(out, o)
		}
		o.set("Count", o.props["count"].(int64)+1)
		o.set("Group", append(o.props["group"].([]any), v))
	}
	return
}

func formatObjects(r *psRun, a *psArgs) []any {
	list := a.in
	if p, ok := a.value("Property", 0); ok {
		list = selectObject(r, &psArgs{named: map[string]any{"property": p}, in: a.in, piped: true})
	}
	text := render(list, a.name == "format-list")
	if a.flag("HideTableHeaders") {
		l := lines(strings.TrimLeft(text, "\r\n"))
		text = strings.Join(l[min(2, len(l)):], "\r\n")
	}
	return []any{strings.TrimRight(text, "\r\n")}
}

func writeHost(r *psRun, a *psArgs) []any {
	var parts []string
	for _, v := range a.order {
		parts = append(parts, psString(v))
	}
	if v, ok := a.param("Object"); ok {
		parts = append(parts, psString(v))
	}
	for _, v := range a.in {
		parts = append(parts, psString(v))
	}
	end := "\n"
	if a.flag("NoNewline") {
		end = ""
	}
	r.out("%s%s", strings.Join(parts, " "), end)
	return nil
}

func outFile(r *psRun, a *psArgs) []any {
	path := a.text("FilePath", 0)
	list := a.in
	encoding := "unicode"
	if a.name != "out-file" {
		path = a.text("Path", 0)
		if path == "" {
			path = a.text("LiteralPath", 0)
		}
		encoding = "default"
		if v, ok := a.value("Value", 1); ok {
			list = items(v)
		}
	} else if v, ok := a.param("InputObject"); ok {
		list = items(v)
	}
	if v, ok := a.param("Encoding"); ok {
		encoding = strings.ToLower(psString(v))
	}
	h := r.writable(path)
	if h == "" {
		r.complain(a.quiet(), "Could not find a part of the path '%s'.", path)
		return nil
	}
	text := render(list, false)
	if a.flag("NoNewline") {
		text = strings.TrimSuffix(text, "\r\n")
	}
	old, _ := os.ReadFile(h)
	add := a.flag("Append") || a.name == "add-content"
	var data []byte
	switch encoding {
	case "unicode":
		data = utf16le(text, !add || len(old) == 0)
	case "utf8":
		data = []byte(text)
		if !add || len(old) == 0 {
			data = append([]byte("\xef\xbb\xbf"), data...)
		}
	default:
		data = []byte(text)
	}
	if add {
		data = append(old, data...)
	}
	if err := os.WriteFile(h, data, 0o644); err != nil {
		r.complain(a.quiet(), "Could not find a part of the path '%s'.", path)
	}
	return nil
}

func getContent(r *psRun, a *psArgs) (out []any) {
	path := a.text("Path", 0)
	if path == "" {
		path = a.text("LiteralPath", 0)
	}
	h := r.host(path)
	b, err := os.ReadFile(h)
	if h == "" || err != nil {
		r.complain(a.quiet(), "Get-Content : Cannot find path '%s' because it does not exist.", r.abs(path))
		return nil
	}
	text := decodeText(b)
	if a.flag("Raw") {
		return []any{text}
	}
	for _, l := range lines(text) {
		out = append(out, l)
	}
	return
}

func convertToJSON(r *psRun, a *psArgs) []any {
	depth := 2
	if v, ok := a.param("Depth"); ok {
		n, _ := psNumber(v)
		depth = int(toFloat(n))
	}
	var v any
	if a.piped {
		if len(a.in) == 0 {
			return nil
		}
		v = one(a.in)
	} else {
		v, _ = a.value("InputObject", 0)
	}
	return []any{toJSON(v, depth, a.flag("Compress"), "")}
}

func convertFromJSON(r *psRun, a *psArgs) []any {
	text := a.text("InputObject", 0)
	if a.piped {
		text = ""
		for _, v := range a.in {
			text += psString(v) + "\n"
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := fromJSON(d)
	if err != nil {
		r.throw("ConvertFrom-Json : Invalid JSON primitive: %v.", err)
	}
	return items(v)
}

func fromJSON(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '[' {
			out := []any{}
			for d.More() {
				v, err := fromJSON(d)
				if err != nil {
					return nil, err
				}
				out = append(out, v)
			}
			_, err := d.Token()
			return out, err
		}
		o := newObject("")
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := fromJSON(d)
			if err != nil {
				return nil, err
			}
			o.set(psString(k), v)
		}
		_, err := d.Token()
		return o, err
	case json.Number:
		n, _ := number(t.String())
		return n, nil
	}
	return tok, nil
}

func csvOf(r *psRun, list []any, header bool) (out []any) {
	var names []string
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	for _, v := range list {
		o, ok := v.(*psObject)
		if !ok {
			continue
		}
		if names == nil {
			names = o.names
			if header {
				var h []string
				for _, n := range names {
					h = append(h, quote(n))
				}
				out = append(out, strings.Join(h, ","))
			}
		}
		var row []string
		for _, n := range names {
			x, _ := o.get(n)
			if _, isList := x.([]any); isList {
				x = "System.String[]"
			}
			if x == nil {
				row = append(row, "")
			} else {
				row = append(row, quote(psString(x)))
			}
		}
		out = append(out, strings.Join(row, ","))
	}
	return
}

func convertToCSV(r *psRun, a *psArgs) []any {
	out := csvOf(r, a.input(), true)
	if !a.flag("NoTypeInformation") && len(out) > 0 {
		out = append([]any{"#TYPE Selected.System.Management.Automation.PSCustomObject"}, out...)
	}
	return out
}

func exportCSV(r *psRun, a *psArgs) []any {
	h := r.writable(a.text("Path", 0))
	if h == "" {
		r.throw("Could not find a part of the path '%s'.", a.text("Path", 0))
	}
	if err := os.WriteFile(h, []byte(render(convertToCSV(r, a), false)), 0o644); err != nil {
		r.throw("Could not find a part of the path '%s'.", a.text("Path", 0))
	}
	return nil
}

func selectString(r *psRun, a *psArgs) (out []any) {
	list := a.in
	if p := a.text("Path", 1); p != "" {
		list = getContent(r, &psArgs{named: map[string]any{"path": p}})
	}
	op := "-match"
	for _, v := range list {
		hit := psBool(r.binary(op, psString(v), a.text("Pattern", 0)))
		if a.flag("SimpleMatch") {
			hit = strings.Contains(strings.ToLower(psString(v)), strings.ToLower(a.text("Pattern", 0)))
		}
		if hit != a.flag("NotMatch") {
			out = append(out, psString(v))
		}
	}
	if a.flag("Quiet") {
		return []any{len(out) > 0}
	}
	return
}
