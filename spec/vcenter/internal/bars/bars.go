// Package bars is the address arithmetic of PCI devices: what a card's Base Address
// Registers need, and whether a virtual machine's windows hold them.
//
// A BAR is a power-of-two piece of address space. 32-bit BARs lie in the hole below
// 4 GiB, 64-bit ones may lie above it. ESXi counts every memory BAR in 4 KiB pages,
// adds two, and compares with 917504 pages (3.5 GiB) as long as the VM has no 64-bit
// window; the EFI firmware has to place the 64-bit BARs in a window of a chosen size.
package bars

import (
	"fmt"
	"math/bits"
	"sort"
	"strconv"
	"strings"
)

// Page is ESXi's unit, and Limit the number of pages that need no 64-bit window.
const (
	Page        = 4096
	Limit       = 917504
	DefaultSize = 32 << 30 // of the 64-bit window when only use64bitMMIO is set
)

// Bar is one register (or pair of registers).
type Bar struct {
	Index    int
	Size     uint64
	Mem64    bool
	Prefetch bool
	IO       bool
}

// Kind is the number that vmware.log prints as the type: 1 I/O, 2 32-bit, 3 64-bit.
func (b Bar) Kind() int {
	switch {
	case b.IO:
		return 1
	case b.Mem64:
		return 3
	}
	return 2
}

// Flags is the low nibble of the raw register.
func (b Bar) Flags() int {
	f := 0
	if b.IO {
		return 1
	}
	if b.Mem64 {
		f |= 4
	}
	if b.Prefetch {
		f |= 8
	}
	return f
}

// Parse reads "16M:32", "128G:64p", "128:io"; a leading "2=" sets the index explicitly.
// Without it a 64-bit BAR takes two indices, so 16M:32 128G:64p 32M:64p is 0, 1, 3.
func Parse(list []string) ([]Bar, error) {
	var out []Bar
	next := 0
	for _, text := range list {
		b := Bar{Index: next}
		body := text
		if i, rest, ok := strings.Cut(body, "="); ok {
			n, err := strconv.Atoi(i)
			if err != nil || n < next || n > 5 {
				return nil, fmt.Errorf("BAR %q: the index does not fit", text)
			}
			b.Index, body = n, rest
		}
		size, kind, ok := strings.Cut(body, ":")
		if !ok {
			return nil, fmt.Errorf("BAR %q: expected SIZE:KIND, as 16M:32 or 128G:64p", text)
		}
		n, err := Size(size)
		if err != nil {
			return nil, fmt.Errorf("BAR %q: %v", text, err)
		}
		b.Size = n
		switch kind {
		case "32":
		case "32p":
			b.Prefetch = true
		case "64":
			b.Mem64 = true
		case "64p":
			b.Mem64, b.Prefetch = true, true
		case "io":
			b.IO = true
		default:
			return nil, fmt.Errorf("BAR %q: invalid kind %q: use 32, 32p, 64, 64p or io", text, kind)
		}
		next = b.Index + 1
		if b.Mem64 {
			next++
		}
		if next > 6 {
			return nil, fmt.Errorf("BAR %q: a device has only six registers", text)
		}
		out = append(out, b)
	}
	return out, nil
}

// Size reads 128, 16K, 16M, 128G, 1T; it must be a power of two, as hardware demands.
func Size(s string) (uint64, error) {
	shift := 0
	if s != "" {
		switch s[len(s)-1] {
		case 'K', 'k':
			shift = 10
		case 'M', 'm':
			shift = 20
		case 'G', 'g':
			shift = 30
		case 'T', 't':
			shift = 40
		}
		if shift > 0 {
			s = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 40)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	n <<= shift
	if n&(n-1) != 0 {
		return 0, fmt.Errorf("a BAR's size is a power of two, not %d", n)
	}
	return n, nil
}

// Text is the form of lspci: 16M, 128G, 128.
func Text(n uint64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}} {
		if n >= 1<<u.shift && n%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d%s", n>>u.shift, u.name)
		}
	}
	return strconv.FormatUint(n, 10)
}

// Pages is what ESXi needs for a device: all memory BARs in pages, and two more.
func Pages(list []Bar) uint64 {
	var sum uint64
	for _, b := range list {
		if !b.IO {
			sum += b.Size
		}
	}
	return (sum+Page-1)/Page + 2
}

// Above is the sum of the 64-bit BARs; the firmware places these in its window.
func Above(list []Bar) (sum uint64) {
	for _, b := range list {
		if b.Mem64 {
			sum += b.Size
		}
	}
	return sum
}

// Below is the sum of the 32-bit memory BARs.
func Below(list []Bar) (sum uint64) {
	for _, b := range list {
		if !b.Mem64 && !b.IO {
			sum += b.Size
		}
	}
	return sum
}

// NextPow2 is the smallest power of two that is not below n.
func NextPow2(n uint64) uint64 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len64(n-1)
}

// Place lays the 64-bit BARs of devices into a window that ends at 2^45, top down and by
// falling size, as seen on ESXi guests. It gives one address per BAR (0: did not fit, or
// is not a 64-bit one) and the bytes that did not fit. A device of which one BAR does
// not fit gets none: the bridge in front of it opens no window.
func Place(devices [][]Bar, window uint64) (at [][]uint64, missing uint64) {
	type slot struct {
		d, b int
		size uint64
	}
	var all []slot
	at = make([][]uint64, len(devices))
	for d, list := range devices {
		at[d] = make([]uint64, len(list))
		for b, bar := range list {
			if bar.Mem64 {
				all = append(all, slot{d, b, bar.Size})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].size > all[j].size })
	const top = uint64(1) << 45
	lost := map[int]bool{}
	end := top
	for _, s := range all {
		base := (end - min(s.size, end)) &^ (s.size - 1)
		if window == 0 || top-base > window {
			lost[s.d] = true
			continue
		}
		at[s.d][s.b] = base
		end = base
	}
	for d := range lost {
		at[d] = make([]uint64, len(devices[d]))
		missing += Above(devices[d])
	}
	return at, missing
}
