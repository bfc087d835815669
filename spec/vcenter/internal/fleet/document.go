package fleet

// document.go reads a fleet file into a tree with line numbers and compares it with the
// fields declared in fleet.go. The author of a long file needs the line and the path of each
// mistake, and all of them at once, not only the first.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// node is a value of the file.
type node struct {
	line   int
	kind   string // object, list, string, number, true or false, null
	text   string // of a string or number
	keys   []string
	fields map[string]*node
	items  []*node
}

// problems are the mistakes found so far.
type problems struct {
	list []problem
}

type problem struct {
	line int
	text string
}

func (p *problems) add(line int, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	p.list = append(p.list, problem{line, text})
}

// err returns all problems as one error, in the order of the lines.
func (p *problems) err(name string) error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].line < p.list[j].line })
	lines := make([]string, 0, len(p.list))
	for _, x := range p.list {
		if name == "" {
			lines = append(lines, fmt.Sprintf("line %d: %s", x.line, x.text))
		} else {
			lines = append(lines, fmt.Sprintf("%s:%d: %s", name, x.line, x.text))
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// reader builds the tree from the decoder's tokens.
type reader struct {
	data []byte
	dec  *json.Decoder
	p    *problems
}

func (r *reader) line(offset int64) int { return 1 + bytes.Count(r.data[:offset], []byte("\n")) }

func (r *reader) value(path string) (*node, error) {
	tok, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{line: r.line(r.dec.InputOffset())}
	switch x := tok.(type) {
	case json.Delim:
		if x == '[' {
			n.kind = "list"
			for r.dec.More() {
				item, err := r.value(fmt.Sprintf("%s[%d]", path, len(n.items)))
				if err != nil {
					return nil, err
				}
				n.items = append(n.items, item)
			}
		} else {
			n.kind, n.fields = "object", map[string]*node{}
			for r.dec.More() {
				key, err := r.dec.Token()
				if err != nil {
					return nil, err
				}
				name, at := key.(string), r.line(r.dec.InputOffset())
				child, err := r.value(join(path, name))
				if err != nil {
					return nil, err
				}
				child.line = at
				if n.fields[name] != nil {
					r.p.add(at, join(path, name), "is given a second time")
				}
				n.keys = append(n.keys, name)
				n.fields[name] = child
			}
		}
		_, err = r.dec.Token() // the closing bracket
		return n, err
	case string:
		n.kind, n.text = "string", x
	case json.Number:
		n.kind, n.text = "number", x.String()
	case bool:
		n.kind = "true or false"
	default:
		n.kind = "null"
	}
	return n, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// read returns the tree of a document, which ends where its value ends.
func read(data []byte, p *problems) *node {
	r := &reader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), p: p}
	r.dec.UseNumber()
	n, err := r.value("")
	if err == nil {
		if _, more := r.dec.Token(); more != io.EOF {
			err = fmt.Errorf("something follows the end of the description")
		}
	}
	if err != nil {
		at := r.dec.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = min(syntax.Offset, int64(len(data)))
		}
		// the releases of Go say the end of the text in three ways
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "unexpected end of JSON") {
			err, at = fmt.Errorf("unexpected end of the file"), int64(len(data))
		}
		p.add(r.line(at), "", "%v", err)
		return nil
	}
	return n
}

// shape compares a value with a Go type: its fields and their types.
func (p *problems) shape(n *node, t reflect.Type, path string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.kind == "null" || t.Kind() == reflect.Interface {
		return
	}
	want := map[reflect.Kind]string{reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "list", reflect.String: "string",
		reflect.Bool: "true or false"}[t.Kind()]
	if want == "" {
		want = "number"
	}
	if n.kind != want {
		p.add(n.line, path, "must be %s, not %s", article(want), article(n.kind))
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		for i, item := range n.items {
			p.shape(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		for _, k := range n.keys {
			p.shape(n.fields[k], t.Elem(), fmt.Sprintf("%s[%q]", path, k))
		}
	case reflect.Struct:
		known := map[string]reflect.Type{}
		for i := 0; i < t.NumField(); i++ {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				known[name] = t.Field(i).Type
			}
		}
		for _, k := range n.keys {
			ft, ok := known[k]
			if !ok {
				p.add(n.fields[k].line, join(path, k), "there is no such field%s", nearest(k, known))
				continue
			}
			p.shape(n.fields[k], ft, join(path, k))
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		if _, err := strconv.ParseInt(n.text, 10, t.Bits()); err != nil {
			p.add(n.line, path, "must be a whole number, not %s", n.text)
		}
	}
}

func article(kind string) string {
	switch kind {
	case "object":
		return "an object"
	case "true or false", "null":
		return kind
	}
	return "a " + kind
}

// nearest returns the field that was probably meant.
func nearest(name string, known map[string]reflect.Type) string {
	best, least := "", 1+len(name)/2
	for k := range known {
		if d := distance(name, k); d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to change, add or leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last
			if a[i-1] != b[j-1] {
				cost++
			}
			last = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
