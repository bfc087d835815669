package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestUserEvents(t *testing.T) {
	vctest.Breaks(t, "event.user")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "u", Password: "u", Privileges: []string{"System.View", "System.Read"}}, {Name: "w", Password: "w", Privileges: []string{"System.View", "System.Read", "Global.LogEvent"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c, em := s.Login(t), "EventManager:EventManager"
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	in := func(entity, text string) string { return vctest.Ref("entity", entity) + "<msg>" + text + "</msg>" }
	s.Login(t, "u", "u").Refused(s.Login(t, "u", "u").Call("LogUserEvent", em, in(host, "no")), "NoPermission", "Global.LogEvent")
	w := s.Login(t, "w", "w")
	w.Must("LogUserEvent", em, in(host, "GPUs &lt;2&gt; are active"))
	a := c.Must("QueryEvents", em, "<filter><entity>"+vctest.Ref("entity", host)+"<recursion>self</recursion></entity><eventTypeId>GeneralUserEvent</eventTypeId></filter>")
	if got := a.Texts("message"); len(got) != 1 || got[0] != "GPUs <2> are active" || a.Text("fullFormattedMessage") != "User logged event: GPUs <2> are active" || a.Text("userName") != "w" ||
		!strings.Contains(a.Body, `xsi:type="GeneralUserEvent"`) {
		t.Errorf("the event: %s", a.Body)
	}
	for _, entity := range []string{c.Find("DC0"), c.Find("DC0/host/gpu-a"), "Folder:group-d1"} {
		w.Must("LogUserEvent", em, in(entity, "x"))
	}
	c.Refused(c.Call("LogUserEvent", em, in(c.Find("DC0/vm"), "x")), "InvalidArgument", "entity")
	c.Refused(c.Call("LogUserEvent", em, in("HostSystem:host-999", "x")), "ManagedObjectNotFound")
}
