package guest

// ps_command.go runs a command: a function, a cmdlet, or a program of the system, and holds
// the cmdlets that work on objects and text. Those about the machine are in ps_machine.go.

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"sort"
	"strings"
	"time"
)

type cmdlet struct {
	run      func(r *psRun, a *psArgs) []any
	switches string // parameters without a value, separated by blanks
}

var cmdlets map[string]cmdlet

var psAliases = map[string]string{"?": "where-object", "where": "where-object", "%": "foreach-object", "foreach": "foreach-object",
	"select": "select-object", "sort": "sort-object", "ft": "format-table", "fl": "format-list", "echo": "write-output", "write": "write-output",
	"cat": "get-content", "type": "get-content", "gc": "get-content", "gci": "get-childitem", "ls": "get-childitem", "dir": "get-childitem",
	"rm": "remove-item", "del": "remove-item", "rd": "remove-item", "cp": "copy-item", "copy": "copy-item", "mv": "move-item",
	"move": "move-item", "ni": "new-item", "mkdir": "new-item", "md": "new-item", "gwmi": "get-wmiobject", "gcim": "get-ciminstance", "sleep": "start-sleep",
	"saps": "start-process", "start": "start-process", "measure": "measure-object", "gp": "get-itemproperty", "gsv": "get-service",
	"cd": "set-location", "sl": "set-location", "pwd": "get-location", "group": "group-object", "gps": "get-process", "ps": "get-process",
	"iex": "invoke-expression", "gi": "get-item", "sc": "set-content", "oh": "out-host", "sls": "select-string"}

const commonSwitches = " verbose debug "

func (r *psRun) command(n *psNode, in []any, piped bool) []any {
	first := r.eval(n.kids[0])
	if s, ok := first.(*psScript); ok {
		return r.invoke(s.body, r.plain(n.kids[1:]), in)
	}
	name := psString(first)
	low := strings.ToLower(name)
	if full, ok := psAliases[low]; ok {
		low = full
	}
	if f, ok := r.funcs[low]; ok {
		return r.call(f, n.kids[1:], in)
	}
	c, ok := cmdlets[low]
	if !ok {
		return r.native(name, n.kids[1:], in, piped)
	}
	a := &psArgs{named: map[string]any{}, in: in, piped: piped, name: low}
	for i := 1; i < len(n.kids); i++ {
		k := n.kids[i]
		if k.kind != "param-name" {
			a.order = append(a.order, r.eval(k))
			continue
		}
		key := strings.ToLower(k.text)
		switch {
		case len(k.kids) > 0:
			a.named[key] = r.eval(k.kids[0])
		case isSwitch(c.switches+commonSwitches, key) || i+1 >= len(n.kids) || n.kids[i+1].kind == "param-name":
			a.named[key] = true
		default:
			i++
			a.named[key] = r.eval(n.kids[i])
		}
	}
	r.ok = true
	return c.run(r, a)
}

func isSwitch(list, key string) bool {
	for _, s := range strings.Fields(list) {
		if s == key || len(key) >= 2 && strings.HasPrefix(s, key) {
			return true
		}
	}
	return false
}

func (r *psRun) plain(nodes []*psNode) (out []any) {
	for _, k := range nodes {
		if k.kind == "param-name" {
			out = append(out, "-"+k.text)
			for _, v := range k.kids {
				out = append(out, r.eval(v))
			}
		} else {
			out = append(out, r.eval(k))
		}
	}
	return
}

// call runs a function; its parameters are bound by name, then in order.
func (r *psRun) call(f *psNode, nodes []*psNode, in []any) []any {
	names, _ := f.num.([]string)
	body := f.kids[0]
	if len(names) == 0 && len(body.kids) > 0 && body.kids[0].kind == "param" {
		names = body.kids[0].num.([]string)
	}
	scope := map[string]any{}
	var order []any
	for i := 0; i < len(nodes); i++ {
		if k := nodes[i]; k.kind == "param-name" {
			key := strings.ToLower(k.text)
			if i+1 < len(nodes) && nodes[i+1].kind != "param-name" {
				i++
				scope[key] = r.eval(nodes[i])
			} else {
				scope[key] = true
			}
		} else {
			order = append(order, r.eval(k))
		}
	}
	for _, n := range names {
		if _, ok := scope[n]; !ok && len(order) > 0 {
			scope[n] = order[0]
			order = order[1:]
		}
	}
	scope["args"], scope["input"] = order, in
	return r.scoped(scope, body)
}

