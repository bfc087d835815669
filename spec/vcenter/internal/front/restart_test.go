package front_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const slowly = 40 // virtual seconds pass 40 times as fast: a task of 2 s takes 50 ms

// up waits until the service answers again and gives a client with a new session.
func up(t *testing.T, s *vctest.Server) *vctest.Client {
	t.Helper()
	c := s.Client(t)
	vctest.Eventually(t, "the service is up again", func() bool {
		a := c.Call("RetrieveServiceContent", "ServiceInstance:ServiceInstance", "")
		return a.Err == nil && a.Status == 200
	})
	return s.Login(t)
}

func TestARestartEndsTheSessionsAndWhatTheyHold(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	c.Must("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", "Folder:group-d1")+"<type>HostSystem</type><recursive>true</recursive>")
	if s.Front.Count("views") != 1 {
		t.Fatal("no view")
	}
	s.Control(t, "POST", "/restart", map[string]any{"seconds": 0.2})
	if a := c.Call("CurrentTime", "ServiceInstance:ServiceInstance", ""); a.Status != 503 ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(a.Body, "_serverNamespace = /sdk") {
		t.Fatal(a)
	}
	if res, err := http.Get(s.URL + "/sdk/vimServiceVersions.xml"); err != nil || res.StatusCode != 503 {
		t.Fatal(res, err)
	}
	old := c.Cookie
	up(t, s)
	c.Cookie = old
	c.Refused(c.Call("CurrentTime", "ServiceInstance:ServiceInstance", ""), "NotAuthenticated")
	if n := s.Front.Count("views"); n != 0 {
		t.Fatal(n, "views outlived the restart")
	}
}

func TestARestartWithoutAnyAnswer(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	if err := s.Front.Trouble.Add([]byte(`{"match":{"method":"CurrentTime"},"do":{"kind":"restart-before","seconds":0.3,"refuse":true}}`)); err != nil {
		t.Fatal(err)
	}
	if a := c.Call("CurrentTime", "ServiceInstance:ServiceInstance", ""); a.Err == nil {
		t.Fatal(a)
	}
	if a := s.Client(t).Call("RetrieveServiceContent", "ServiceInstance:ServiceInstance", ""); a.Err == nil {
		t.Fatal(a)
	}
	up(t, s)
}

// A wait under way is answered by the proxy, and at once.
func TestARestartEndsTheWaits(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	c.Must("CreateFilter", "PropertyCollector:propertyCollector", "<spec><propSet><type>HostSystem</type><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", c.Find("DC0/host/gpu-a/esx-a-1"))+"</objectSet></spec><partialUpdates>false</partialUpdates>")
	version := c.Must("WaitForUpdatesEx", "PropertyCollector:propertyCollector", "").Text("version")
	got := make(chan vctest.Answer)
	go func() {
		got <- c.Call("WaitForUpdatesEx", "PropertyCollector:propertyCollector", "<version>"+version+"</version>")
	}()
	vctest.Eventually(t, "the wait", func() bool { return s.Front.Count("waiting") == 1 })
	s.Control(t, "POST", "/restart", map[string]any{"seconds": 0.2, "code": 502})
	select {
	case a := <-got:
		if a.Status != 502 {
			t.Fatal(a)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the wait goes on")
	}
}

// Whether the request took effect, and what becomes of its task.
func TestARestartAndItsTasks(t *testing.T) {
	t.Parallel()
	for tasks, want := range map[string]struct{ known, done bool }{
		"kept": {true, true}, "lost": {false, false}, "untracked": {false, true},
	} {
		s := vctest.Start(t, vcenter.Options{Speed: slowly})
		c := s.Login(t)
		host := c.Find("DC0/host/gpu-a/esx-a-1")
		c.OpID = "enter-" + tasks
		s.Trouble(t, `{"match":{"method":"EnterMaintenanceMode_Task"},"do":{"kind":"restart-after","seconds":0.1,"tasks":"`+tasks+`"}}`)
		if a := c.Call("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>"); a.Status != 503 {
			t.Fatal(tasks, a)
		}
		c = up(t, s)
		recent := c.Get("TaskManager:TaskManager", "recentTask")["recentTask"]
		if (strings.Contains(recent, "Task")) != want.known {
			t.Fatal(tasks, recent)
		}
		in := func() bool { return c.Get(host, "runtime.inMaintenanceMode")["runtime.inMaintenanceMode"] == "true" }
		if want.done {
			vctest.Eventually(t, tasks+": maintenance mode", in)
		} else {
			time.Sleep(300 * time.Millisecond) // the task would have ended six times
			if in() {
				t.Fatal(tasks, "the task went on")
			}
		}
	}
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	s.Trouble(t, `{"match":{"method":"CreateFolder"},"do":{"kind":"restart-before","seconds":0.1}}`)
	if a := c.Call("CreateFolder", c.Find("DC0/vm"), "<name>never</name>"); a.Status != 503 {
		t.Fatal(a)
	}
	if a := up(t, s).Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>DC0/vm/never</inventoryPath>"); a.Text("returnval") != "" {
		t.Fatal("the request took effect")
	}
}

// The hosts go on: one that reboots meanwhile is back, and a guest's file is at its host.
func TestHostsDoNotRestart(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Speed: 2000})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	c.MustTask("EnterMaintenanceMode_Task", host, "<timeout>0</timeout>")
	before := c.Get(host, "runtime.bootTime")["runtime.bootTime"]
	c.MustTask("RebootHost_Task", host, "<force>false</force>")
	s.Control(t, "POST", "/restart", map[string]any{"seconds": 0.2})
	c = up(t, s)
	vctest.Eventually(t, "the host is back", func() bool {
		now := c.Get(host, "runtime.bootTime", "runtime.connectionState")
		return now["runtime.connectionState"] == "connected" && now["runtime.bootTime"] != before
	})
	s.Control(t, "POST", "/restart", map[string]any{"seconds": 5})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/guestFile?id=none&token=none", nil)
	if res, err := http.DefaultClient.Do(r); err != nil || res.StatusCode == 503 {
		t.Fatal(res, err)
	}
}

func TestRestartRefusesWhatItDoesNotKnow(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	for _, bad := range []string{`{"match":{},"do":{"kind":"restart-after","code":500}}`, `{"match":{},"do":{"kind":"restart-before","tasks":"some"}}`,
		`{"match":{},"do":{"kind":"hold","tasks":"lost"}}`, `{"match":{"method":"HTTP GET"},"do":{"kind":"restart-after"}}`} {
		if s.Front.Trouble.Add([]byte(bad)) == nil {
			t.Fatal(bad)
		}
	}
}
