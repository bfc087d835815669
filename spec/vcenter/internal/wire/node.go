package wire

// node.go reads the XML of a request into a small tree with namespaces and positions.
// Requests are small; positions are needed because the real server names line and column.

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

const (
	nsEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"
	nsXSI      = "http://www.w3.org/2001/XMLSchema-instance"
	nsXSD      = "http://www.w3.org/2001/XMLSchema"
	nsVim      = "urn:vim25"
	maxDepth   = 128
)

// Node is one element.
type Node struct {
	Space, Name string
	Attr        []xml.Attr
	Child       []*Node
	Text        string
	Line, Col   int
	prefixes    map[string]string // in scope; shared with the parent when nothing was declared
}

// Attribute returns an attribute by namespace and local name.
func (n *Node) Attribute(space, local string) (string, bool) {
	for _, a := range n.Attr {
		if a.Name.Local == local && a.Name.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// First finds the first child of that name.
func (n *Node) First(name string) *Node {
	for _, c := range n.Child {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// adopt returns a namespace to an element that has none, and to those in it.
func (n *Node) adopt(space string) {
	if n.Space == "" {
		n.Space = space
	}
	for _, c := range n.Child {
		c.adopt(space)
	}
}

// qname resolves a QName in an attribute value, such as xsi:type="xsd:string".
func (n *Node) qname(v string) (space, local string, ok bool) {
	prefix, local, has := strings.Cut(strings.TrimSpace(v), ":")
	if !has {
		return n.prefixes[""], prefix, true
	}
	if space, ok = n.prefixes[prefix]; !ok && prefix == "xsd" {
		return nsXSD, local, true // govmomi never declares it, and real servers take it
	}
	return space, local, ok
}

func parse(data []byte) (*Node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var root, cur *Node
	var stack []*Node
	for {
		line, col := d.InputPos()
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("document type declarations are not allowed")
		case xml.StartElement:
			n := &Node{Space: t.Name.Space, Name: t.Name.Local, Line: line, Col: col - 1}
			if cur != nil {
				n.prefixes = cur.prefixes
			} else {
				n.prefixes = map[string]string{}
			}
			copied := false
			for _, a := range t.Attr {
				prefix, decl := "", false
				if a.Name.Space == "xmlns" {
					prefix, decl = a.Name.Local, true
				} else if a.Name.Space == "" && a.Name.Local == "xmlns" {
					decl = true
				}
				if !decl {
					n.Attr = append(n.Attr, a)
					continue
				}
				if !copied {
					own := make(map[string]string, len(n.prefixes)+1)
					for k, v := range n.prefixes {
						own[k] = v
					}
					n.prefixes, copied = own, true
				}
				n.prefixes[prefix] = a.Value
			}
			if cur == nil {
				if root != nil {
					return nil, fmt.Errorf("more than one root element")
				}
				root = n
			} else {
				cur.Child = append(cur.Child, n)
			}
			if len(stack) >= maxDepth {
				return nil, fmt.Errorf("elements nested too deeply")
			}
			stack = append(stack, n)
			cur = n
		case xml.EndElement:
			stack = stack[:len(stack)-1]
			cur = nil
			if len(stack) > 0 {
				cur = stack[len(stack)-1]
			}
		case xml.CharData:
			if cur != nil {
				cur.Text += string(t)
			}
		}
	}
	if root == nil {
		return nil, fmt.Errorf("no element found")
	}
	return root, nil
}
