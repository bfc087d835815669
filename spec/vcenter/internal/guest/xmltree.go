package guest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// element is an answer file's XML as a tree.
type element struct {
	name, space string
	attr        map[string]string
	text        string
	kids        []*element
}

func parseXML(data []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var stack []*element
	var root *element
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, space: t.Name.Space, attr: map[string]string{}}
			for _, a := range t.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			if len(stack) > 0 {
				p := stack[len(stack)-1]
				p.kids = append(p.kids, e)
			} else if root == nil {
				root = e
			}
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		}
	}
	if root == nil {
		return nil, errors.New("the file holds no element")
	}
	return root, nil
}

// all returns the elements at a path below e.
func (e *element) all(path ...string) []*element {
	if e == nil {
		return nil
	}
	if len(path) == 0 {
		return []*element{e}
	}
	var out []*element
	for _, k := range e.kids {
		if k.name == path[0] {
			out = append(out, k.all(path[1:]...)...)
		}
	}
	return out
}

func (e *element) first(path ...string) *element {
	if l := e.all(path...); len(l) > 0 {
		return l[0]
	}
	return nil
}

func (e *element) value(path ...string) string {
	if f := e.first(path...); f != nil {
		return strings.TrimSpace(f.text)
	}
	return ""
}

func yes(s string) bool { return strings.EqualFold(s, "true") || s == "1" }
