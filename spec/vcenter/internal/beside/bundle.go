package beside

// bundle.go: the support bundle of a supervisor. It is asked for in a session, and fetched by a token without one.

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// tokens are those that were given out.
type tokens struct {
	mu    sync.Mutex
	given map[string]bool
}

func (t *tokens) give(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given == nil {
		t.given = map[string]bool{}
	}
	t.given[token] = true
}

func (t *tokens) knows(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.given[token]
}

func isBundle(q *http.Request) bool {
	return q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/support-bundle")
}

// fetches reports whether a request without a session brings a token of a bundle.
func (b *service) fetches(q *http.Request, body []byte) bool {
	var wanted struct {
		Token string `json:"wcp-support-bundle-token"`
	}
	return isBundle(q) && json.Unmarshal(body, &wanted) == nil && b.bundles.knows(wanted.Token)
}

// noted passes an answer on and keeps the token that it gives.
type noted struct {
	http.ResponseWriter
	b *service
}

func (n noted) Write(data []byte) (int, error) {
	var answer struct {
		Token struct {
			Token string `json:"token"`
		} `json:"wcp_support_bundle_token"`
	}
	if json.Unmarshal(data, &answer) == nil && answer.Token.Token != "" {
		n.b.bundles.give(answer.Token.Token)
	}
	return n.ResponseWriter.Write(data)
}