func (r *psRun) scoped(scope map[string]any, body *psNode) (out []any) {
	depth := len(r.vars)
	r.vars = append(r.vars, scope)
	defer func() {
		r.vars = r.vars[:depth]
		switch p := recover().(type) {
		case nil:
		case psReturn:
			out = p.value
		default:
			panic(p)
		}
	}()
	return r.exec(body)
}

// invoke runs a script block.
func (r *psRun) invoke(body *psNode, args, in []any) []any {
	scope := map[string]any{"args": args, "input": in}
	if len(body.kids) > 0 && body.kids[0].kind == "param" {
		for i, n := range body.kids[0].num.([]string) {
			if i < len(args) {
				scope[n] = args[i]
			}
		}
	}
	return r.scoped(scope, body)
}

// with runs a block with $_ set, in the caller's scope.
func (r *psRun) with(v any, body *psNode) []any {
	old := r.lookup("_")
	r.store("_", v)
	defer r.store("_", old)
	return r.exec(body)
}

// native runs a program: each argument is quoted as PowerShell 5 does.
func (r *psRun) native(name string, nodes []*psNode, in []any, piped bool) []any {
	if _, ok := r.find(name); !ok {
		r.complain(false, "%s : The term '%s' is not recognized as the name of a cmdlet, function, script file, or operable program. "+
			"Check the spelling of the name, or if a path was included, verify that the path is correct and try again.", name, name)
		return nil
	}
	var parts []string
	for _, k := range nodes {
		if k.kind == "param-name" {
			word := "-" + k.text
			for _, v := range k.kids {
				word += ":" + psString(r.eval(v))
			}
			parts = append(parts, word)
			continue
		}
		for _, v := range items(r.eval(k)) {
			s := psString(v)
			if s == "" || strings.ContainsAny(s, " \t") && !strings.Contains(s, `"`) {
				s = `"` + s + `"`
			}
			parts = append(parts, s)
		}
	}
	if p, _ := r.find(name); strings.HasSuffix(strings.ToLower(p), ".ps1") {
		data, err := os.ReadFile(r.host(p))
		if err != nil {
			return nil
		}
		root, err := parsePS(decodeText(data))
		if err != nil {
			r.complain(false, "%s", err)
			return nil
		}
		return r.invoke(root, r.plain(nodes), in)
	}
	var out bytes.Buffer
	x := *r.winRun
	x.stdout = &out
	if piped {
		x.stdin = strings.NewReader(render(in, false))
	}
	code, _ := x.run(name, strings.Join(parts, " "))
	r.last = code
	r.ok = code == 0
	var list []any
	for _, l := range lines(out.String()) {
		list = append(list, l)
	}
	return list
}

// input is what comes through the pipe, or the -InputObject.
func (a *psArgs) input() []any {
	if a.piped {
		return a.in
	}
	if v, ok := a.param("InputObject"); ok {
		return items(v)
	}
	return nil
}

