package collector

// filter.go: filters and waiting for updates. A collector keeps, per filter and object,
// the XML of what it last reported; a touched object is read again and compared.

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/wire"
)

// pc is one PropertyCollector object of one session.
type pc struct {
	service *Service
	self    refs
	user    *session.Session
	turn    chan struct{} // held by the call that waits or evaluates

	mu       sync.Mutex
	filters  []*filter
	interest map[refs]bool // objects whose change matters
	dirty    map[refs]bool
	wake     chan struct{}
	cancel   chan struct{} // closed by CancelWaitForUpdates
	dead     bool

	version int          // of the last answer
	prev    int          // the version that the last answer was given for; -1 = none
	replay  []byte       // the last answer, for a client that lost it
	partly  map[int]bool // the versions whose answers were truncated
	oldest  int          // no version before this one is remembered
}

type filter struct {
	self    refs
	spec    types.PropertyFilterSpec
	partial bool
	fresh   bool // not evaluated yet
	known   map[refs]*report
	walked  map[refs]bool
	queue   []refs // known to have changed, still to be reported
	queued  map[refs]bool
	members map[refs]*types.PropertySpec
	gone    map[refs]absence // what left the filter
}

// report is what the client was sent about an object: path -> XML, and in which versions.
type report struct {
	props   map[string]string
	entered int
	changed map[string]int  // path of the filter -> version of its last change
	stale   map[string]bool // paths to be reported again
}

func newPC(r *Service, self refs, user *session.Session) *pc {
	return &pc{service: r, self: self, user: user, turn: make(chan struct{}, 1), interest: map[refs]bool{}, dirty: map[refs]bool{},
		wake: make(chan struct{}, 1), cancel: make(chan struct{}), prev: -1, partly: map[int]bool{}}
}

func (p *pc) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.filters)
}

func (p *pc) changed(ref refs) {
	p.mu.Lock()
	if p.interest[ref] {
		p.dirty[ref] = true
		p.signal()
	}
	p.mu.Unlock()
}

func (p *pc) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pc) destroy() {
	p.mu.Lock()
	if !p.dead {
		p.dead = true
		p.filters = nil
		close(p.cancel)
	}
	p.mu.Unlock()
}

func (r *Service) registerFilters(s *api.Server) {
	s.Handle("CreateFilter", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.CreateFilter)
		p, e := r.collector(c)
		if e != nil {
			return nil, e
		}
		if e := r.verify(&req.Spec); e != nil {
			return nil, e
		}
		f := &filter{self: refs{Type: "PropertyFilter", Value: fmt.Sprintf("session[%s]%d", c.Session.Key, r.w.NextID())},
			spec: req.Spec, partial: req.PartialUpdates}
		f.reset()
		p.mu.Lock()
		p.filters = append(p.filters, f)
		p.signal()
		p.mu.Unlock()
		return &types.CreateFilterResponse{Returnval: f.self}, nil
	}, api.ReadOnly())
	s.Handle("DestroyPropertyFilter", func(c *api.Call) (any, *fault.Error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for k, p := range r.pcs {
			if k.session != c.Session.Key {
				continue
			}
			p.mu.Lock()
			for i, f := range p.filters {
				if f.self == c.This {
					p.filters = append(append([]*filter(nil), p.filters[:i]...), p.filters[i+1:]...)
					p.mu.Unlock()
					return &types.DestroyPropertyFilterResponse{}, nil
				}
			}
			p.mu.Unlock()
		}
		return nil, fault.NotFound(c.This)
	}, api.ReadOnly())
	s.Handle("CreatePropertyCollector", func(c *api.Call) (any, *fault.Error) {
		if _, e := r.collector(c); e != nil {
			return nil, e
		}
		self := refs{Type: "PropertyCollector", Value: fmt.Sprintf("session[%s]%d", c.Session.Key, r.w.NextID())}
		r.mu.Lock()
		r.pcs[pcKey{c.Session.Key, self}] = newPC(r, self, c.Session)
		r.mu.Unlock()
		return &types.CreatePropertyCollectorResponse{Returnval: self}, nil
	}, api.ReadOnly())
	s.Handle("DestroyPropertyCollector", func(c *api.Call) (any, *fault.Error) {
		p, e := r.collector(c)
		if e != nil {
			return nil, e
		}
		if c.This == r.w.Content.PropertyCollector {
			return nil, fault.New(&types.NotSupported{})
		}
		r.mu.Lock()
		delete(r.pcs, pcKey{c.Session.Key, c.This})
		r.mu.Unlock()
		p.destroy()
		return &types.DestroyPropertyCollectorResponse{}, nil
	}, api.ReadOnly())
	s.Handle("CancelWaitForUpdates", func(c *api.Call) (any, *fault.Error) {
		p, e := r.collector(c)
		if e != nil {
			return nil, e
		}
		p.mu.Lock()
		if !p.dead {
			close(p.cancel)
			p.cancel = make(chan struct{})
		}
		p.mu.Unlock()
		return &types.CancelWaitForUpdatesResponse{}, nil
	}, api.Unlocked())
	s.Handle("WaitForUpdatesEx", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.WaitForUpdatesEx)
		var o types.WaitOptions
		if req.Options != nil {
			o = *req.Options
		}
		if (o.MaxWaitSeconds != nil && *o.MaxWaitSeconds < 0) || o.MaxObjectUpdates < 0 {
			return nil, fault.InvalidArgument("options")
		}
		limit := r.limits.Updates
		if asked := int(o.MaxObjectUpdates); asked > 0 {
			limit = min(limit, asked)
		}
		return r.updates(c, req.Version, o.MaxWaitSeconds, limit)
	}, api.Unlocked())
	s.Handle("WaitForUpdates", func(c *api.Call) (any, *fault.Error) {
		return r.updates(c, c.Req.(*types.WaitForUpdates).Version, nil, math.MaxInt)
	}, api.Unlocked())
	s.Handle("CheckForUpdates", func(c *api.Call) (any, *fault.Error) {
		now := int32(0)
		return r.updates(c, c.Req.(*types.CheckForUpdates).Version, &now, math.MaxInt)
	}, api.Unlocked())
}

