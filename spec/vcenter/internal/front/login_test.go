package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestWhoMayNotLogIn(t *testing.T) {
	vctest.Breaks(t, "session.no-access", "session.locale")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "none", Password: "n", Role: "NoAccess"}, {Name: "some", Password: "s", Role: "NoAccess", Grants: []fleet.Grant{{Path: "/DC0/vm", Role: "ReadOnly"}}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	login := func(name, password, more string) vctest.Answer {
		return s.Client(t).Call("Login", "SessionManager:SessionManager", "<userName>"+name+"</userName><password>"+password+"</password>"+more)
	}
	c := s.Client(t)
	c.Refused(login("none", "x", ""), "InvalidLogin")
	c.Refused(login("none", "n", ""), "NoPermission", "System.View")
	c.Refused(login("some", "s", "<locale>xx</locale>"), "InvalidLocale")
	if n := s.API.Sessions.Count(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	for _, locale := range []string{"", "<locale>en_US</locale>", "<locale>zh-Hans-CN</locale>"} {
		if a := login("some", "s", locale); a.Status != 200 {
			t.Errorf("%s: %s", locale, a.Body)
		}
	}
	c = s.Login(t)
	c.Refused(c.Call("SetLocale", "SessionManager:SessionManager", "<locale>klingon</locale>"), "InvalidLocale")
	c.Must("SetLocale", "SessionManager:SessionManager", "<locale>de</locale>")
}

// Before a login, and with a session that has ended, a client may read what needs no login; the rest is missing or refused.
func TestWhatIsToldWithoutASession(t *testing.T) {
	vctest.Breaks(t, "session.before-login")
	for _, endpoint := range []string{"vcenter", "esxi"} {
		f := fleet.Demo()
		f.Endpoint = endpoint
		s := vctest.Start(t, vcenter.Options{Fleet: f})
		collector, manager := "PropertyCollector:"+s.W.Content.PropertyCollector.Value, "SessionManager:"+s.W.Content.SessionManager.Value
		ended := s.Login(t)
		ended.Must("Logout", manager, "")
		for _, c := range []*vctest.Client{s.Client(t), ended} {
			for _, method := range []string{"RetrieveProperties", "RetrievePropertiesEx"} {
				read := func(of, set string) vctest.Answer {
					kind, _, _ := strings.Cut(of, ":")
					inside := "<specSet><propSet><type>" + kind + "</type>" + set + "</propSet><objectSet>" + vctest.Ref("obj", of) + "</objectSet></specSet>"
					if method == "RetrievePropertiesEx" {
						inside += "<options/>"
					}
					return c.Call(method, collector, inside)
				}
				a := read(manager, "<all>true</all>")
				if a.Status != 200 || a.Text("defaultLocale") != "" && !strings.Contains(a.Body, "<name>defaultLocale</name>") || strings.Contains(a.Body, "<name>currentSession</name>") ||
					!strings.Contains(a.Body, "<missingSet><path>sessionList</path>") || !strings.Contains(a.Body, `xsi:type="NotAuthenticated"`) || !strings.Contains(a.Body, "Sessions.TerminateSession") {
					t.Errorf("%s %s: %d %s", endpoint, method, a.Status, a.Body)
				}
				if a := read(manager, "<pathSet>currentSession</pathSet>"); a.Status != 200 || strings.Contains(a.Body, "<propSet>") || strings.Contains(a.Body, "<missingSet>") {
					t.Errorf("%s %s: %d %s", endpoint, method, a.Status, a.Body)
				}
				c.Refused(read("Folder:"+s.W.Content.RootFolder.Value, "<pathSet>name</pathSet>"), "NotAuthenticated")
				c.Refused(read("TaskManager:"+s.W.Content.TaskManager.Value, "<pathSet>recentTask</pathSet>"), "NotAuthenticated")
				c.Refused(read(manager, "<pathSet>nonsense</pathSet>"), "NotAuthenticated") // a stranger learns nothing else
			}
		}
	}
}
