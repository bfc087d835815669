package collector_test

// A thousand hosts enter maintenance mode at once while clients wait for their tasks: 64
// that each wait for their share, and one that waits for all. The same raw client does it
// with this server and with the simulator's own collector over an equal fleet, in one
// process each time, so the CPU time is that of server and client together.
//
//	go test -run - -bench Waits -benchtime 1x ./internal/collector

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vmware/govmomi/simulator"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const benchTasks = 1000

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var benchUpdate = regexp.MustCompile(`(?s)<objectSet>.*?</objectSet>`)
var benchEnd = regexp.MustCompile(`(?s)<name>info\.completeTime</name>.*?<val[^>]*>([^<]*)</val>`)

// follow waits until all tasks of a list have ended; it returns how late each end was seen.
func follow(c *vctest.Client, tasks []string) (late []time.Duration, calls int) {
	add := ""
	for _, t := range tasks {
		add += vctest.Ref("obj", t)
	}
	own := "PropertyCollector:" + c.Must("CreatePropertyCollector", pc, "").Text("returnval")
	view := "ListView:" + c.Must("CreateListView", views, add).Text("returnval")
	c.Must("CreateFilter", own, "<spec>"+strings.ReplaceAll(viewSpec("Task", "info.state</pathSet><pathSet>info.completeTime", view), "ContainerView", "ListView")+
		"</spec><partialUpdates>false</partialUpdates>")
	ended := map[string]bool{}
	ref := regexp.MustCompile(`<obj type="Task">([^<]*)</obj>`)
	for version := ""; len(ended) < len(tasks); calls++ {
		a := c.Must("WaitForUpdatesEx", own, "<version>"+version+"</version><options><maxWaitSeconds>60</maxWaitSeconds></options>")
		now := time.Now()
		version = a.Text("version")
		for _, u := range benchUpdate.FindAllString(a.Body, -1) {
			if !strings.Contains(u, ">success<") {
				continue
			}
			if m := benchEnd.FindStringSubmatch(u); m != nil {
				if at, err := time.Parse(time.RFC3339Nano, m[1]); err == nil {
					late = append(late, now.Sub(at))
				}
			}
			ended[ref.FindStringSubmatch(u)[1]] = true
		}
	}
	return
}

func benchWaits(b *testing.B, clients int, login func() *vctest.Client, hosts []string) {
	c := login()
	sessions := []*vctest.Client{}
	for i := 0; i < clients; i++ {
		sessions = append(sessions, login())
	}
	runtime.GC()
	b.ResetTimer()
	start, used := time.Now(), cpu()
	tasks := make([]string, len(hosts))
	for i, h := range hosts {
		tasks[i] = c.Start("EnterMaintenanceMode_Task", h, "<timeout>0</timeout>")
	}
	started := time.Since(start)
	var mu sync.Mutex
	var all []time.Duration
	waits := 0
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Add(1)
		go func() {
			defer wg.Done()
			late, calls := follow(s, tasks[i*len(tasks)/clients:(i+1)*len(tasks)/clients])
			mu.Lock()
			all = append(all, late...)
			waits += calls
			mu.Unlock()
		}()
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(all)
	if len(all) == 0 {
		b.Fatal("no end was seen")
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(all[len(all)/2]), "p50-late-ms")
	b.ReportMetric(ms(all[len(all)*99/100]), "p99-late-ms")
	b.ReportMetric(ms(cpu()-used), "cpu-ms")
	b.ReportMetric(ms(time.Since(start)), "wall-ms")
	b.ReportMetric(ms(started), "start-ms")
	b.ReportMetric(float64(waits), "waits")
	b.ReportMetric(0, "ns/op")
}

func benchFleet() *fleet.Fleet {
	f := many(benchTasks)
	f.Clusters[0].MaxAway = benchTasks
	f.Clusters[0].Hosts[0].Devices = []fleet.Device{}
	return f
}

