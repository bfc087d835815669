package main

// tasks.go: a server that does nothing but let tasks run and end, for bench/wait.lua: how late the end of a task is
// noticed by a client, without the time that a whole vCenter's simulation takes to answer. A property collector reports
// a task when its filter or its list view gets it, and when it ends.

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

type ref = types.ManagedObjectReference

// filter is what a collector watches: the tasks of its objects, and those of a view.
type filter struct {
	self, view ref
	paths      []string
	tasks      map[string]bool
}

// collector has the changes that its client has not been given yet.
type collector struct {
	filters map[string]*filter
	changes map[string][]types.ObjectUpdate
	wake    chan struct{}
	cancel  chan struct{}
	version int
}

type tasks struct {
	sync.Mutex
	infos      map[string]*types.TaskInfo
	views      map[string]map[string]bool
	collectors map[string]*collector
	calls      []string
	next       int
	waiting    int
	peak       int
}

func (s *tasks) name(kind, word string) ref {
	s.next++
	return ref{Type: kind, Value: fmt.Sprintf("%s-%d", word, s.next)}
}

// value is a property of a task; nil if it is unset.
func value(info *types.TaskInfo, path string) any {
	switch path {
	case "info":
		return *info
	case "info.key":
		return info.Key
	case "info.task":
		return info.Task
	case "info.name":
		return info.Name
	case "info.descriptionId":
		return info.DescriptionId
	case "info.state":
		return info.State
	case "info.cancelled":
		return info.Cancelled
	case "info.cancelable":
		return info.Cancelable
	case "info.queueTime":
		return info.QueueTime
	case "info.eventChainId":
		return info.EventChainId
	case "info.reason":
		return info.Reason
	case "info.completeTime":
		if info.CompleteTime != nil {
			return *info.CompleteTime
		}
	}
	return nil
}

func (c *collector) push(f *filter, update types.ObjectUpdate) {
	c.changes[f.self.Value] = append(c.changes[f.self.Value], update)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (s *tasks) enter(c *collector, f *filter, id string) {
	info := s.infos[id]
	if info == nil || f.tasks[id] {
		return
	}
	f.tasks[id] = true
	update := types.ObjectUpdate{Kind: types.ObjectUpdateKindEnter, Obj: ref{Type: "Task", Value: id}}
	for _, path := range f.paths {
		if v := value(info, path); v != nil {
			update.ChangeSet = append(update.ChangeSet, types.PropertyChange{Name: path, Op: types.PropertyChangeOpAssign, Val: v})
		}
	}
	c.push(f, update)
}

// end is the end of a task: every collector that watches it learns of it.
func (s *tasks) end(id string) {
	s.Lock()
	defer s.Unlock()
	now, info := time.Now(), s.infos[id]
	info.State, info.CompleteTime = types.TaskInfoStateSuccess, &now
	for _, c := range s.collectors {
		for _, f := range c.filters {
			if !f.tasks[id] {
				continue
			}
			update := types.ObjectUpdate{Kind: types.ObjectUpdateKindModify, Obj: ref{Type: "Task", Value: id}}
			for _, path := range f.paths {
				if path == "info" || path == "info.state" || path == "info.completeTime" {
					update.ChangeSet = append(update.ChangeSet,
						types.PropertyChange{Name: path, Op: types.PropertyChangeOpAssign, Val: value(info, path)})
				}
			}
			c.push(f, update)
		}
	}
}

// begin starts tasks of some seconds that end one after the other, within `spread`; their ids, a line each.
func (s *tasks) begin(count int, seconds, spread float64) string {
	s.Lock()
	defer s.Unlock()
	var ids []string
	for i := range count {
		self := s.name("Task", "task")
		s.infos[self.Value] = &types.TaskInfo{Key: self.Value, Task: self, Name: "ReconfigVM_Task",
			DescriptionId: "VirtualMachine.reconfigure", State: types.TaskInfoStateRunning, QueueTime: time.Now(),
			Reason: &types.TaskReasonUser{UserName: "user"}, EventChainId: int32(i)}
		ids = append(ids, self.Value)
		at := seconds + spread*float64(i)/float64(count)
		time.AfterFunc(time.Duration(at*float64(time.Second)), func() { s.end(self.Value) })
	}
	return strings.Join(ids, "\n") + "\n"
}

func (s *tasks) createFilter(c *collector, spec types.PropertyFilterSpec) ref {
	f := &filter{self: s.name("PropertyFilter", "filter"), tasks: map[string]bool{}}
	for _, set := range spec.PropSet {
		if set.Type == "Task" {
			f.paths = set.PathSet
		}
	}
	c.filters[f.self.Value] = f
	for _, object := range spec.ObjectSet {
		if object.Obj.Type == "ListView" {
			f.view = object.Obj
			for id := range s.views[object.Obj.Value] {
				s.enter(c, f, id)
			}
		} else {
			s.enter(c, f, object.Obj.Value)
		}
	}
	return f.self
}

func (s *tasks) modify(view ref, add, remove []ref) {
	members := s.views[view.Value]
	for _, one := range remove {
		delete(members, one.Value)
	}
	for _, one := range add {
		members[one.Value] = true
	}
	for _, c := range s.collectors {
		for _, f := range c.filters {
			if f.view != view {
				continue
			}
			for _, one := range remove {
				if f.tasks[one.Value] {
					delete(f.tasks, one.Value)
					c.push(f, types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: one})
				}
			}
			for _, one := range add {
				s.enter(c, f, one.Value)
			}
		}
	}
}

