package front_test

import (
	"bufio"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

var sample = regexp.MustCompile(`^(gpsim_\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$`)

// scrape reads the page as a collector of metrics does: a line that is not a sample of a
// declared metric is an error.
func scrape(t *testing.T, s *vctest.Server) map[string]float64 {
	t.Helper()
	res, err := http.Get(s.URL + "/gpsim/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/plain; version=0.0.4" {
		t.Fatal(res.Status, res.Header)
	}
	out := map[string]float64{}
	typed := regexp.MustCompile(`^# (HELP gpsim_\w+ \S.*|TYPE gpsim_\w+ (counter|gauge))$`)
	for in := bufio.NewScanner(res.Body); in.Scan(); {
		line := in.Text()
		if typed.MatchString(line) {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		if _, twice := out[m[1]]; twice {
			t.Fatal("twice: ", m[1])
		}
		if out[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	c.Refused(c.Call("ExitLockdownMode", host, ""), "HostConfigFault")
	c.MustTask("RebootHost_Task", host, "<force>true</force>")
	got := scrape(t, s)
	for name, want := range map[string]float64{
		`gpsim_requests_total{method="Login",fault=""}`:                           1,
		`gpsim_requests_total{method="ExitLockdownMode",fault="HostConfigFault"}`: 1,
		`gpsim_sessions`:                                            1,
		`gpsim_session_objects{what="filters"}`:                     0,
		`gpsim_hosts{state="connected",maintenance="false"}`:        2,
		`gpsim_passthrough_devices{enabled="false",active="false"}`: 16,
		`gpsim_tasks{method="RebootHost_Task",state="success"}`:     1,
		`gpsim_violations_total{rule="reboot-outside-maintenance"}`: 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, want)
		}
	}
	if got[`gpsim_request_seconds_total{method="RebootHost_Task"}`] <= 0 {
		t.Error("a request takes time")
	}
	vctest.Eventually(t, "the host away", func() bool { return scrape(t, s)[`gpsim_hosts{state="notResponding",maintenance="false"}`] == 1 })
}
