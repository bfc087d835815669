package guest

// ps_eval.go evaluates what ps_parse.go read. Each pipeline element is run to its end before
// the next one starts: the guest's queries are small.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

type psRun struct {
	*winRun
	vars  []map[string]any // innermost last
	funcs map[string]*psNode
	last  int
	ok    bool
}

type (
	psExit   struct{ code int }
	psReturn struct{ value []any }
	psLoop   struct{ again bool }
	psThrow  struct{ text string }
)

// runPowerShell is powershell.exe: -Command TEXT, -File FILE ARGS, -EncodedCommand BASE64.
func runPowerShell(w *winRun, args string) int {
	words := fields(args)
	for i := 0; i < len(words); i++ {
		low := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(words[i], "-"), "/"))
		is := func(full string, least int) bool { return len(low) >= least && strings.HasPrefix(full, low) }
		switch {
		case !strings.HasPrefix(words[i], "-") && !strings.HasPrefix(words[i], "/"):
			return w.powershell(strings.Join(words[i:], " "), nil)
		case is("command", 1):
			text := strings.Join(words[i+1:], " ")
			if text == "-" {
				b, _ := io.ReadAll(w.stdin)
				text = string(b)
			}
			return w.powershell(text, nil)
		case is("file", 1):
			if i+1 >= len(words) {
				return w.fail(-196608, "The argument to -File is missing.\n")
			}
			data, err := os.ReadFile(w.host(words[i+1]))
			if err != nil {
				return w.fail(-196608, "The argument '%s' to the -File parameter does not exist. Provide the path to an existing '.ps1' file as an argument to the -File parameter.\n", words[i+1])
			}
			var rest []any
			for _, a := range words[i+2:] {
				rest = append(rest, a)
			}
			return w.powershell(decodeText(data), rest)
		case is("encodedcommand", 1) || low == "ec":
			if i+1 >= len(words) {
				return 1
			}
			text, err := decodeCommand(words[i+1])
			if err != nil {
				return w.fail(1, "Cannot process the command because the value specified with -EncodedCommand is not properly encoded.\n")
			}
			return w.powershell(text, nil)
		case is("executionpolicy", 2), low == "ep", is("windowstyle", 1), is("inputformat", 2), is("outputformat", 1), is("version", 1):
			i++
		case is("noprofile", 3), is("noninteractive", 4), is("nologo", 3), is("sta", 3), is("mta", 3), is("noexit", 3):
		default:
			return w.fail(1, "%s : The term '%s' is not recognized as the name of a cmdlet, function, script file, or operable program.\n", words[i], words[i])
		}
	}
	if w.stdin == nil {
		return 0
	}
	b, _ := io.ReadAll(w.stdin)
	return w.powershell(string(b), nil)
}

