package vm

// transfer.go: files into and out of a guest. Initiate gives a URL below /guestFile that
// serves one transfer: at an ESXi host it names "*", the server that was called, behind a vCenter the VM's host.

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
	"gpupt.test/vcenter/internal/session"
)

type transfer struct {
	vm      *VM
	path    string
	name    string
	put     bool
	user    string
	size    int64
	attr    types.BaseGuestFileAttributes
	until   time.Time
	boot    *time.Time
	existed bool
}

type transfers struct {
	mu   sync.Mutex
	open map[string]*transfer
}

func (t *transfers) add(x *transfer) string {
	id := uuid.NewString()
	t.mu.Lock()
	t.open[id] = x
	t.mu.Unlock()
	return id
}

func (t *transfers) take(id string) *transfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.open[id]
	delete(t.open, id)
	return x
}

func setManagers(m any, auth, file, proc *types.ManagedObjectReference) {
	if g, ok := m.(*simulator.GuestOperationsManager); ok {
		g.AuthManager, g.FileManager, g.ProcessManager = auth, file, proc
	}
}

// url registers a transfer and gives the address that serves it.
func (r *Service) url(t *transfer) (string, *fault.Error) {
	base, e := r.hosts.Base(t.vm.host())
	if e != nil {
		return "", e
	}
	id := r.files.add(t)
	return base + "/guestFile?id=" + id + "&token=" + id[:8], nil
}

func (r *Service) transferTo(vm *VM, user string, q any) (any, *fault.Error) {
	x := q.(*types.InitiateFileTransferToGuest)
	p, err := vm.guest.Writable(x.GuestFilePath)
	if err != nil {
		return nil, fileFault(err, x.GuestFilePath)
	}
	if st, err := os.Stat(p); err == nil {
		if st.IsDir() {
			return nil, fileFault(guest.ErrIsDir, x.GuestFilePath)
		}
		if !x.Overwrite {
			return nil, fileFault(guest.ErrExists, x.GuestFilePath)
		}
	}
	if st, err := os.Stat(filepath.Dir(p)); err != nil || !st.IsDir() {
		return nil, fileFault(fs.ErrNotExist, x.GuestFilePath)
	}
	if err := vm.guest.Access(user, p, true); err != nil {
		return nil, fileFault(err, x.GuestFilePath)
	}
	if x.FileSize < 0 {
		return nil, fault.InvalidArgument("fileSize")
	}
	if x.FileAttributes != nil {
		_, posix := x.FileAttributes.(*types.GuestPosixFileAttributes)
		_, win := x.FileAttributes.(*types.GuestWindowsFileAttributes)
		windows := vm.guest.OS() == "windows"
		if posix && windows || win && !windows {
			return nil, fault.InvalidArgument("fileAttributes")
		}
	}
	url, e := r.url(&transfer{vm: vm, path: p, name: x.GuestFilePath, put: true, user: user, size: x.FileSize, attr: x.FileAttributes,
		until: time.Now().Add(10 * time.Minute), boot: vm.Runtime.BootTime})
	if e != nil {
		return nil, e
	}
	return &types.InitiateFileTransferToGuestResponse{Returnval: url}, nil
}

func (r *Service) transferFrom(vm *VM, user string, q any) (any, *fault.Error) {
	x := q.(*types.InitiateFileTransferFromGuest)
	p, err := vm.guest.File(x.GuestFilePath)
	if err != nil {
		return nil, fileFault(err, x.GuestFilePath)
	}
	st, err := os.Stat(p)
	if err != nil {
		return nil, fileFault(err, x.GuestFilePath)
	}
	if st.IsDir() {
		return nil, fileFault(guest.ErrIsDir, x.GuestFilePath)
	}
	if err := vm.guest.Access(user, p, false); err != nil {
		return nil, fileFault(err, x.GuestFilePath)
	}
	url, e := r.url(&transfer{vm: vm, path: p, name: x.GuestFilePath, size: st.Size(), until: time.Now().Add(10 * time.Minute), boot: vm.Runtime.BootTime})
	if e != nil {
		return nil, e
	}
	return &types.InitiateFileTransferFromGuestResponse{Returnval: types.FileTransferInformation{Attributes: attributes(vm, p, st), Size: st.Size(), Url: url}}, nil
}

