package beside

// sts.go: the token service.

import (
	"crypto/subtle"
	"io"
	"net/http"
	"time"

	"gpupt.test/vcenter/internal/session"
)

func (b *service) serveSTS(w http.ResponseWriter, q *http.Request, _ *session.Session) {
	if q.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.s.SSO.Trust(w, body, time.Now(), func(name, password string) bool {
		u := b.s.Sessions.User(name)
		return u != nil && subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1
	})
}
