package vm

// folder.go serves datastore files: GET, HEAD, PUT and DELETE of /folder/PATH?dcPath=..&dsName=..
// for sessions (and for one-time tickets of AcquireGenericServiceTicket).

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/session"
)

var (
	_ = rule("file.session", "documented", "real", "vSphere Web Services SDK guide: datastore access over HTTPS", "/folder requires the session's cookie (or a vmware_cgi_ticket): 401 without.")
	_ = rule("file.datastore", "seen", "real", "govmomi Datastore.NewURL", "/folder takes dcPath and dsName; an unknown one, or a missing file, is 404.")
	_ = rule("file.privilege", "documented", "real", "API reference: Datastore.Browse, Datastore.FileManagement", "Reading needs Datastore.Browse, writing Datastore.FileManagement: 403 without.")
	_ = rule("file.ticket", "documented", "real", "API reference: AcquireGenericServiceTicket", "A ticket is valid for one request.")
)

type tickets struct {
	mu   sync.Mutex
	live map[string]time.Time
}

func (t *tickets) use(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.live[id]
	delete(t.live, id)
	return ok && time.Now().Before(until)
}

func (r *Service) registerFolder() {
	t := &tickets{live: map[string]time.Time{}}
	r.s.Handle("AcquireGenericServiceTicket", func(c *api.Call) (any, *fault.Error) {
		id := "52" + strings.ReplaceAll(uuid.NewString(), "-", "")
		t.mu.Lock()
		t.live[id] = time.Now().Add(2 * time.Minute)
		t.mu.Unlock()
		return &types.AcquireGenericServiceTicketResponse{Returnval: types.SessionManagerGenericServiceTicket{Id: id}}, nil
	})
	r.s.HTTP("/folder/", func(w http.ResponseWriter, q *http.Request, s *session.Session) { r.folder(w, q, s, t) })
	r.s.HTTP("/guestFile", r.guestFile)
}

// mayFile reports whether a session's user holds a privilege on the datastore of that name.
func (r *Service) mayFile(s *session.Session, privilege, datastore string) bool {
	r.w.RLock()
	defer r.w.RUnlock()
	ref, ok := r.w.Named("Datastore", datastore)
	if !ok {
		ref = r.w.Content.RootFolder
	}
	return r.s.May(s.User, privilege, ref)
}

// inCenter reports whether a datastore is in the datacenter of that name.
func (r *Service) inCenter(datastore, center string) bool {
	r.w.RLock()
	defer r.w.RUnlock()
	ref, ok := r.w.Named("Datastore", datastore)
	return ok && r.w.Center(ref).Name == center
}

func (r *Service) folder(w http.ResponseWriter, q *http.Request, s *session.Session, t *tickets) {
	if s == nil {
		ok := false
		if c, err := q.Cookie("vmware_cgi_ticket"); err == nil {
			ok = t.use(strings.Trim(c.Value, `"`))
		}
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
			http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
			return
		}
	}
	need := "Datastore.Browse"
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		need = "Datastore.FileManagement"
	}
	dc, ds := q.URL.Query().Get("dcPath"), q.URL.Query().Get("dsName")
	if s != nil && !r.mayFile(s, need, ds) {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	if i := strings.LastIndexByte(dc, '/'); i >= 0 {
		dc = dc[i+1:]
	}
	if dc != "" && !r.inCenter(ds, dc) {
		http.NotFound(w, q)
		return
	}
	file, _, ok := r.datastoreFile(fmt.Sprintf("[%s] %s", ds, strings.TrimPrefix(q.URL.Path, "/folder/")))
	if !ok {
		http.NotFound(w, q)
		return
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		f, err := os.Open(file)
		if err != nil {
			http.NotFound(w, q)
			return
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil || st.IsDir() {
			http.NotFound(w, q)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, q, "", st.ModTime(), f)
	case http.MethodPut, http.MethodPost:
		code := http.StatusCreated
		if isFile(file) {
			code = http.StatusOK
		}
		if st, err := os.Stat(filepath.Dir(file)); err != nil || !st.IsDir() {
			http.Error(w, "404 Not Found: the directory does not exist", http.StatusNotFound)
			return
		}
		if err := put(file, q.Body, q.ContentLength); err != nil {
			http.Error(w, r.w.ScrubText(err.Error()), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(code)
	case http.MethodDelete:
		if !isFile(file) {
			http.NotFound(w, q)
			return
		}
		if err := os.Remove(file); err != nil {
			http.Error(w, r.w.ScrubText(err.Error()), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
	}
}

// put writes a file whole or not at all.
func put(file string, body io.Reader, want int64) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".upload-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	n, err := io.Copy(tmp, body)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil && want >= 0 && n != want {
		err = fmt.Errorf("the upload ended after %d of %d bytes", n, want)
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(tmp.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
