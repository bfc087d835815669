package guest

// ps_command.go runs a command: a function, a cmdlet, or a program of the system. Cmdlets for
// objects and text are in ps_cmdlets.go, those about the system in ps_machine.go and ps_files.go.

import (
	"bytes"
	"os"
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

// parameters that change nothing in an unattended script
const ignorable = "verbose debug force confirm erroraction ea warningaction wa informationaction errorvariable nonewwindow windowstyle encoding progressaction" +
	" usebasicparsing noprofile wrap autosize outbuffer"

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
	out := c.run(r, a)
	for key := range a.named {
		if !a.asked[key] && !isSwitch(ignorable, key) {
			r.m.unsupported("%s -%s has no effect", low, key)
		}
	}
	return out
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
		r.m.unsupported("%s: not recognized by PowerShell", name)
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
		values := items(r.eval(k))
		if k.kind == "list" { // --format=csv,noheader reaches the program as it was written
			var words []string
			for _, v := range values {
				words = append(words, psString(v))
			}
			values = []any{strings.Join(words, ",")}
		}
		for _, v := range values {
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
			if name := a.text("ComObject", -1); name != "" {
				if r.constrained() { // rule windows.constrained
					r.throw("New-Object : Cannot create type. Only core types are supported in this language mode.")
				}
				if !strings.EqualFold(name, "WindowsInstaller.Installer") {
					r.throw("New-Object : Retrieving the COM class factory for component with CLSID {00000000-0000-0000-0000-000000000000} failed due to the following error: 80040154 Class not registered")
				}
				return []any{msiInstaller()}
			}
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
