// Package truth is the record of an observer who sees everything: a timeline of events,
// the violations of the fleet's invariants, and sections that packages compute on request.
// It is served at /gpsim/truth and is never visible through the vim25 API.
//
// Code that works under the world lock for a request marks it (By); events and violations
// in the meantime carry its number, so that they can be looked up in the journal.
package truth

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cause is the request behind what happens, as it is in the journal.
type Cause struct {
	N           int       `json:"n"` // the journal's number; 0 is a manual change
	T           time.Time `json:"t"`
	Method      string    `json:"method"`
	This        string    `json:"this,omitempty"`
	User        string    `json:"user,omitempty"`
	Session     string    `json:"session,omitempty"`
	OperationID string    `json:"operationID,omitempty"`
	Task        string    `json:"task,omitempty"`
}

// String is the cause as a person reads it.
func (c *Cause) String() string {
	if c == nil {
		return "no request: it happened by itself"
	}
	if c.N == 0 {
		return fmt.Sprintf("%s at %s", c.Method, c.T.Format("15:04:05.000"))
	}
	text := fmt.Sprintf("request %d, %s", c.N, c.Method)
	for _, x := range [][2]string{{" on ", c.This}, {" by ", c.User}, {", operationID ", c.OperationID}, {", ", c.Task}} {
		if x[1] != "" {
			text += x[0] + x[1]
		}
	}
	return text + " at " + c.T.Format("15:04:05.000")
}

// Event is one line of the timeline.
type Event struct {
	T    time.Time `json:"t"`
	Kind string    `json:"kind"`
	Host string    `json:"host,omitempty"`
	VM   string    `json:"vm,omitempty"`
	What string    `json:"what"`
	N    int       `json:"n,omitempty"` // the request that led to it
}

// Violation says which invariant was broken, how, by which request, and what went before.
type Violation struct {
	T      time.Time `json:"t"`
	Rule   string    `json:"rule"`
	What   string    `json:"what"`
	Why    string    `json:"why"` // By as a sentence
	By     *Cause    `json:"by,omitempty"`
	Before []Event   `json:"before,omitempty"` // of the first violation: the last events of what it names
}

// before is how many events the first violation recalls.
const before = 8

// Log collects both.
type Log struct {
	mu         sync.Mutex
	events     []Event
	violations []Violation
	sections   map[string]func() any
	cause      atomic.Pointer[Cause]
}

// By records the request on whose behalf the world changes from now on, until the returned
// function is called. The caller holds the world lock for writing.
func (l *Log) By(c *Cause) func() {
	was := l.cause.Swap(c)
	return func() { l.cause.Store(was) }
}

// Cause is the current request, nil when there is none.
func (l *Log) Cause() *Cause { return l.cause.Load() }

// New creates an empty log.
func New() *Log {
	return &Log{events: []Event{}, violations: []Violation{}, sections: map[string]func() any{}}
}

// Host records an event of a host.
func (l *Log) Host(kind, host, format string, args ...any) {
	l.add(Event{Kind: kind, Host: host, What: fmt.Sprintf(format, args...)})
}

// VM records an event of a virtual machine.
func (l *Log) VM(kind, host, vm, format string, args ...any) {
	l.add(Event{Kind: kind, Host: host, VM: vm, What: fmt.Sprintf(format, args...)})
}

func (l *Log) add(e Event) {
	e.T = time.Now()
	if c := l.Cause(); c != nil {
		e.N = c.N
	}
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
}

// Violate records a broken invariant on behalf of the current request.
func (l *Log) Violate(rule, format string, args ...any) {
	l.ViolateBy(l.Cause(), rule, format, args...)
}

// ViolateBy records one that was found after the request that led to it.
func (l *Log) ViolateBy(c *Cause, rule, format string, args ...any) {
	v := Violation{T: time.Now(), Rule: rule, What: fmt.Sprintf(format, args...), By: c, Why: c.String()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.violations) == 0 {
		for i := len(l.events) - 1; i >= 0 && len(v.Before) < before; i-- {
			if e := l.events[i]; (e.Host != "" && names(v.What, e.Host)) || (e.VM != "" && names(v.What, e.VM)) {
				v.Before = append([]Event{e}, v.Before...)
			}
		}
	}
	l.violations = append(l.violations, v)
}

// names reports whether a sentence has a name as a word of its own: esx-1 is not esx-12.
func names(text, name string) bool {
	for i := 0; ; {
		k := strings.Index(text[i:], name)
		if k < 0 {
			return false
		}
		a, z := i+k, i+k+len(name)
		if (a == 0 || !word(text[a-1])) && (z == len(text) || !word(text[z])) {
			return true
		}
		i = a + 1
	}
}

func word(b byte) bool {
	return b == '-' || b == '_' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// Violations returns those found so far.
func (l *Log) Violations() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Violation{}, l.violations...)
}

// Timeline returns the events so far.
func (l *Log) Timeline() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Event{}, l.events...)
}

// Section adds a part of the truth page; f runs with the world lock held for reading.
func (l *Log) Section(name string, f func() any) {
	l.mu.Lock()
	l.sections[name] = f
	l.mu.Unlock()
}

// Page is the whole page; the caller holds the world lock for reading.
func (l *Log) Page() map[string]any {
	l.mu.Lock()
	sections := make(map[string]func() any, len(l.sections))
	for k, f := range l.sections {
		sections[k] = f
	}
	l.mu.Unlock()
	page := map[string]any{"timeline": l.Timeline(), "violations": l.Violations()}
	for k, f := range sections {
		page[k] = f()
	}
	return page
}