// wait gives what has changed; nil when the time is over or the wait was cancelled.
func (s *tasks) wait(ctx context.Context, c *collector, seconds int32) *types.UpdateSet {
	s.Lock()
	s.waiting++
	s.peak = max(s.peak, s.waiting)
	defer func() {
		s.waiting--
		s.Unlock()
	}()
	over := time.After(time.Duration(seconds) * time.Second)
	for len(c.changes) == 0 {
		s.Unlock()
		select {
		case <-c.wake:
			s.Lock()
		case <-over:
			s.Lock()
			return nil
		case <-c.cancel:
			s.Lock()
			return nil
		case <-ctx.Done():
			s.Lock()
			return nil
		}
	}
	c.version++
	set := &types.UpdateSet{Version: strconv.Itoa(c.version)}
	for name, updates := range c.changes {
		set.FilterSet = append(set.FilterSet,
			types.PropertyFilterUpdate{Filter: ref{Type: "PropertyFilter", Value: name}, ObjectSet: updates})
	}
	c.changes = map[string][]types.ObjectUpdate{}
	return set
}

func (s *tasks) newCollector(name string) *collector {
	c := &collector{filters: map[string]*filter{}, changes: map[string][]types.ObjectUpdate{},
		wake: make(chan struct{}, 1), cancel: make(chan struct{}, 1)}
	s.collectors[name] = c
	return c
}