// BenchmarkWaits compares this server with the simulator's own collector.
func BenchmarkWaits(b *testing.B) {
	for _, clients := range []int{64, 1} {
		b.Run("own/"+strconv.Itoa(clients), func(b *testing.B) {
			for range b.N {
				s := vctest.Start(b, vcenter.Options{Fleet: benchFleet(), Speed: 4}) // 8 virtual seconds: 2 real ones
				benchWaits(b, clients, func() *vctest.Client { return s.Login(b) }, hostRefs(s))
			}
		})
		b.Run("stock/"+strconv.Itoa(clients), func(b *testing.B) {
			for range b.N {
				s := vctest.Start(b, vcenter.Options{Fleet: benchFleet()})
				simulator.TaskDelay.MethodDelay = map[string]int{"EnterMaintenanceMode": 2000, "LockHandoff": 0}
				s.W.Svc.RegisterSDK(s.W.Reg)
				s.W.Svc.Listen = &url.URL{User: url.UserPassword(vctest.User, vctest.Password)}
				web := httptest.NewServer(http.HandlerFunc(s.W.Svc.ServeSDK))
				stock := &vctest.Server{URL: web.URL}
				benchWaits(b, clients, func() *vctest.Client { return stock.Login(b) }, hostRefs(s))
				simulator.TaskDelay.MethodDelay = nil
				web.Close()
			}
		})
	}
}

func hostRefs(s *vctest.Server) []string {
	out := []string{}
	for _, h := range s.W.Reg.All("HostSystem") {
		out = append(out, "HostSystem:"+h.Reference().Value)
	}
	return out
}

// BenchmarkViews reads 8,000 VMs through a container view, takes them into a filter,
// and measures how soon a change of one of them is reported. Only this server: the simulator
// needs minutes for it.
//
//	go test -run - -bench Views -benchtime 1x ./internal/collector
func BenchmarkViews(b *testing.B) {
	const machines = 8000
	f := many(40)
	f.VMs = []fleet.VM{{Name: "v-{n:04}", Count: machines}}
	s := vctest.Start(b, vcenter.Options{Fleet: f, Speed: 100_000})
	c := s.Login(b)
	view := "ContainerView:" + c.Must("CreateContainerView", views, vctest.Ref("container", "Folder:group-d1")+"<type>VirtualMachine</type><recursive>true</recursive>").Text("returnval")
	seconds := func(f func()) float64 { start := time.Now(); f(); return time.Since(start).Seconds() }
	b.ResetTimer()
	for range b.N {
		read, waits, version := 0, 0, ""
		b.ReportMetric(seconds(func() {
			a := c.Must("RetrievePropertiesEx", pc, "<specSet>"+viewSpec("VirtualMachine", "name</pathSet><pathSet>summary", view)+"</specSet><options/>")
			for {
				read += strings.Count(a.Body, "<objects>")
				token := regexp.MustCompile(`<token>([^<]*)</token>`).FindStringSubmatch(a.Body)
				if token == nil {
					break
				}
				a = c.Must("ContinueRetrievePropertiesEx", pc, "<token>"+token[1]+"</token>")
			}
		}), "read-s")
		if read != machines {
			b.Fatal(read)
		}
		filter(c, viewSpec("VirtualMachine", "runtime.powerState", view), false)
		b.ReportMetric(seconds(func() {
			for more := true; more; waits++ {
				a := c.Must("WaitForUpdatesEx", pc, "<version>"+version+"</version><options><maxWaitSeconds>0</maxWaitSeconds></options>")
				version, more = regexp.MustCompile(`<version>(\d+)</version>`).FindStringSubmatch(a.Body)[1], strings.Contains(a.Body, "<truncated>true<")
			}
		}), "filter-s")
		vm := c.Find("DC0/vm/v-4000")
		b.ReportMetric(1000*seconds(func() {
			c.Must("PowerOnVM_Task", vm, "")
			if a := wait(c, version, 20); !strings.Contains(a.Body, "poweredOn") {
				b.Fatal(a.Body)
			} else {
				version = a.Text("version")
			}
		}), "change-ms")
		b.ReportMetric(1000*seconds(func() {
			c.MustTask("PowerOffVM_Task", vm, "")
			wait(c, version, 20)
			c.MustTask("Destroy_Task", vm, "")
			if a := wait(c, version, 20); !strings.Contains(a.Body, ">leave<") && !strings.Contains(wait(c, a.Text("version"), 20).Body, ">leave<") {
				b.Fatal(a.Body)
			}
		}), "leave-ms")
		b.ReportMetric(0, "ns/op")
	}
}
