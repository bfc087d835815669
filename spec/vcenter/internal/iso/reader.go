package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf16"
)

// Limits for the reader of a medium; answer media are small.
const (
	maxEntries = 100000
	maxDepth   = 32
)

// Entry is one file or directory; Path is relative, with slashes.
type Entry struct {
	Path   string
	Dir    bool
	Size   int64
	pieces []piece
}

type piece struct{ at, size int64 }

// Image is an opened medium.
type Image struct {
	Label   string // what the operating systems show
	Kind    string // "rockridge", "joliet" or "iso9660": where the names come from
	r       io.ReaderAt
	entries []*Entry
	byPath  map[string]*Entry
	windows *Image // the same medium by the names that Windows reads
}

// Open reads the descriptors and the whole directory tree. The names are taken from Rock
// Ridge, else Joliet, else the plain ones without their version.
func Open(r io.ReaderAt) (*Image, error) {
	img := &Image{r: r, byPath: map[string]*Entry{}}
	img.windows = img
	var primary, second []byte
	for n := int64(16); n < 64; n++ {
		d := make([]byte, sector)
		if _, err := r.ReadAt(d, n*sector); err != nil {
			return nil, fmt.Errorf("not an ISO 9660 image: %w", err)
		}
		if string(d[1:6]) != "CD001" {
			if n == 16 {
				return nil, errors.New("not an ISO 9660 image: no volume descriptor at sector 16")
			}
			break
		}
		if d[0] == 255 {
			break
		}
		switch {
		case d[0] == 1 && primary == nil:
			primary = d
		case d[0] == 2 && second == nil && (string(d[88:91]) == "%/@" || string(d[88:91]) == "%/C" ||
			string(d[88:91]) == "%/E"):
			second = d
		}
	}
	if primary == nil {
		return nil, errors.New("not an ISO 9660 image: no primary volume descriptor")
	}
	img.Label = strings.TrimRight(string(primary[40:72]), " \x00")
	w := &walker{img: img}
	joliet := func(to *Image) error {
		to.Kind = "joliet"
		if l := strings.TrimRight(ucs2(second[40:72]), " \x00"); l != "" {
			to.Label = l
		}
		return (&walker{img: to, ucs2: true}).tree(second[156:190], "", 0)
	}
	rock, skip := w.susp(primary[156:190])
	var err error
	switch {
	case rock:
		img.Kind = "rockridge"
		w.rock, w.skip = true, skip
		err = w.tree(primary[156:190], "", 0)
		other := &Image{r: r, byPath: map[string]*Entry{}, Label: img.Label, Kind: "iso9660"}
		img.windows, other.windows = other, other
		if err == nil && second != nil {
			err = joliet(other)
		} else if err == nil {
			err = (&walker{img: other}).tree(primary[156:190], "", 0)
		}
	case second != nil:
		err = joliet(img)
	default:
		img.Kind = "iso9660"
		err = w.tree(primary[156:190], "", 0)
	}
	if err != nil {
		return nil, err
	}
	return img, nil
}

// Entries lists everything in directory order.
func (i *Image) Entries() []*Entry { return i.entries }

// Find looks a path up; case does not matter, as for Windows.
func (i *Image) Find(name string) *Entry {
	return i.byPath[strings.ToLower(strings.Trim(path.Clean("/"+strings.ReplaceAll(name, "\\", "/")), "/"))]
}

// Windows is the medium by Joliet's names, or the plain ones: Windows does not read Rock Ridge.
func (i *Image) Windows() *Image { return i.windows }

// Exact is Find for a case-sensitive system.
func (i *Image) Exact(name string) *Entry {
	if e := i.Find(name); e != nil && e.Path == strings.Trim(name, "/") {
		return e
	}
	return nil
}

// Read returns a file's bytes, at most limit of them.
func (i *Image) Read(e *Entry, limit int64) ([]byte, error) {
	if e.Dir {
		return nil, fmt.Errorf("%s is a directory", e.Path)
	}
	if e.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", e.Path, e.Size, limit)
	}
	out := make([]byte, 0, e.Size)
	for _, p := range e.pieces {
		b := make([]byte, p.size)
		if n, err := i.r.ReadAt(b, p.at); err != nil && int64(n) < p.size {
			return nil, fmt.Errorf("%s: the image is truncated: %w", e.Path, err)
		}
		out = append(out, b...)
	}
	return out, nil
}

type walker struct {
	img   *Image
	rock  bool
	ucs2  bool
	skip  int
	count int
}

func (w *walker) area(rec []byte) ([]byte, error) {
	at, size := binary.LittleEndian.Uint32(rec[2:]), binary.LittleEndian.Uint32(rec[10:])
	if size > 64<<20 {
		return nil, errors.New("a directory of the image is too large")
	}
	b := make([]byte, size)
	if _, err := w.img.r.ReadAt(b, int64(at)*sector); err != nil {
		return nil, fmt.Errorf("the image is truncated in a directory: %w", err)
	}
	return b, nil
}