func (r *Service) updates(c *api.Call, version string, maxWait *int32, maxObjects int) (any, *fault.Error) {
	p, e := r.collector(c)
	if e != nil {
		return nil, e
	}
	var timeout <-chan time.Time
	if maxWait != nil {
		t := time.NewTimer(time.Duration(*maxWait) * time.Second)
		defer t.Stop()
		timeout = t.C
	}
	r.mu.Lock()
	if r.wait.now++; r.wait.now > r.wait.peak {
		r.wait.peak = r.wait.now
	}
	r.mu.Unlock()
	defer func() { r.mu.Lock(); r.wait.now--; r.mu.Unlock() }()
	p.mu.Lock()
	cancel := p.cancel
	p.mu.Unlock()
	cancelled := func() (any, *fault.Error) {
		return nil, fault.New(&types.RequestCanceled{}, "The request was canceled.")
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-cancel:
		return cancelled()
	case <-c.Ctx.Done():
		return cancelled()
	}
	again, e := p.accept(version)
	if e != nil {
		return nil, e
	}
	if again != nil {
		return api.Encoded(func(enc *wire.Encoder) { enc.Write(again) }), nil
	}
	for {
		r.w.RLock()
		set := p.evaluate(maxObjects, c.Version)
		var out []byte
		if set != nil {
			enc := &wire.Encoder{Version: c.Version}
			enc.Response(c.Method, &struct {
				Returnval *types.UpdateSet `xml:"returnval"`
			}{set})
			out = enc.Bytes()
		}
		r.w.RUnlock()
		if set != nil {
			p.replay = out
			return api.Encoded(func(enc *wire.Encoder) { enc.Write(out) }), nil
		}
		if maxWait != nil && *maxWait == 0 {
			return &struct{}{}, nil
		}
		select {
		case <-p.wake:
		case <-timeout:
			return &struct{}{}, nil
		case <-cancel:
			return cancelled()
		case <-c.Ctx.Done():
			return cancelled()
		}
	}
}

func (f *filter) reset() {
	f.fresh = true
	f.known, f.walked, f.queued = map[refs]*report{}, map[refs]bool{}, map[refs]bool{}
	f.members, f.queue, f.gone = map[refs]*types.PropertySpec{}, nil, map[refs]absence{}
}

// evaluate builds the next update set, or nil when nothing differs. World lock held (read).
func (p *pc) evaluate(limit int, v wire.Version) *types.UpdateSet {
	p.mu.Lock()
	filters := p.filters
	dirty := p.dirty
	p.dirty = map[refs]bool{}
	p.mu.Unlock()
	set := &types.UpdateSet{}
	truncated := false
	for _, f := range filters {
		up := types.PropertyFilterUpdate{Filter: f.self}
		if f.fresh && tolerant(&f.spec) {
			up.MissingSet = p.service.absent(&f.spec)
		}
		f.refresh(p, dirty)
		for len(f.queue) > 0 {
			if limit == 0 {
				truncated = true
				break
			}
			ref := f.queue[0]
			f.queue = f.queue[1:]
			delete(f.queued, ref)
			if o := f.update(p, ref, v); o != nil {
				up.ObjectSet = append(up.ObjectSet, *o)
				limit--
			}
		}
		if len(up.ObjectSet)+len(up.MissingSet) > 0 {
			set.FilterSet = append(set.FilterSet, up)
		}
	}
	if len(set.FilterSet) == 0 {
		return nil
	}
	p.prev = p.version
	p.version++
	set.Version = strconv.Itoa(p.version)
	p.mu.Lock()
	p.forget()
	p.mu.Unlock()
	if truncated {
		yes := true
		set.Truncated = &yes
		p.partly[p.version] = true
		p.mu.Lock()
		p.signal()
		p.mu.Unlock()
	}
	return set
}