func init() {
	cmdlets = map[string]cmdlet{
		"where-object": {whereObject, "eq ne gt ge lt le like notlike match notmatch contains notcontains in notin"}, "foreach-object": {forEachObject, ""},
		"select-object": {selectObject, "unique"}, "sort-object": {sortObject, "descending unique"}, "measure-object": {measureObject, "sum average maximum minimum line"},
		"group-object": {groupObject, "noelement"}, "format-table": {formatObjects, "autosize hidetableheaders wrap"}, "format-list": {formatObjects, ""},
		"out-null": {func(*psRun, *psArgs) []any { return nil }, ""}, "out-host": {func(r *psRun, a *psArgs) []any { r.emit(a.in); return nil }, ""},
		"out-string": {func(r *psRun, a *psArgs) []any { return []any{render(a.in, false)} }, "stream"}, "out-file": {outFile, "append force nonewline noclobber"},
		"set-content": {outFile, "force nonewline"}, "add-content": {outFile, "force nonewline"}, "get-content": {getContent, "raw"},
		"write-output": {func(r *psRun, a *psArgs) []any {
			if v, ok := a.param("InputObject"); ok {
				return items(v)
			}
			var out []any
			for _, v := range append(a.order, a.in...) {
				out = append(out, items(v)...)
			}
			return out
		}, "noenumerate"}, "write-host": {writeHost, "nonewline"},
		"write-error": {func(r *psRun, a *psArgs) []any {
			r.complain(a.quiet(), "%s", a.text("Message", 0))
			r.ok = false
			return nil
		}, ""},
		"write-warning": {func(r *psRun, a *psArgs) []any { r.out("WARNING: %s\n", a.text("Message", 0)); return nil }, ""},
		"write-verbose": {func(*psRun, *psArgs) []any { return nil }, ""}, "write-progress": {func(*psRun, *psArgs) []any { return nil }, "completed"},
		"write-debug":      {func(*psRun, *psArgs) []any { return nil }, ""},
		"convertto-json":   {convertToJSON, "compress asarray"},
		"convertfrom-json": {convertFromJSON, ""}, "convertto-csv": {convertToCSV, "notypeinformation"},
		"export-csv": {exportCSV, "notypeinformation append force"}, "select-string": {selectString, "quiet simplematch casesensitive notmatch"},
		"invoke-expression": {func(r *psRun, a *psArgs) []any {
			root, err := parsePS(a.text("Command", 0))
			if err != nil {
				r.throw("%s", err)
			}
			return r.exec(root)
		}, ""},
		"invoke-command": {func(r *psRun, a *psArgs) []any {
			v, _ := a.value("ScriptBlock", 0)
			if s, ok := v.(*psScript); ok {
				args, _ := a.param("ArgumentList")
				return r.invoke(s.body, items(args), nil)
			}
			return nil
		}, ""},
		"new-object": {func(r *psRun, a *psArgs) []any {
			o := newObject(a.text("TypeName", 0))
			if p, ok := a.param("Property"); ok {
				if h, ok := p.(*psObject); ok {
					for _, n := range h.names {
						o.set(n, h.props[strings.ToLower(n)])
					}
				}
			}
			o.kind = ""
			return []any{o}
		}, ""},
		"add-member": {func(r *psRun, a *psArgs) []any {
			for _, v := range a.input() {
				if o, ok := v.(*psObject); ok {
					name := a.text("NotePropertyName", -1)
					value, _ := a.param("NotePropertyValue")
					if name == "" {
						name = a.text("Name", 1)
						value, _ = a.value("Value", 2)
					}
					o.set(name, value)
				}
			}
			if a.flag("PassThru") {
				return a.in
			}
			return nil
		}, "passthru force"},
		"start-sleep": {func(r *psRun, a *psArgs) []any {
			n, _ := psNumber(a.text("Seconds", 0))
			d := time.Duration(toFloat(n) * float64(time.Second))
			if v, ok := a.param("Milliseconds"); ok {
				n, _ := psNumber(v)
				d = time.Duration(toFloat(n)) * time.Millisecond
			}
			r.m.Clock.Sleep(r.ctx, d)
			return nil
		}, ""},
		"get-variable":   {func(r *psRun, a *psArgs) []any { return items(r.lookup(strings.ToLower(a.text("Name", 0)))) }, "valueonly"},
		"set-strictmode": {func(*psRun, *psArgs) []any { return nil }, "off"}, "set-executionpolicy": {func(*psRun, *psArgs) []any { return nil }, "force"},
		"import-module": {func(*psRun, *psArgs) []any { return nil }, "force"},
		"set-location": {func(r *psRun, a *psArgs) []any {
			p := r.abs(a.text("Path", 0))
			if st, err := os.Stat(r.host(p)); err != nil || !st.IsDir() {
				r.complain(a.quiet(), "Set-Location : Cannot find path '%s' because it does not exist.", p)
				return nil
			}
			r.dir = cleanWindows(p)
			return nil
		}, ""},
		"get-location": {func(r *psRun, a *psArgs) []any { return []any{newObject("PathInfo", "Path", r.dir)} }, ""},
		"get-date":     {func(r *psRun, a *psArgs) []any { return []any{"06/25/2024 12:00:00"} }, ""},
	}
	machineCmdlets()
}

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

var _ = io.Discard
