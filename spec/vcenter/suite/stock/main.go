// The stock simulator as a command with vcsim's flags: what govc's own test suite is run against beside the test
// vCenter (build-support/govc-suite). The vcsim command itself is in no module that is to be had.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"

	_ "github.com/vmware/govmomi/cns/simulator"
	_ "github.com/vmware/govmomi/eam/simulator"
	_ "github.com/vmware/govmomi/lookup/simulator"
	_ "github.com/vmware/govmomi/pbm/simulator"
	_ "github.com/vmware/govmomi/ssoadmin/simulator"
	_ "github.com/vmware/govmomi/sts/simulator"
	_ "github.com/vmware/govmomi/vapi/appliance/simulator"
	_ "github.com/vmware/govmomi/vapi/cluster/simulator"
	_ "github.com/vmware/govmomi/vapi/namespace/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
	_ "github.com/vmware/govmomi/vslm/simulator"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func secret(s string) string {
	v, err := session.Secret(s)
	must(err)
	return v
}

func main() {
	m := simulator.VPX()
	for _, x := range []struct {
		name string
		to   *int
	}{{"dc", &m.Datacenter}, {"cluster", &m.Cluster}, {"host", &m.ClusterHost}, {"standalone-host", &m.Host}, {"ds", &m.Datastore},
		{"vm", &m.Machine}, {"pool", &m.Pool}, {"app", &m.App}, {"pod", &m.Pod}, {"pg", &m.Portgroup}, {"pg-nsx", &m.PortgroupNSX},
		{"nsx", &m.OpaqueNetwork}, {"folder", &m.Folder}} {
		flag.IntVar(x.to, x.name, *x.to, "")
	}
	flag.BoolVar(&m.Autostart, "autostart", m.Autostart, "")
	about := &m.ServiceContent.About
	flag.StringVar(&about.ApiVersion, "api-version", about.ApiVersion, "")
	esx := flag.Bool("esx", false, "")
	isTLS := flag.Bool("tls", true, "")
	cert, key := flag.String("tlscert", "", ""), flag.String("tlskey", "", "")
	env := flag.String("E", "-", "")
	listen := flag.String("l", "127.0.0.1:8989", "")
	user, pass := flag.String("username", "", ""), flag.String("password", "", "")
	tunnel := flag.Int("tunnel", -1, "")
	trace := flag.String("trace-file", "", "")
	load := flag.String("load", "", "")
	flag.Parse()

	if *trace != "" {
		f, err := os.Create(*trace)
		must(err)
		simulator.Trace, simulator.TraceFile = true, f
	}
	if *esx {
		o := m
		m = simulator.ESX()
		m.Datastore, m.Machine, m.Autostart = o.Datastore, o.Machine, o.Autostart
	}
	m.ServiceContent.About.FullName += " (govmomi simulator)"
	if *load != "" {
		must(m.Load(*load))
	} else {
		must(m.Create())
	}
	u := &url.URL{Host: *listen}
	if *user != "" {
		u.User = url.UserPassword(secret(*user), secret(*pass))
	}
	m.Service.RegisterEndpoints = true
	m.Service.Listen = u
	if *isTLS {
		m.Service.TLS = new(tls.Config)
		if *cert != "" {
			c, err := tls.LoadX509KeyPair(*cert, *key)
			must(err)
			m.Service.TLS.Certificates = []tls.Certificate{c}
		}
	}
	m.Service.ServeMux = http.NewServeMux()
	s := m.Service.NewServer()
	if *tunnel >= 0 {
		s.Tunnel = *tunnel
		must(s.StartTunnel())
	}
	out := os.Stdout
	if *env != "-" {
		var err error
		out, err = os.OpenFile(*env, os.O_WRONLY, 0)
		must(err)
	}
	fmt.Fprintf(out, "export GOVC_URL=%s GOVC_SIM_PID=%d\n", s.URL, os.Getpid())
	if out != os.Stdout {
		must(out.Close())
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	m.Remove()
}
