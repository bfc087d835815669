package front

// journal.go: the requests that the server received. One line per request, kept in memory.

import (
	"sync"
	"time"
)

// journalKeep is how many requests are remembered.
const journalKeep = 200000

// Record is one request.
type Record struct {
	N           int       `json:"n"`
	T0          time.Time `json:"t0"`
	T1          time.Time `json:"t1"`
	Method      string    `json:"method"`
	This        string    `json:"this"`
	Session     string    `json:"session"`
	OperationID string    `json:"operationID"`
	Task        string    `json:"task,omitempty"`
	Fault       string    `json:"fault,omitempty"`
	Message     string    `json:"message,omitempty"`
	Changing    bool      `json:"changing"`        // changes the fleet
	Guest       bool      `json:"guest,omitempty"` // works inside a guest
	HTTP        int       `json:"http"`
	Trouble     string    `json:"trouble,omitempty"`
	filed       bool
}

// Journal keeps the records.
type Journal struct {
	mu   sync.Mutex
	n    int
	recs []*Record
}

// NewJournal creates an empty one.
func NewJournal() *Journal { return &Journal{} }

func (j *Journal) open(method, this string) *Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n++
	r := &Record{N: j.n, T0: time.Now(), Method: method, This: this}
	return r
}

// close stores the record, once; from then on it does not change.
func (j *Journal) close(r *Record) {
	if r.filed {
		return
	}
	r.T1, r.filed = time.Now(), true
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.recs = append(j.recs, r); len(j.recs) > journalKeep+journalKeep/8 {
		j.recs = append([]*Record(nil), j.recs[len(j.recs)-journalKeep:]...)
	}
}

// Since returns the records with n greater than since, in the order in which they ended.
func (j *Journal) Since(since int) []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := []Record{}
	for _, r := range j.recs {
		if r.N > since {
			out = append(out, *r)
		}
	}
	return out
}

// Clear forgets all; numbers go on.
func (j *Journal) Clear() {
	j.mu.Lock()
	j.recs = nil
	j.mu.Unlock()
}
