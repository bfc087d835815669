package front_test

import (
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
