// Package iso writes and reads ISO 9660 images: enough to make small installation media
// and to read the answer media that a client built with any tool (Joliet, Rock Ridge or
// plain names). Nothing is mounted and no other program is called.
//
//	sector 16    primary volume descriptor
//	sector 17    Joliet descriptor (UCS-2 names)
//	sector 18    end of descriptors
//	then         four path tables, the directories twice, the files once
package iso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"time"
	"unicode/utf16"
)

const sector = 2048

type node struct {
	name     string
	dir      bool
	data     []byte
	children []*node
	parent   *node
	at       [2]uint32 // sector of the directory in either tree, or of the file
	size     [2]uint32
	number   [2]int // in the path table
}

// Write creates an image with the given label; keys of files are paths such as
// "sources/install.wim".
func Write(label string, files map[string][]byte, stamp time.Time) ([]byte, error) {
	if len(label) > 32 {
		return nil, errors.New("a volume label has at most 32 bytes")
	}
	root := &node{dir: true}
	root.parent = root
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if err := root.add(n, files[n]); err != nil {
			return nil, err
		}
	}
	dirs := root.walk()
	next := uint32(19)
	var tables [2][]byte
	for tree := 0; tree < 2; tree++ { // sizes first, addresses after
		for _, d := range dirs {
			d.size[tree] = roundUp(uint32(len(d.records(tree, stamp))))
		}
		tables[tree] = pathTable(dirs, tree, binary.LittleEndian)
	}
	var tableAt [4]uint32
	for i := range tableAt {
		tableAt[i] = next
		next += roundUp(uint32(len(tables[i/2]))) / sector
	}
	for tree := 0; tree < 2; tree++ {
		for _, d := range dirs {
			d.at[tree] = next
			next += d.size[tree] / sector
		}
	}
	for _, d := range dirs {
		for _, c := range d.children {
			if !c.dir {
				c.at = [2]uint32{next, next}
				c.size = [2]uint32{uint32(len(c.data)), uint32(len(c.data))}
				next += roundUp(uint32(len(c.data))) / sector
			}
		}
	}
	img := make([]byte, int(next)*sector)
	put := func(at uint32, b []byte) { copy(img[int(at)*sector:], b) }
	for tree := 0; tree < 2; tree++ {
		put(tableAt[2*tree], pathTable(dirs, tree, binary.LittleEndian))
		put(tableAt[2*tree+1], pathTable(dirs, tree, binary.BigEndian))
		put(16+uint32(tree), descriptor(root, tree, label, next, uint32(len(tables[tree])),
			tableAt[2*tree], tableAt[2*tree+1], stamp))
		for _, d := range dirs {
			put(d.at[tree], d.records(tree, stamp))
		}
	}
	put(18, append([]byte{255}, "CD001\x01"...))
	for _, d := range dirs {
		for _, c := range d.children {
			if !c.dir {
				put(c.at[0], c.data)
			}
		}
	}
	return img, nil
}

func roundUp(n uint32) uint32 { return (n + sector - 1) / sector * sector }

func (n *node) add(name string, data []byte) error {
	at := n
	parts := strings.Split(path.Clean(strings.ReplaceAll(name, "\\", "/")), "/")
	for i, p := range parts {
		if p == "" || p == "." || p == ".." || len(p) > 60 {
			return fmt.Errorf("iso: bad name %q", name)
		}
		var child *node
		for _, c := range at.children {
			if c.name == p {
				child = c
			}
		}
		last := i == len(parts)-1
		if child == nil {
			child = &node{name: p, dir: !last, parent: at}
			at.children = append(at.children, child)
		} else if last || !child.dir {
			return fmt.Errorf("iso: %q is there twice", name)
		}
		at = child
	}
	at.data = data
	return nil
}

// walk returns the directories breadth first, as the path table requires.
func (n *node) walk() []*node {
	dirs := []*node{n}
	for i := 0; i < len(dirs); i++ {
		d := dirs[i]
		sort.Slice(d.children, func(a, b int) bool { return plain(d.children[a]) < plain(d.children[b]) })
		d.number = [2]int{i + 1, i + 1}
		for _, c := range d.children {
			if c.dir {
				dirs = append(dirs, c)
			}
		}
	}
	return dirs
}

