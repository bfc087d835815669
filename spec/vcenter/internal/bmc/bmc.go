// Package bmc is the BMC of a host: a strict Redfish service with the BIOS settings of the
// host and the manners of its vendor. What is pending comes into force when the host boots, so
// that a host that the test vCenter reboots comes back with its new settings.
package bmc

import (
	"fmt"
	"math/rand"
	"sync"
	"time"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/host"
)

// Board is a host as its BMC sees it.
type Board interface {
	Name() string
	UUID() string
	Switched(name string) bool // iommu, above_4g: as the next boot will find it
	Switch(name string, on bool)
}

// BMC is one service.
type BMC struct {
	h    Board
	m    *manner
	d    *fleet.BMC
	now  func() time.Duration
	base string // its URL, for absolute Locations

	mu       sync.Mutex
	current  map[string]any
	pending  map[string]any
	tag      int // the ETag of the settings
	jobs     []*job
	messages []any // the verdict of the last boot
	sessions map[string]string
	made     int // sessions and jobs ever made
	requests []string
	refused  int // logins
	trouble  trouble
	old      *snapshot
}

// trouble is what goes wrong at it.
type trouble struct {
	Busy       int             // the next requests, which are answered 503
	RetryAfter string          // of them; "" = none
	Drop       map[string]bool // attributes that a boot does not take
	Hostile    string          // deep, large, redirect, elsewhere, html, truncated, list: what GET of Bios answers
	Fail       bool            // jobs fail
	Locked     bool            // the BIOS has an administrator password
	Reset      int             // after so many changes the connection breaks without an answer
	Absolute   bool            // Locations are absolute, with another name
	Late       time.Duration   // after a boot it shows for so long what it had before
}

// snapshot is what a BMC showed before a boot, and until when it still does.
type snapshot struct {
	until            time.Duration
	current, pending map[string]any
}

// New makes the BMC of a host.
func New(h Board, d *fleet.BMC, now func() time.Duration) *BMC {
	b := &BMC{h: h, m: manners[d.Manner], d: d, now: now, current: map[string]any{}, pending: map[string]any{}, sessions: map[string]string{}}
	for _, a := range b.m.attributes {
		if a.kind != "Password" {
			b.current[a.name] = a.now
		}
	}
	for name, v := range d.Attributes {
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			v = int64(f)
		}
		b.current[name] = v
	}
	b.board(false)
	return b
}

// Service is all BMCs of a fleet.
type Service struct{ all []*BMC }

// All lists them.
func (s *Service) All() []*BMC { return s.all }

// Name of its host.
func (b *BMC) Name() string { return b.h.Name() }

// At tells a BMC its address.
func (b *BMC) At(url string) { b.base = url }

// Register makes a BMC for each host of the fleet that has one.
func Register(s *api.Server, hosts *host.Hosts) *Service {
	v := &Service{}
	for _, h := range hosts.All() {
		if h.Desc.BMC != nil {
			b := New(h, h.Desc.BMC, s.W.Clock.Now)
			h.AtBoot = b.boot
			v.all = append(v.all, b)
		}
	}
	s.OnSet(v.set)
	s.W.Truth.Section("bmcs", v.truth)
	return v
}

func (v *Service) truth() any {
	out := []any{}
	for _, b := range v.all {
		b.mu.Lock()
		jobs := []any{}
		for _, j := range b.jobs {
			jobs = append(jobs, map[string]any{"id": j.id, "state": j.state(b.now())})
		}
		out = append(out, map[string]any{"host": b.h.Name(), "current": clone(b.current), "pending": clone(b.pending), "sessions": len(b.sessions),
			"logins": b.made, "refused": b.refused, "requests": append([]string{}, b.requests...), "jobs": jobs, "url": b.base})
		b.mu.Unlock()
	}
	return out
}

func clone(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// set is POST /gpsim/set {"bmc": HOST, ...}.
func (v *Service) set(change map[string]any) (bool, error) {
	name, ok := change["bmc"].(string)
	if !ok {
		return false, nil
	}
	for _, b := range v.all {
		if b.h.Name() == name {
			return true, b.change(change)
		}
	}
	return true, fmt.Errorf("no host %q has a BMC", name)
}

func (b *BMC) change(m map[string]any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, x := range m {
		on, _ := x.(bool)
		s, _ := x.(string)
		n, _ := x.(float64)
		switch k {
		case "bmc":
		case "busy":
			b.trouble.Busy = int(n)
		case "retry_after":
			b.trouble.RetryAfter = s
		case "hostile":
			b.trouble.Hostile = s
		case "bios_password":
			b.trouble.Locked = on
		case "fail_jobs":
			b.trouble.Fail = on
		case "absolute":
			b.trouble.Absolute = on
		case "reset_after":
			b.trouble.Reset = int(n)
		case "late": // seconds
			b.trouble.Late = time.Duration(n * float64(time.Second))
		case "drop": // attributes that the next boots do not take
			b.trouble.Drop = map[string]bool{}
			list, _ := x.([]any)
			for _, one := range list {
				b.trouble.Drop[fmt.Sprint(one)] = true
			}
		case "expire": // every session
			b.sessions = map[string]string{}
		case "forget":
			b.requests = nil
		case "password":
			b.d.Password = s
		case "pending", "current": // another user's hand
			to := b.pending
			if k == "current" {
				to = b.current
			}
			list, _ := x.(map[string]any)
			for name, v := range list {
				to[name] = v
			}
			b.tag++
		case "finished": // so many jobs of the past
			for range int(n) {
				b.addJob().done = true
			}
		case "job": // another user's job for the BIOS
			b.addJob()
		default:
			return fmt.Errorf("bmc %s: unknown change %q", b.h.Name(), k)
		}
	}
	return nil
}

// ---- jobs of an iDRAC

type job struct {
	id    string
	from  time.Duration
	delay time.Duration
	done  bool
	until time.Duration // it shows that it is done from then on
	fails bool
}

func (j *job) state(now time.Duration) string {
	switch {
	case j.fails:
		return "Failed"
	case j.done && now >= j.until:
		return "Completed"
	case j.done || now-j.from >= j.delay:
		return "Scheduled"
	}
	return "New"
}

func (b *BMC) addJob() *job {
	b.made++
	j := &job{id: fmt.Sprintf("JID_%012d", 400000000000+b.made*1000+rand.Intn(1000)), from: b.now(), fails: b.trouble.Fail,
		delay: time.Duration(b.d.JobSeconds * float64(time.Second))}
	b.jobs = append(b.jobs, j)
	return j
}

// waiting reports a job for the BIOS that is not finished.
func (b *BMC) waiting() bool {
	for _, j := range b.jobs {
		if s := j.state(b.now()); s == "New" || s == "Scheduled" {
			return true
		}
	}
	return false
}
