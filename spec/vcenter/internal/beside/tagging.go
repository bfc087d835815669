package beside

// tagging.go: reading tags below /api, whose answers are those of /rest without "value" around them.

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var _ = rules.Add(rules.Rule{ID: "beside.api-tagging", Sure: "documented", As: "laxer: a real one also creates, changes and attaches tags here", Source: "vSphere Automation API reference: Cis Tagging Category list, get; Tag list, get; Tag Association list-attached-tags-on-objects (POST /cis/tagging/tag-association?action=list-attached-tags-on-objects); since 7.0 Update 2",
	Text: "Tags and categories can be read below /api/cis/tagging: the answer is the JSON value itself, an unknown id or path is NOT_FOUND (404), no session UNAUTHENTICATED (401)."})

const taggingPath = "/api/cis/tagging/"

func (b *service) serveTagging(w http.ResponseWriter, q *http.Request, ses *session.Session) {
	b.start()
	if ses == nil {
		fail(w, q, http.StatusUnauthorized, "unauthenticated", "Authentication required.")
		return
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, 32<<20))
	if err != nil {
		fail(w, q, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	kind, id, one := strings.Cut(strings.TrimPrefix(q.URL.Path, taggingPath), "/")
	var path string
	var spec any
	switch action := q.URL.Query().Get("action"); {
	case q.Method == http.MethodGet && q.URL.RawQuery == "" && (kind == "category" || kind == "tag"):
		path = kind
		if one {
			path += "/id:" + id
		}
	case q.Method == http.MethodPost && kind == "tag-association" && !one && action == "list-attached-tags-on-objects":
		var given struct {
			Objects []struct {
				ID   string `json:"id"`
				Type string `json:"type"`
			} `json:"object_ids"`
		}
		if err := json.Unmarshal(body, &given); err != nil || given.Objects == nil {
			fail(w, q, http.StatusBadRequest, "invalid_argument", "object_ids is missing, or is no list of objects.")
			return
		}
		path, spec = kind+"?~action="+action, given
	default:
		fail(w, q, http.StatusNotFound, "not_found", "The path or action does not exist.")
		return
	}
	var value any
	if !b.get(q.Method, path, spec, &value) {
		fail(w, q, http.StatusNotFound, "not_found", "There is no "+kind+" "+id+".")
		return
	}
	if value == nil {
		value = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