// susp reports whether the root's first record carries the SP entry of Rock Ridge.
func (w *walker) susp(root []byte) (bool, int) {
	b, err := w.area(root)
	if err != nil || len(b) < 34 || int(b[0]) > len(b) {
		return false, 0
	}
	su := b[34:max(int(b[0]), 34)]
	if len(su) < 7 || su[0] != 'S' || su[1] != 'P' || su[4] != 0xbe || su[5] != 0xef {
		return false, 0
	}
	// SP alone may be SUSP without names: look for an NM in the children
	skip := int(su[6])
	found := false
	w.each(b, func(rec []byte) error {
		if name, _ := w.nm(rec, skip); name != "" {
			found = true
		}
		return nil
	})
	return found, skip
}

func (w *walker) each(b []byte, f func(rec []byte) error) error {
	for at := 0; at < len(b); {
		n := int(b[at])
		if n == 0 { // padding up to the next sector
			at = (at/sector + 1) * sector
			continue
		}
		if n < 34 || at+n > len(b) || 33+int(b[at+32]) > n {
			return errors.New("a directory record of the image is damaged")
		}
		if err := f(b[at : at+n]); err != nil {
			return err
		}
		at += n
	}
	return nil
}

func (w *walker) tree(root []byte, at string, depth int) error {
	if depth > maxDepth {
		return errors.New("the directories of the image are too deep")
	}
	b, err := w.area(root)
	if err != nil {
		return err
	}
	var more *Entry // a file of several extents
	return w.each(b, func(rec []byte) error {
		id := rec[33 : 33+int(rec[32])]
		if len(id) == 1 && (id[0] == 0 || id[0] == 1) {
			return nil
		}
		w.count++
		if w.count > maxEntries {
			return errors.New("the image has too many files")
		}
		name := w.name(rec, id)
		p := piece{int64(binary.LittleEndian.Uint32(rec[2:])) * sector, int64(binary.LittleEndian.Uint32(rec[10:]))}
		if more != nil {
			more.pieces = append(more.pieces, p)
			more.Size += p.size
			if rec[25]&0x80 == 0 {
				more = nil
			}
			return nil
		}
		e := &Entry{Path: path.Join(at, name), Dir: rec[25]&2 != 0, Size: p.size, pieces: []piece{p}}
		w.img.entries = append(w.img.entries, e)
		w.img.byPath[strings.ToLower(e.Path)] = e
		if e.Dir {
			e.Size = 0
			return w.tree(rec, e.Path, depth+1)
		}
		if rec[25]&0x80 != 0 {
			more = e
		}
		return nil
	})
}

func (w *walker) name(rec, id []byte) string {
	if w.rock {
		if n, _ := w.nm(rec, w.skip); n != "" {
			return clean(n)
		}
	}
	var s string
	if w.ucs2 {
		s = ucs2(id)
	} else {
		s = string(id)
	}
	if i := strings.LastIndexByte(s, ';'); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSuffix(s, ".")
	if !w.ucs2 {
		s = strings.ToLower(s) // what Linux shows by default
	}
	return clean(s)
}

// nm collects the alternate name of Rock Ridge, following continuation areas.
func (w *walker) nm(rec []byte, skip int) (string, error) {
	start := 33 + int(rec[32])
	if start%2 == 1 {
		start++
	}
	start += skip
	name := ""
	if start > len(rec) {
		return "", nil
	}
	su := rec[start:]
	for hops := 0; hops < 8; hops++ {
		var next []byte
		for len(su) >= 4 {
			n := int(su[2])
			if n < 4 || n > len(su) {
				break
			}
			switch {
			case su[0] == 'N' && su[1] == 'M' && n >= 5:
				name += string(su[5:n])
			case su[0] == 'C' && su[1] == 'E' && n >= 28:
				at := int64(binary.LittleEndian.Uint32(su[4:]))*sector + int64(binary.LittleEndian.Uint32(su[12:]))
				size := binary.LittleEndian.Uint32(su[20:])
				if size > 64<<10 {
					return "", errors.New("continuation area too large")
				}
				next = make([]byte, size)
				if _, err := w.img.r.ReadAt(next, at); err != nil {
					return "", err
				}
			}
			su = su[n:]
		}
		if next == nil {
			break
		}
		su = next
	}
	return name, nil
}

// clean keeps a name of the medium from leaving its directory.
func clean(s string) string {
	s = strings.NewReplacer("/", "_", "\x00", "_").Replace(s)
	if s == ".." || s == "." {
		return "_"
	}
	return s
}

func ucs2(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return string(utf16.Decode(u))
}