// plain is the ISO 9660 level 2 name; Rock Ridge and Joliet carry the real one.
func plain(n *node) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '_'
	}, n.name)
	if len(s) > 30 {
		s = s[:30]
	}
	if n.dir {
		return strings.ReplaceAll(s, ".", "_")
	}
	if !strings.Contains(s, ".") {
		s += "."
	}
	return s + ";1"
}

func joliet(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

func (n *node) id(tree int) []byte {
	if n.parent == n {
		return []byte{0}
	}
	if tree == 1 {
		if n.dir {
			return joliet(n.name)
		}
		return joliet(n.name + ";1")
	}
	return []byte(plain(n))
}

// records is the content of a directory. A record never crosses a sector.
func (n *node) records(tree int, stamp time.Time) []byte {
	var out []byte
	push := func(r []byte) {
		if left := sector - len(out)%sector; left < len(r) {
			out = append(out, make([]byte, left)...)
		}
		out = append(out, r...)
	}
	sp := []byte(nil)
	if tree == 0 && n.parent == n {
		sp = []byte{'S', 'P', 7, 1, 0xbe, 0xef, 0}
	}
	push(record(n, tree, []byte{0}, stamp, sp))
	push(record(n.parent, tree, []byte{1}, stamp, nil))
	for _, c := range n.children {
		var su []byte
		if tree == 0 {
			su = append([]byte{'N', 'M', byte(5 + len(c.name)), 1, 0}, c.name...)
			mode := uint32(0o100444)
			if c.dir {
				mode = 0o040555
			}
			px := make([]byte, 36)
			copy(px, []byte{'P', 'X', 36, 1})
			both32(px[4:], mode)
			both32(px[12:], 1)
			su = append(su, px...)
		}
		push(record(c, tree, c.id(tree), stamp, su))
	}
	return out
}

func record(n *node, tree int, id []byte, stamp time.Time, su []byte) []byte {
	size := 33 + len(id)
	if len(id)%2 == 0 {
		size++
	}
	r := make([]byte, size, size+len(su)+1)
	both32(r[2:], n.at[tree])
	both32(r[10:], n.size[tree])
	u := stamp.UTC()
	copy(r[18:], []byte{byte(u.Year() - 1900), byte(u.Month()), byte(u.Day()), byte(u.Hour()),
		byte(u.Minute()), byte(u.Second()), 0})
	if n.dir {
		r[25] = 2
	}
	both16(r[28:], 1)
	r[32] = byte(len(id))
	copy(r[33:], id)
	r = append(r, su...)
	if len(r)%2 == 1 {
		r = append(r, 0)
	}
	r[0] = byte(len(r))
	return r
}

func both32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

func pathTable(dirs []*node, tree int, order binary.ByteOrder) []byte {
	var b bytes.Buffer
	for _, d := range dirs {
		id := d.id(tree)
		h := make([]byte, 8)
		h[0] = byte(len(id))
		order.PutUint32(h[2:], d.at[tree])
		order.PutUint16(h[6:], uint16(d.parent.number[tree]))
		b.Write(h)
		b.Write(id)
		if len(id)%2 == 1 {
			b.WriteByte(0)
		}
	}
	return b.Bytes()
}

func descriptor(root *node, tree int, label string, sectors, tableSize, tableL, tableM uint32,
	stamp time.Time) []byte {
	d := make([]byte, sector)
	copy(d, "\x01CD001\x01")
	for i := 8; i < 72; i++ {
		d[i] = ' '
	}
	for i := 190; i < 813; i++ {
		d[i] = ' '
	}
	if tree == 1 {
		d[0] = 2
		copy(d[88:], "%/E")
		l := joliet(label)
		for i := 40; i < 72; i += 2 {
			d[i], d[i+1] = 0, ' '
		}
		copy(d[40:72], l)
	} else {
		copy(d[40:72], label)
	}
	both32(d[80:], sectors)
	both16(d[120:], 1)
	both16(d[124:], 1)
	both16(d[128:], sector)
	both32(d[132:], tableSize)
	binary.LittleEndian.PutUint32(d[140:], tableL)
	binary.BigEndian.PutUint32(d[148:], tableM)
	copy(d[156:], record(root, tree, []byte{0}, stamp, nil)[:34])
	copy(d[813:], stamp.UTC().Format("20060102150405")+"00\x00")
	copy(d[830:], stamp.UTC().Format("20060102150405")+"00\x00")
	d[881] = 1
	return d
}