// refresh finds out what the filter selects now and queues what may have changed.
func (f *filter) refresh(p *pc, dirty map[refs]bool) {
	again := f.fresh
	for ref := range dirty {
		if f.walked[ref] {
			again = true
		}
		if _, in := f.members[ref]; in {
			f.enqueue(ref)
		}
	}
	if !again {
		return
	}
	f.fresh = false
	// Interest comes before reading, so that no change falls between the two.
	f.walked = map[refs]bool{}
	members := map[refs]*types.PropertySpec{}
	list := p.service.selected(&f.spec, f.walked)
	for _, c := range list {
		members[c.ref] = c.spec
		if _, was := f.members[c.ref]; !was {
			f.enqueue(c.ref)
		}
	}
	for ref := range f.members {
		if members[ref] == nil {
			f.enqueue(ref)
		}
	}
	f.members = members
	p.mu.Lock()
	p.interest = map[refs]bool{}
	for _, x := range p.filters {
		for ref := range x.members {
			p.interest[ref] = true
		}
		for ref := range x.walked {
			p.interest[ref] = true
		}
	}
	p.mu.Unlock()
}

func (f *filter) enqueue(ref refs) {
	if !f.queued[ref] {
		f.queued[ref] = true
		f.queue = append(f.queue, ref)
	}
}

// update compares an object with what the client was last sent.
func (f *filter) update(p *pc, ref refs, ver wire.Version) *types.ObjectUpdate {
	r := p.service
	next := p.version + 1
	old := f.known[ref]
	spec := f.members[ref]
	v, exists := reflect.Value{}, false
	if spec != nil {
		v, exists = r.valueFor(p.user, ref)
	}
	if !exists {
		if old == nil {
			return nil
		}
		delete(f.known, ref)
		f.gone[ref] = absence{old.entered, next}
		return &types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: ref}
	}
	now := &report{props: map[string]string{}, entered: next}
	out := &types.ObjectUpdate{Kind: types.ObjectUpdateKindModify, Obj: ref}
	if old == nil {
		out.Kind = types.ObjectUpdateKindEnter
	} else {
		now.entered, now.changed = old.entered, old.changed
	}
	for _, path := range paths(v.Type(), spec) {
		if privilege := r.lacks(p.user, ref, path); privilege != "" {
			if old == nil {
				out.MissingSet = append(out.MissingSet, missing(ref, path, privilege))
			}
			continue
		}
		x, ok := r.get(ref, v, path)
		if !ok {
			if old != nil && (old.has(path) || old.stale[path]) {
				out.ChangeSet = append(out.ChangeSet, types.PropertyChange{Name: path, Op: types.PropertyChangeOpAssign})
				now.note(path, next)
			}
			continue
		}
		told := len(out.ChangeSet)
		f.compare(out, old, now, path, x, ver)
		if old != nil && len(out.ChangeSet) > told {
			now.note(path, next)
		}
	}
	f.known[ref] = now
	if old != nil && len(out.ChangeSet) == 0 {
		return nil
	}
	return out
}

func (o *report) has(path string) bool {
	_, ok := o.props[path]
	return ok
}

// compare adds the changes of one path: as a whole, or with partialUpdates field by field.
func (f *filter) compare(out *types.ObjectUpdate, old, now *report, path string, x reflect.Value, ver wire.Version) {
	text := encode(x, ver)
	now.props[path] = text
	nested := f.partial && x.Kind() == reflect.Struct && x.Type() != refType && x.Type().String() != timeKind
	if old != nil && old.props[path] == text {
		for k, t := range old.props { // what is below is the same too
			if nested && strings.HasPrefix(k, path+".") {
				now.props[k] = t
			}
		}
		return
	}
	if old == nil || !old.has(path) || !nested {
		out.ChangeSet = append(out.ChangeSet, types.PropertyChange{Name: path, Op: types.PropertyChangeOpAssign, Val: addr(x)})
		if nested {
			f.note(now, path, x, ver)
		}
		return
	}
	info := wire.Of(x.Type())
	for i := range info.Fields {
		fd := &info.Fields[i]
		if fd.Version.After(ver) {
			continue
		}
		y := x.FieldByIndex(fd.Index)
		for (y.Kind() == reflect.Pointer || y.Kind() == reflect.Interface) && !y.IsNil() {
			y = y.Elem()
		}
		sub := path + "." + fd.Name
		if !set(y, fd.Omit || fd.Optional, false) || ((y.Kind() == reflect.Pointer || y.Kind() == reflect.Interface) && y.IsNil()) {
			if old.has(sub) {
				out.ChangeSet = append(out.ChangeSet, types.PropertyChange{Name: sub, Op: types.PropertyChangeOpAssign})
			}
			continue
		}
		f.compare(out, old, now, sub, y, ver)
	}
}

// note records the nested values without reporting them.
func (f *filter) note(now *report, path string, x reflect.Value, ver wire.Version) {
	f.compare(&types.ObjectUpdate{}, &report{props: map[string]string{path: ""}}, now, path, x, ver)
}

func encode(x reflect.Value, ver wire.Version) string {
	enc := &wire.Encoder{Version: ver}
	enc.Any("v", x)
	return enc.String()
}
