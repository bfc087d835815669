package front

// trouble_file.go: what may go wrong with a plain HTTP request: a datastore's file below /folder,
// a guest's below /guestFile, the page of versions. The request takes effect or not, and
// its bytes come late, slowly, in part or not at all.

import (
	"net/http"
	"sync"
	"time"
)

// ofFile are the kinds that make sense for a file: the others are about SOAP.
func ofFile(kind string) bool {
	switch kind {
	case "reset-before", "reset-after", "hold", "status", "html", "truncate", "slow", "session-lost", "close":
		return true
	}
	return false
}

// file is request for a file: only rules that apply to a transfer match.
func (t *Trouble) file(rec *Record) *action {
	a := &action{rule: t.take(rec.Method, rec.This, ofFile), object: rec.This, rec: rec}
	if a.rule != nil {
		rec.Trouble = a.rule.Do.Kind
	}
	return a
}

// wrap applies the same rules to file transfers: interrupted after a number of bytes, slow,
// delayed, or never answered although the request took effect.
func (a *action) wrap(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	switch k := a.kind(); k {
	case "truncate", "slow":
		return &spoiled{ResponseWriter: w, cut: k == "truncate", left: a.rule.Do.Bytes, step: a.rule.Do.Bytes}
	case "hold":
		return &held{ResponseWriter: w, wait: func() { a.hold(r) }}
	case "reset-after":
		return nowhere{w.Header()}
	case "close":
		w.Header().Set("Connection", "close")
	}
	return w
}

// hold delays an answer for a time, or until the client disconnects.
func (a *action) hold(r *http.Request) {
	var enough <-chan time.Time
	if s := a.rule.Do.Seconds; s > 0 {
		enough = time.After(time.Duration(s * float64(time.Second)))
	}
	select {
	case <-enough:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// held waits before the first byte of the answer.
type held struct {
	http.ResponseWriter
	once sync.Once
	wait func()
}

func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *held) WriteHeader(code int) {
	h.once.Do(h.wait)
	h.ResponseWriter.WriteHeader(code)
}

func (h *held) Write(b []byte) (int, error) {
	h.once.Do(h.wait)
	return h.ResponseWriter.Write(b)
}

// nowhere swallows an answer.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

type spoiled struct {
	http.ResponseWriter
	cut        bool
	left, step int
}

func (s *spoiled) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *spoiled) Write(b []byte) (int, error) {
	if !s.cut {
		n := s.step
		if n <= 0 {
			n = 4096
		}
		done := 0
		for done < len(b) {
			end := min(done+n, len(b))
			m, err := s.ResponseWriter.Write(b[done:end])
			if done += m; err != nil {
				return done, err
			}
			_ = http.NewResponseController(s.ResponseWriter).Flush()
			time.Sleep(10 * time.Millisecond)
		}
		return done, nil
	}
	if len(b) <= s.left {
		s.left -= len(b)
		return s.ResponseWriter.Write(b)
	}
	_, _ = s.ResponseWriter.Write(b[:s.left])
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