func (w *winRun) powershell(text string, args []any) (code int) {
	root, err := parsePS(text)
	if err != nil {
		return w.fail(1, "%s\n    + CategoryInfo          : ParserError: (:) [], ParentContainsErrorRecordException\n", err)
	}
	r := &psRun{winRun: w, vars: []map[string]any{{"args": args, "true": true, "false": false, "null": nil,
		"erroractionpreference": "Continue", "pwd": w.dir, "home": `C:\Users\` + w.user, "psversiontable": newObject("", "PSVersion", "5.1.20348.558")}},
		funcs: map[string]*psNode{}, ok: true}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case psExit:
			code = p.code
		case psThrow:
			code = w.fail(1, "%s\n", p.text)
		case psReturn:
			r.emit(p.value)
			code = r.status()
		case psLoop:
		default:
			panic(p)
		}
	}()
	if len(root.kids) > 0 && root.kids[0].kind == "param" {
		r.bind(root.kids[0].num.([]string), args)
	}
	for _, k := range root.kids {
		r.emit(r.exec(k))
	}
	return r.status()
}

func (r *psRun) status() int {
	if r.ok {
		return 0
	}
	return 1
}

func (r *psRun) emit(list []any) { io.WriteString(r.stdout, render(list, false)) }

func (r *psRun) lookup(name string) any {
	if n, ok := strings.CutPrefix(name, "env:"); ok {
		v, found := r.getenv(n)
		if !found {
			return nil
		}
		return v
	}
	for _, scope := range []string{"script:", "global:", "local:"} {
		name = strings.TrimPrefix(name, scope)
	}
	switch name {
	case "lastexitcode":
		return int64(r.last)
	case "?":
		return r.ok
	}
	for i := len(r.vars) - 1; i >= 0; i-- {
		if v, ok := r.vars[i][name]; ok {
			return v
		}
	}
	return nil
}

func (r *psRun) store(name string, v any) {
	if n, ok := strings.CutPrefix(name, "env:"); ok {
		r.setenv(n, psString(v))
		return
	}
	if n, ok := strings.CutPrefix(name, "global:"); ok {
		r.vars[0][n] = v
		return
	}
	if n, ok := strings.CutPrefix(name, "script:"); ok {
		r.vars[0][n] = v
		return
	}
	r.vars[len(r.vars)-1][name] = v
}

func (r *psRun) throw(format string, args ...any) { panic(psThrow{fmt.Sprintf(format, args...)}) }

// complain is a non-terminating error, unless the preference says Stop.
func (r *psRun) complain(quiet bool, format string, args ...any) {
	r.ok = false
	text := fmt.Sprintf(format, args...)
	if strings.EqualFold(psString(r.lookup("erroractionpreference")), "stop") {
		panic(psThrow{text})
	}
	if !quiet {
		r.fail(0, "%s\n", text)
	}
}

// exec runs a statement or a pipeline and returns its output.
func (r *psRun) exec(n *psNode) []any {
	if r.ctx.Err() != nil {
		panic(psExit{1})
	}
	switch n.kind {
	case "block":
		var out []any
		for _, k := range n.kids {
			func() {
				defer func() { // what came before a return is put out as well
					switch p := recover().(type) {
					case nil:
					case psReturn:
						panic(psReturn{append(out, p.value...)})
					default:
						panic(p)
					}
				}()
				out = append(out, r.execKeep(k)...)
			}()
		}
		return out
	}
	return r.execKeep(n)
}

func (r *psRun) execKeep(n *psNode) []any {
	switch n.kind {
	case "block":
		return r.exec(n)
	case "if":
		for i := 0; i+1 < len(n.kids); i += 2 {
			if psBool(r.condition(n.kids[i])) {
				return r.exec(n.kids[i+1])
			}
		}
		if len(n.kids)%2 == 1 {
			return r.exec(n.kids[len(n.kids)-1])
		}
		return nil
	case "foreach":
		var out []any
		for _, v := range r.exec(n.kids[0]) {
			r.store(n.text, v)
			o, stop := r.turn(n.kids[1])
			out = append(out, o...)
			if stop {
				break
			}
		}
		return out
	case "while", "do-while", "do-until", "for":
		return r.loop(n)
	case "try":
		return r.try(n)
	case "function":
		r.funcs[n.text] = n
		return nil
	case "param":
		return nil
	case "exit":
		code := r.last * 0
		if len(n.kids) > 0 {
			if v, ok := psNumber(one(r.exec(n.kids[0]))); ok {
				code = int(toFloat(v))
			}
		}
		panic(psExit{code})
	case "return":
		var v []any
		if len(n.kids) > 0 {
			v = r.exec(n.kids[0])
		}
		panic(psReturn{v})
	case "throw":
		text := "ScriptHalted"
		if len(n.kids) > 0 {
			text = psString(one(r.exec(n.kids[0])))
		}
		panic(psThrow{text})
	case "break":
		panic(psLoop{false})
	case "continue":
		panic(psLoop{true})
	case "assign":
		r.assign(n)
		return nil
	case "pipeline":
		in := r.run(n.kids[0], nil, false)
		for _, k := range n.kids[1:] {
			in = r.run(k, in, true)
		}
		return in
	}
	return r.run(n, nil, false)
}

// condition is the value of a loop's condition; an assignment there has the assigned value.
func (r *psRun) condition(n *psNode) any {
	at := n
	for at.kind == "block" && len(at.kids) == 1 {
		at = at.kids[0]
	}
	if at.kind == "assign" {
		r.assign(at)
		return r.eval(at.kids[0])
	}
	return one(r.exec(n))
}

// turn runs a loop's body once; stop is true after break.
func (r *psRun) turn(b *psNode) (out []any, stop bool) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case psLoop:
			stop = !p.again
		default:
			panic(p)
		}
	}()
	return r.exec(b), false
}

func (r *psRun) loop(n *psNode) (out []any) {
	if n.kind == "for" && n.kids[0] != nil {
		r.exec(n.kids[0])
	}
	for turns := 0; turns < 100000 && r.ctx.Err() == nil; turns++ {
		cond, body := n.kids[0], n.kids[1]
		if n.kind == "for" {
			cond, body = n.kids[1], n.kids[3]
		}
		if (n.kind == "while" || n.kind == "for") && cond != nil && !psBool(r.condition(cond)) {
			break
		}
		o, stop := r.turn(body)
		out = append(out, o...)
		if stop {
			break
		}
		if n.kind == "for" && n.kids[2] != nil {
			r.exec(n.kids[2])
		}
		if strings.HasPrefix(n.kind, "do-") && psBool(one(r.exec(cond))) != (n.kind == "do-while") {
			break
		}
	}
	return
}

func (r *psRun) try(n *psNode) (out []any) {
	defer func() {
		if n.kids[2] != nil {
			out = append(out, r.exec(n.kids[2])...)
		}
	}()
	caught, text := false, ""
	func() {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case psThrow:
				caught, text = true, p.text
			default:
				panic(p)
			}
		}()
		out = r.exec(n.kids[0])
	}()
	if caught {
		if n.kids[1] == nil {
			r.throw("%s", text)
		}
		ex := newObject("System.Exception", "Message", text)
		r.store("_", newObject("ErrorRecord", "Exception", ex, "Message", text))
		out = append(out, r.exec(n.kids[1])...)
	}
	return
}

func (r *psRun) assign(n *psNode) {
	v := one(r.exec(n.kids[1]))
	left := n.kids[0]
	if n.text != "=" {
		v = r.binary(n.text[:1], r.eval(left), v)
	}
	for left.kind == "cast" {
		v = r.cast(left.text, v)
		left = left.kids[0]
	}
	switch left.kind {
	case "var":
		r.store(left.text, v)
	case "member":
		if o, ok := r.eval(left.kids[0]).(*psObject); ok {
			o.set(psString(r.eval(left.kids[1])), v)
		}
	case "index":
		switch o := r.eval(left.kids[0]).(type) {
		case *psObject:
			o.set(psString(r.eval(left.kids[1])), v)
		case []any:
			if i, ok := psNumber(r.eval(left.kids[1])); ok && int(toFloat(i)) < len(o) {
				o[int(toFloat(i))] = v
			}
		}
	default:
		r.throw("The assignment expression is not valid.")
	}
}

// run is one element of a pipeline with its input.
func (r *psRun) run(n *psNode, in []any, piped bool) []any {
	switch n.kind {
	case "command":
		return r.command(n, in, piped)
	case "redirect":
		return r.redirected(n, in, piped)
	}
	r.ok = true
	v := r.eval(n)
	if n.kind == "list" || n.kind == "array" || n.kind == "var" || n.kind == "group" || n.kind == "member" || n.kind == "method" ||
		n.kind == "binary" || n.kind == "sub" || n.kind == "index" || n.kind == "static" || n.kind == "static-method" || n.kind == "cast" || n.kind == "split" {
		return items(v)
	}
	return []any{v}
}

func (r *psRun) redirected(n *psNode, in []any, piped bool) []any {
	out, errw := r.stdout, r.stderr
	defer func() { r.stdout, r.stderr = out, errw }()
	switch n.text {
	case "2>&1", "*>&1", "3>&1":
		var both bytes.Buffer
		r.stderr = &both
		list := r.run(n.kids[0], in, piped)
		for _, l := range lines(both.String()) {
			list = append(list, l)
		}
		return list
	case "1>&2":
		io.WriteString(errw, render(r.run(n.kids[0], in, piped), false))
		return nil
	}
	name := psString(r.eval(n.kids[1]))
	null := n.kids[1].kind == "var" && n.kids[1].text == "null" || isNul(name)
	var text bytes.Buffer
	if strings.HasPrefix(n.text, "2") || strings.HasPrefix(n.text, "*") {
		r.stderr = &text
	}
	list := r.run(n.kids[0], in, piped)
	if !strings.HasPrefix(n.text, "2") {
		text.WriteString(render(list, false))
		list = nil
	}
	if !null {
		h := r.writable(name)
		if h == "" {
			r.throw("Could not find a part of the path '%s'.", name)
		}
		data := utf16le(text.String(), true)
		if strings.HasSuffix(n.text, ">>") {
			old, _ := os.ReadFile(h)
			data = append(old, utf16le(text.String(), len(old) == 0)...)
		}
		if err := os.WriteFile(h, data, 0o644); err != nil {
			r.throw("Could not find a part of the path '%s'.", name)
		}
	}
	return list
}

func lines(s string) []string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// eval returns an expression's value.
func (r *psRun) eval(n *psNode) any {
	switch n.kind {
	case "string":
		return n.text
	case "number":
		return n.num
	case "var":
		return r.lookup(n.text)
	case "concat":
		var b strings.Builder
		for _, k := range n.kids {
			b.WriteString(psString(r.eval(k)))
		}
		return b.String()
	case "group":
		return one(r.exec(n.kids[0]))
	case "sub":
		return one(r.exec(n.kids[0]))
	case "array":
		list := r.exec(n.kids[0])
		if list == nil {
			list = []any{}
		}
		return list
	case "list":
		out := []any{}
		for _, k := range n.kids {
			out = append(out, r.eval(k))
		}
		return out
	case "hash":
		o := newObject("")
		o.hash = true
		for i := 0; i+1 < len(n.kids); i += 2 {
			o.set(psString(r.eval(n.kids[i])), one(r.exec(n.kids[i+1])))
		}
		return o
	case "script":
		return &psScript{n.kids[0]}
	case "not":
		return !psBool(r.eval(n.kids[0]))
	case "negate":
		v, ok := psNumber(r.eval(n.kids[0]))
		if !ok {
			r.throw("Cannot negate a text.")
		}
		if n.text == "+" {
			return v
		}
		if i, ok := v.(int64); ok {
			return -i
		}
		return -v.(float64)
	case "join":
		var parts []string
		for _, v := range items(r.eval(n.kids[0])) {
			parts = append(parts, psString(v))
		}
		return strings.Join(parts, "")
	case "split":
		var out []any
		for _, f := range strings.Fields(psString(r.eval(n.kids[0]))) {
			out = append(out, f)
		}
		return out
	case "binary":
		if n.text == "-and" {
			return psBool(r.eval(n.kids[0])) && psBool(r.eval(n.kids[1]))
		}
		if n.text == "-or" {
			return psBool(r.eval(n.kids[0])) || psBool(r.eval(n.kids[1]))
		}
		if n.kids[1].kind == "type" && (n.text == "-is" || n.text == "-isnot") {
			return psBool(r.isType(r.eval(n.kids[0]), n.kids[1].text)) == (n.text == "-is")
		}
		return r.binary(n.text, r.eval(n.kids[0]), r.eval(n.kids[1]))
	case "cast":
		if n.text == "ordered" {
			return r.eval(n.kids[0])
		}
		return r.cast(n.text, r.eval(n.kids[0]))
	case "member":
		return r.member(r.eval(n.kids[0]), psString(r.eval(n.kids[1])))
	case "index":
		return r.index(r.eval(n.kids[0]), r.eval(n.kids[1]))
	case "method":
		var args []any
		for _, a := range n.kids[2:] {
			args = append(args, r.eval(a))
		}
		return r.method(r.eval(n.kids[0]), psString(r.eval(n.kids[1])), args)
	case "static", "static-method":
		var args []any
		for _, a := range n.kids[2:] {
			args = append(args, r.eval(a))
		}
		return r.static(n.kids[0].text, psString(r.eval(n.kids[1])), args)
	case "type":
		return n.text
	}
	return one(r.exec(n))
}
