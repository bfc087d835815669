package rest_test

import (
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vctest"
)

func TestTimezoneOfTheAppliance(t *testing.T) {
	vctest.Breaks(t, "rest.timezone")
	f := demo(false, "")
	f.TimeZone = "Asia/Tokyo"
	f.Users = append(f.Users, fleet.User{Name: "reader@vsphere.local", Password: "r", Role: "ReadOnly"})
	r := start(t, f)
	const path = "appliance/system/time/timezone"
	var name string
	r.decode(r.send("GET", path, ""), 200, &name)
	if name != "Asia/Tokyo" {
		t.Fatal(name)
	}
	r.refused(r.send("GET", path+"?zone=UTC", ""), 400, "UNEXPECTED_INPUT", "zone")
	stranger := &client{t: t, s: r.s}
	stranger.refused(stranger.send("GET", path, ""), 401, "UNAUTHENTICATED", "")
	stranger.decode(stranger.send("POST", "session", "", basic("reader@vsphere.local", "r")), 201, &stranger.id)
	stranger.refused(stranger.send("GET", path, ""), 403, "UNAUTHORIZED", "")
}