const noAgent = "500 the guest operations agent could not be contacted"

// contacted: the VM still runs as when the transfer was requested, and its Tools answer.
func (r *Service) contacted(t *transfer) bool {
	r.w.RLock()
	defer r.w.RUnlock()
	return t.vm.on() && t.vm.Runtime.BootTime == t.boot && t.vm.guest.Info().Ready
}

// abort receives an upload that does not arrive (rules guest.transfer-aborted, guest.transfer-full), when one is set.
func (t *transfer) abort(body io.Reader) bool {
	restarts, takes := false, int64(0)
	t.vm.guest.Set(func(s *guest.Settable) {
		restarts, s.Restarts, takes = s.Restarts, false, int64(s.TakesMB)<<20
		if !restarts && takes > 0 && t.size > takes {
			s.FreeMB = -1
		}
	})
	switch {
	case restarts:
		_, _ = io.CopyN(io.Discard, body, t.size/2)
		t.vm.wished("reboot")
	case takes > 0 && t.size > takes:
		part, _ := io.ReadAll(io.LimitReader(body, takes))
		_ = os.WriteFile(t.path, part, 0o644)
		t.vm.guest.Own(t.user, t.path)
	default:
		return false
	}
	_, _ = io.Copy(io.Discard, body)
	return true
}

func (r *Service) guestFile(w http.ResponseWriter, q *http.Request, _ *session.Session) {
	w.Header().Set("Connection", "close")
	if r.hosts.Misdirected(q) { // a vCenter has no files of guests
		http.Error(w, "404 Not Found", http.StatusNotFound)
		return
	}
	id := q.URL.Query().Get("id")
	want := http.MethodGet
	t := r.files.take(id)
	if t != nil && t.put {
		want = http.MethodPut
	}
	if t == nil || q.URL.Query().Get("token") != id[:8] || time.Now().After(t.until) {
		http.Error(w, "404 Not Found", http.StatusNotFound)
		return
	}
	if q.Method != want {
		r.files.mu.Lock()
		r.files.open[id] = t
		r.files.mu.Unlock()
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	if !r.contacted(t) {
		http.Error(w, noAgent, http.StatusInternalServerError)
		return
	}
	if !t.put {
		f, err := os.Open(t.path)
		if err != nil {
			http.Error(w, "404 Not Found", http.StatusNotFound)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		if st, err := f.Stat(); err == nil {
			http.ServeContent(w, q, "", st.ModTime(), f)
		}
		return
	}
	if q.ContentLength < 0 {
		http.Error(w, "411 Length Required", http.StatusLengthRequired)
		return
	}
	if q.ContentLength != t.size {
		http.Error(w, "400 the size is not the one announced", http.StatusBadRequest)
		return
	}
	if _, err := os.Stat(t.path); err == nil {
		t.existed = true // its owner stays
	}
	if t.abort(q.Body) {
		http.Error(w, "500 Internal Server Error", http.StatusInternalServerError)
		return
	}
	if err := put(t.path, io.LimitReader(q.Body, t.size), t.size); err != nil {
		http.Error(w, r.w.ScrubText(strings.ReplaceAll(err.Error(), t.path, t.name)), http.StatusInternalServerError)
		return
	}
	if !r.contacted(t) { // its power state changed meanwhile
		os.Remove(t.path)
		http.Error(w, noAgent, http.StatusInternalServerError)
		return
	}
	if !t.existed {
		t.vm.guest.Own(t.user, t.path)
	}
	if e := applyAttributes(t.vm, t.user, t.path, t.name, t.attr); e != nil {
		http.Error(w, e.Message, http.StatusInternalServerError)
	}
}
