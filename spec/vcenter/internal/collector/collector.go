// Package collector is the property collector: reading many objects at once, in pages of
// the server's own size, and waiting for updates with versions that are enforced. It
// looks only at objects that were touched, so it stays fast with thousands of tasks.
package collector

import (
	"sync"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/world"
)

var (
	_ = rules.Add(rules.Rule{ID: "collector.paging", Sure: "documented", As: "stricter: the size of a real one's page is not published; here it is 100 (-page), so that clients meet a second page", Source: "API reference: RetrieveOptions.maxObjects is an upper bound, the server may return fewer with a token",
		Text: "RetrievePropertiesEx returns pages of the server's own size; a token is redeemed once, in its own session, by ContinueRetrievePropertiesEx or CancelRetrievePropertiesEx."})
	_ = rules.Add(rules.Rule{ID: "collector.invalid-property", Sure: "documented", As: "real", Source: "API reference: RetrievePropertiesEx throws InvalidProperty",
		Text: "A property path that the type does not have faults the whole call with InvalidProperty."})
	_ = rules.Add(rules.Rule{ID: "collector.permission", Sure: "documented", As: "real", Source: "API reference: ObjectContent.missingSet (NoPermission)",
		Text: "Properties of an entity on which the user lacks System.Read are in missingSet with NoPermission, not as a fault of the call."})
	_ = rules.Add(rules.Rule{ID: "collector.version", Sure: "documented", As: "real", Source: "API reference: WaitForUpdatesEx, InvalidCollectorVersion",
		Text: "WaitForUpdatesEx accepts the empty version, and any version that it returned since the last empty one and that was not truncated: later changes are reported (again). Any other is InvalidCollectorVersion."})
	_ = rules.Add(rules.Rule{ID: "collector.truncated-once", Sure: "documented", As: "real", Source: "API reference: WaitForUpdatesEx.version: a truncated data version returned from the last call",
		Text: "The version of a truncated update set is valid only in the next call: a client that lost the answer to that call starts again with the empty version."})
	_ = rules.Add(rules.Rule{ID: "collector.truncated", Sure: "documented", As: "stricter: the limit of a real one is not published; here it is 100 (-max-updates)", Source: "API reference: UpdateSet.truncated",
		Text: "An update set contains no more objects than the server's limit or maxObjectUpdates; truncated means that more updates are ready."})
	_ = rules.Add(rules.Rule{ID: "collector.whole", Sure: "documented", As: "real", Source: "API reference: WaitForUpdatesEx, unlike WaitForUpdates, may return only partial update calculations",
		Text: "WaitForUpdates and CheckForUpdates return all changes in one set."})
	_ = rules.Add(rules.Rule{ID: "collector.missing-object", Sure: "documented", As: "real", Source: "API reference: PropertyFilterSpec.reportMissingObjectsInResults",
		Text: "A missing object of the objectSet is ManagedObjectNotFound; with reportMissingObjectsInResults a retrieval leaves it out and an update set lists it in missingSet."})
	_ = rules.Add(rules.Rule{ID: "collector.timeout", Sure: "documented", As: "real", Source: "API reference: WaitOptions.maxWaitSeconds",
		Text: "When nothing happens for maxWaitSeconds the answer has no returnval."})
	_ = rules.Add(rules.Rule{ID: "collector.cancel", Sure: "documented", As: "real", Source: "API reference: CancelWaitForUpdates, RequestCanceled",
		Text: "CancelWaitForUpdates ends the current wait on that collector with RequestCanceled."})
	_ = rules.Add(rules.Rule{ID: "collector.partial", Sure: "documented", As: "real", Source: "API reference: CreateFilter.partialUpdates",
		Text: "With partialUpdates a change names the nested property (info.state), else the property of the filter (info)."})
)

// Limits bound the size of one answer.
type Limits struct {
	Page    int // objects per page
	Updates int // objects per update set
}

// Service is the property collector of the whole server.
type Service struct {
	w      *world.World
	s      *api.Server
	limits Limits
	// sessions are read for SessionManager.sessionList
	sessions *session.Manager
	mu       sync.Mutex
	views    map[refs]*view
	tokens   map[string]*pages
	pcs      map[pcKey]*pc
	wait     struct{ now, peak int }
}

type pcKey struct {
	session string
	ref     refs
}

// New registers the collector with the server.
func New(s *api.Server, l Limits) *Service {
	if l.Page <= 0 {
		l.Page = 100
	}
	if l.Updates <= 0 {
		l.Updates = 100
	}
	r := &Service{w: s.W, s: s, limits: l, sessions: s.Sessions, views: map[refs]*view{}, tokens: map[string]*pages{}, pcs: map[pcKey]*pc{}}
	s.W.Listen(r)
	s.Sessions.OnEnd(r.ended)
	r.registerRetrieve(s)
	r.registerViews(s)
	r.registerFilters(s)
	return r
}

// Stats are the numbers for /gpsim/sessions.
func (r *Service) Stats() map[string]func() any {
	locked := func(f func() any) func() any {
		return func() any { r.mu.Lock(); defer r.mu.Unlock(); return f() }
	}
	return map[string]func() any{
		"views": locked(func() any { return len(r.views) }),
		"filters": locked(func() any {
			n := 0
			for _, p := range r.pcs {
				n += p.count()
			}
			return n
		}),
		"collectors":   locked(func() any { return len(r.pcs) }),
		"tokens":       locked(func() any { return len(r.tokens) }),
		"waiting":      locked(func() any { return r.wait.now }),
		"peak_waiting": locked(func() any { return r.wait.peak }),
	}
}

// ended drops what belonged to a session.
func (r *Service) ended(s *session.Session) {
	r.mu.Lock()
	var gone []*pc
	for k, p := range r.pcs {
		if k.session == s.Key {
			delete(r.pcs, k)
			gone = append(gone, p)
		}
	}
	for k, v := range r.views {
		if v.owner == s {
			delete(r.views, k)
		}
	}
	for k, t := range r.tokens {
		if t.owner == s {
			delete(r.tokens, k)
		}
	}
	r.mu.Unlock()
	for _, p := range gone {
		p.destroy()
	}
}

// collector finds the collector that a call is made on; the default one is created on demand
// for each session.
func (r *Service) collector(c *api.Call) (*pc, *fault.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := pcKey{c.Session.Key, c.This}
	p := r.pcs[k]
	if p == nil {
		if c.This != r.w.Content.PropertyCollector {
			return nil, fault.NotFound(c.This)
		}
		p = newPC(r, c.This, c.Session)
		r.pcs[k] = p
	}
	return p, nil
}

// Changed, Added and Removed receive the world's changes.
func (r *Service) Changed(ref refs) {
	r.mu.Lock()
	all := make([]*pc, 0, len(r.pcs))
	for _, p := range r.pcs {
		all = append(all, p)
	}
	r.mu.Unlock()
	for _, p := range all {
		p.changed(ref)
	}
}

func (r *Service) Added(ref refs)   { r.membership(ref) }
func (r *Service) Removed(ref refs) { r.membership(ref); r.Changed(ref) }

// membership informs the collectors that a view may have other members now.
func (r *Service) membership(ref refs) {
	r.mu.Lock()
	var hit []refs
	for _, v := range r.views {
		if v.wants(ref.Type) {
			hit = append(hit, v.self)
		}
	}
	r.mu.Unlock()
	for _, v := range hit {
		r.Changed(v)
	}
}
