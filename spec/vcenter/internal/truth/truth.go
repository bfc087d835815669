// Package truth is what an onlooker who sees everything would write down: a timeline of
// events, the violations of the fleet's invariants, and sections that rooms compute when
// asked. It is served at /gpsim/truth and is never visible through the vim25 API.
package truth

import (
	"fmt"
	"sync"
	"time"
)

// Event is one line of the timeline.
type Event struct {
	T    time.Time `json:"t"`
	Kind string    `json:"kind"`
	Host string    `json:"host,omitempty"`
	VM   string    `json:"vm,omitempty"`
	What string    `json:"what"`
}

// Violation says which invariant was broken, and how.
type Violation struct {
	T    time.Time `json:"t"`
	Rule string    `json:"rule"`
	What string    `json:"what"`
}

// Log collects both.
type Log struct {
	mu         sync.Mutex
	events     []Event
	violations []Violation
	sections   map[string]func() any
}

// New makes an empty log.
func New() *Log {
	return &Log{events: []Event{}, violations: []Violation{}, sections: map[string]func() any{}}
}

// Host notes an event of a host.
func (l *Log) Host(kind, host, format string, args ...any) {
	l.add(Event{Kind: kind, Host: host, What: fmt.Sprintf(format, args...)})
}

// VM notes an event of a virtual machine.
func (l *Log) VM(kind, host, vm, format string, args ...any) {
	l.add(Event{Kind: kind, Host: host, VM: vm, What: fmt.Sprintf(format, args...)})
}

func (l *Log) add(e Event) {
	e.T = time.Now()
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
}

// Violate notes a broken invariant.
func (l *Log) Violate(rule, format string, args ...any) {
	l.mu.Lock()
	l.violations = append(l.violations, Violation{T: time.Now(), Rule: rule, What: fmt.Sprintf(format, args...)})
	l.mu.Unlock()
}

// Violations gives those found so far.
func (l *Log) Violations() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Violation{}, l.violations...)
}

// Timeline gives the events so far.
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
