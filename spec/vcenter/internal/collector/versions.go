package collector

// versions.go: the versions that a client may name. Any version whose set was not truncated
// is valid for as long as the collector exists: later changes are reported again. So each
// report keeps in which version its object entered and its paths changed, and the filter
// which objects left when. A truncated version is valid only in the call that follows it.

import (
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
)

// remembered limits what a filter keeps of the objects that left.
const remembered = 20000

// absence is an object that is no longer in a filter.
type absence struct{ entered, left int }

// accept checks the version that the client names and goes back to it; where the client
// lost the last answer it is given that one again.
func (p *pc) accept(version string) ([]byte, *fault.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if version == "" {
		for _, f := range p.filters {
			f.reset()
		}
		p.prev, p.replay, p.partly, p.oldest = -1, nil, map[int]bool{}, p.version+1
		return nil, nil
	}
	n, err := strconv.Atoi(version)
	switch {
	case err != nil || strconv.Itoa(n) != version || n < 1 || n > p.version:
	case n == p.version:
		return nil, nil
	case p.partly[n]:
	case n == p.prev && p.replay != nil:
		return p.replay, nil
	case n >= p.oldest:
		for _, f := range p.filters {
			f.rewind(n)
		}
		return nil, nil
	}
	return nil, fault.New(&types.InvalidCollectorVersion{})
}

// forget drops what no client can ask for any longer, and the oldest entries above the limit.
func (p *pc) forget() {
	for _, f := range p.filters {
		if len(f.gone) > remembered || len(p.partly) > remembered {
			p.oldest = p.version
			p.partly = map[int]bool{p.version: p.partly[p.version]}
			for _, x := range p.filters {
				x.gone = map[refs]absence{}
			}
			return
		}
	}
}

// rewind resets the filter as if the client had been sent nothing after a version.
func (f *filter) rewind(version int) {
	for ref, r := range f.known {
		if r.entered > version {
			delete(f.known, ref)
			f.enqueue(ref)
			continue
		}
		for path, at := range r.changed {
			if at <= version {
				continue
			}
			if r.stale == nil {
				r.stale = map[string]bool{}
			}
			r.stale[path] = true
			for k := range r.props {
				if k == path || strings.HasPrefix(k, path+".") {
					delete(r.props, k)
				}
			}
			f.enqueue(ref)
		}
	}
	for ref, was := range f.gone {
		if was.left > version && was.entered <= version && f.members[ref] == nil {
			f.known[ref] = &report{props: map[string]string{}, entered: was.entered}
			f.enqueue(ref)
		}
	}
}

// note remembers the version in which a path changed.
func (r *report) note(path string, version int) {
	if r.changed == nil {
		r.changed = map[string]int{}
	}
	r.changed[path] = version
}