// call answers a method; nil for one that the server does not have.
func (s *tasks) call(ctx context.Context, m *simulator.Method) any {
	s.Lock()
	s.calls = append(s.calls, m.Name)
	c := s.collectors[m.This.Value]
	if request, ok := m.Body.(*types.WaitForUpdatesEx); ok {
		s.Unlock()
		seconds := int32(600)
		if request.Options != nil && request.Options.MaxWaitSeconds != nil {
			seconds = *request.Options.MaxWaitSeconds
		}
		return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: s.wait(ctx, c, seconds)}}
	}
	defer s.Unlock()
	switch request := m.Body.(type) {
	case *types.RetrieveServiceContent:
		return &methods.RetrieveServiceContentBody{Res: &types.RetrieveServiceContentResponse{Returnval: vpx.ServiceContent}}
	case *types.Login:
		now := time.Now()
		return &methods.LoginBody{Res: &types.LoginResponse{Returnval: types.UserSession{Key: "session", UserName: "user",
			LoginTime: now, LastActiveTime: now, Locale: "en", MessageLocale: "en"}}}
	case *types.Logout:
		return &methods.LogoutBody{Res: &types.LogoutResponse{}}
	case *types.CurrentTime:
		return &methods.CurrentTimeBody{Res: &types.CurrentTimeResponse{Returnval: time.Now()}}
	case *types.CreatePropertyCollector:
		self := s.name("PropertyCollector", "collector")
		s.newCollector(self.Value)
		return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{Returnval: self}}
	case *types.DestroyPropertyCollector:
		delete(s.collectors, m.This.Value)
		return &methods.DestroyPropertyCollectorBody{Res: &types.DestroyPropertyCollectorResponse{}}
	case *types.CreateFilter:
		return &methods.CreateFilterBody{Res: &types.CreateFilterResponse{Returnval: s.createFilter(c, request.Spec)}}
	case *types.DestroyPropertyFilter:
		for _, c := range s.collectors {
			delete(c.filters, m.This.Value)
			delete(c.changes, m.This.Value)
		}
		return &methods.DestroyPropertyFilterBody{Res: &types.DestroyPropertyFilterResponse{}}
	case *types.CancelWaitForUpdates:
		select {
		case c.cancel <- struct{}{}:
		default:
		}
		return &methods.CancelWaitForUpdatesBody{Res: &types.CancelWaitForUpdatesResponse{}}
	case *types.CreateListView:
		self := s.name("ListView", "list")
		s.views[self.Value] = map[string]bool{}
		s.modify(self, request.Obj, nil)
		return &methods.CreateListViewBody{Res: &types.CreateListViewResponse{Returnval: self}}
	case *types.ModifyListView:
		s.modify(m.This, request.Add, request.Remove)
		return &methods.ModifyListViewBody{Res: &types.ModifyListViewResponse{}}
	}
	return nil
}

type answer struct {
	XMLName xml.Name `xml:"soapenv:Envelope"`
	Env     string   `xml:"xmlns:soapenv,attr"`
	XSD     string   `xml:"xmlns:xsd,attr"`
	XSI     string   `xml:"xmlns:xsi,attr"`
	Body    any      `xml:"soapenv:Body"`
}

const versions = `<?xml version="1.0" encoding="UTF-8"?>
<namespaces version="1.0"><namespace><name>urn:vim25</name><version>8.0.3.0</version></namespace></namespaces>`

func (s *tasks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number := func(name string) float64 {
		n, err := strconv.ParseFloat(r.URL.Query().Get(name), 64)
		check(err)
		return n
	}
	switch {
	case r.URL.Path == "/begin":
		_, _ = io.WriteString(w, s.begin(int(number("count")), number("seconds"), number("spread")))
		return
	case r.URL.Path == "/calls": // since it was asked before
		s.Lock()
		fmt.Fprintln(w, s.peak)
		for _, name := range s.calls {
			fmt.Fprintln(w, name)
		}
		s.calls, s.peak = nil, 0
		s.Unlock()
		return
	case r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, versions)
		return
	}
	text, err := io.ReadAll(r.Body)
	check(err)
	method, err := simulator.UnmarshalBody(func(name string) (reflect.Type, bool) { return types.TypeFunc()(name) }, text)
	check(err)
	body := s.call(r.Context(), method)
	if body == nil {
		check(fmt.Errorf("%s: this server has no such method", method.Name))
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	check(xml.NewEncoder(&out).Encode(&answer{Env: "http://schemas.xmlsoap.org/soap/envelope/",
		XSD: "http://www.w3.org/2001/XMLSchema", XSI: "http://www.w3.org/2001/XMLSchema-instance", Body: body}))
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	http.SetCookie(w, &http.Cookie{Name: "vmware_soap_session", Value: "session"})
	_, _ = w.Write(out.Bytes())
}

// serveTasks prints "HOST:PORT" and writes its certificate to a file; it serves until standard input ends.
func serveTasks(authorities string) {
	s := &tasks{infos: map[string]*types.TaskInfo{}, views: map[string]map[string]bool{}, collectors: map[string]*collector{}}
	s.newCollector("propertyCollector")
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that give up a connection
	server.StartTLS()
	defer server.Close()
	check(os.WriteFile(authorities, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	fmt.Println(server.Listener.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
