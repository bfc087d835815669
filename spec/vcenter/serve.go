package main

// serve.go: flags, start and stop.

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/front"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/wire"
)

// settings are what the flags say.
type settings struct {
	fleetFile, listen, ready, user, password, dir, version, tlsCert, tlsKey string
	speed, idle                                                             float64
	untilStdin, selfSigned, printRules, differences, quiet                  bool
	limit, page, updates, caps                                              int
	counts                                                                  fleet.Counts
	counted                                                                 bool // one of the flags of counts was given
}

// flags defines them; docs/test-vcenter.md shows the same texts.
func flags(s *settings) *flag.FlagSet {
	fs := flag.NewFlagSet("vcenter", flag.ContinueOnError)
	fs.StringVar(&s.fleetFile, "fleet", "", "fleet description (JSON); without it: two clusters of one host with two GPUs")
	fs.StringVar(&s.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 uses a free port")
	fs.Float64Var(&s.speed, "speed", 1, "divide every delay of the fleet by this number; maxWaitSeconds, idle sessions and recentTask stay in real time")
	fs.StringVar(&s.ready, "ready", "", "JSON file to write when the server is ready; it holds the URL, credentials, CA file, thumbprints and pid")
	fs.StringVar(&s.user, "user", "administrator@vsphere.local", "user name of the administrator")
	fs.StringVar(&s.password, "password", "", "password of the administrator; without it: a random one, shown only in the ready file")
	fs.StringVar(&s.dir, "dir", "", "directory for datastores, guests and logs; without it: a temporary one that is removed at the end")
	fs.BoolVar(&s.untilStdin, "until-stdin-closes", false, "stop when standard input is closed")
	fs.StringVar(&s.version, "version", "8.0.3.0", "API version that the server advertises")
	fs.BoolVar(&s.selfSigned, "self-signed", false, "use a self-signed certificate instead of one signed by the server's own CA")
	fs.StringVar(&s.tlsCert, "tlscert", "", "certificate chain (PEM) to use instead of a generated one")
	fs.StringVar(&s.tlsKey, "tlskey", "", "private key (PEM) of -tlscert")
	fs.Float64Var(&s.idle, "session-idle", 1800, "seconds after which an idle session ends, not divided by -speed; 0 = never")
	fs.IntVar(&s.limit, "session-limit", 2000, "maximum number of sessions; 0 = no limit")
	fs.IntVar(&s.page, "page", 100, "maximum objects per page of RetrievePropertiesEx")
	fs.IntVar(&s.updates, "max-updates", 100, "maximum objects per update set of WaitForUpdatesEx")
	fs.IntVar(&s.caps, "tasks-per-host", 8, "maximum number of tasks of one host that run at once")
	s.counts = fleet.VCSim
	for _, x := range []struct {
		name, usage string
		to          *int
	}{
		{"dc", "number of datacenters; the numbers make an inventory like vcsim's, without -fleet", &s.counts.Datacenters},
		{"cluster", "number of clusters of each datacenter", &s.counts.Clusters},
		{"host", "number of hosts of each cluster", &s.counts.Hosts},
		{"standalone-host", "number of standalone hosts of each datacenter", &s.counts.Standalone},
		{"vm", "number of VMs of each standalone host, cluster, pool and vApp", &s.counts.VMs},
		{"pool", "number of resource pools of each cluster", &s.counts.Pools},
		{"app", "number of vApps of each cluster", &s.counts.Apps},
		{"folder", "number of datacenters that are in folders", &s.counts.Folders},
		{"pod", "number of datastore clusters of each datacenter", &s.counts.Pods},
		{"ds", "number of datastores of each datacenter", &s.counts.Datastores},
		{"pg", "number of port groups of each datacenter's distributed switch", &s.counts.Portgroups},
		{"gpus", "number of A100 cards of each host of such an inventory", &s.counts.GPUs},
	} {
		fs.IntVar(x.to, x.name, *x.to, x.usage)
	}
	fs.BoolVar(&s.counts.ESX, "esx", false, "the endpoint is one ESXi host, as with vcsim -esx; of the numbers only -vm, -ds and -gpus count")
	fs.BoolVar(&s.counts.Autostart, "autostart", s.counts.Autostart, "power on the VMs of such an inventory")
	fs.BoolVar(&s.printRules, "rules", false, "print the table of rules as Markdown and exit")
	fs.BoolVar(&s.differences, "differences", false, "print what users of govmomi's vcsim find different as Markdown and exit")
	fs.BoolVar(&s.quiet, "quiet", false, "print nothing on standard output")
	return fs
}

var counting = map[string]bool{"dc": true, "cluster": true, "host": true, "standalone-host": true, "vm": true, "pool": true, "app": true,
	"folder": true, "pod": true, "ds": true, "pg": true, "gpus": true, "esx": true, "autostart": true}

// fleet is that of the file, or one by numbers.
func (s *settings) fleet() (*fleet.Fleet, error) {
	if !s.counted {
		return fleet.Load(s.fleetFile)
	}
	f := s.counts.Fleet()
	return f, f.Fill()
}

var number = regexp.MustCompile(`^[0-9]+(\.[0-9]+){1,3}$`)

// explain prints the flags in 80 columns: each part of an explanation on its own line.
func explain(fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		kind, usage := flag.UnquoteUsage(f)
		parts := strings.Split(usage, "; ")
		if f.DefValue != "" && f.DefValue != "false" {
			parts[len(parts)-1] += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(fs.Output(), "  -%s\n      %s\n", strings.TrimSpace(f.Name+" "+kind), strings.Join(parts, "\n      "))
	})
}

// check refuses what the server would otherwise take for something else.
func (s *settings) check() error {
	switch {
	case !(s.speed > 0) || math.IsInf(s.speed, 0):
		return fmt.Errorf("-speed %v: must be above 0", s.speed)
	case !(s.idle >= 0):
		return fmt.Errorf("-session-idle %v: must not be negative", s.idle)
	case s.limit < 0:
		return fmt.Errorf("-session-limit %d: must not be negative", s.limit)
	case s.page < 1 || s.updates < 1 || s.caps < 1:
		return fmt.Errorf("-page, -max-updates and -tasks-per-host must be at least 1")
	case !number.MatchString(s.version) || wire.ParseVersion("5.0").After(wire.ParseVersion(s.version)):
		return fmt.Errorf("-version %s: must be an API version from 5.0 on, for example 8.0.3.0", s.version)
	case s.user == "":
		return fmt.Errorf("-user: must not be empty")
	case s.counted && s.fleetFile != "":
		return fmt.Errorf("-fleet cannot be combined with the numbers of an inventory (-dc, -cluster, -host...)")
	case s.counted && s.counts.Check() != nil:
		return s.counts.Check()
	case (s.tlsCert == "") != (s.tlsKey == ""):
		return fmt.Errorf("-tlscert and -tlskey must be given together")
	}
	return nil
}

func run(args []string) error {
	var o settings
	fs := flags(&o)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: vcenter [options]\n\nA strict vCenter for tests, with GPU hosts. Control pages are below /gpsim/.\n\n")
		explain(fs)
	}
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	fs.Visit(func(f *flag.Flag) { o.counted = o.counted || counting[f.Name] })
	if err := o.check(); err != nil {
		return err
	}
	if o.printRules {
		rules.Markdown(os.Stdout)
		return nil
	}
	if o.differences {
		return differences(os.Stdout)
	}
	start := time.Now()
	f, err := o.fleet()
	if err != nil {
		return err
	}
	if o.password == "" {
		b := make([]byte, 15)
		if _, err := rand.Read(b); err != nil {
			return err
		}
		o.password = fmt.Sprintf("Vc1!%x", b)
	}
	f.Users = append(f.Users, fleet.User{Name: o.user, Password: o.password, Role: "Admin"})
	state := o.dir
	if state == "" {
		if state, err = os.MkdirTemp("", "vcenter-"); err != nil {
			return err
		}
		defer os.RemoveAll(state)
	} else if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	if state, err = filepath.Abs(state); err != nil {
		return err
	}
	var id *identity
	if o.tlsCert != "" {
		id, err = loadIdentity(o.tlsCert, o.tlsKey)
	} else {
		id, err = makeIdentity(o.selfSigned)
	}
	if err != nil {
		return err
	}
	caFile := filepath.Join(state, "ca.pem")
	if err := os.WriteFile(caFile, id.caPEM, 0o644); err != nil {
		return err
	}
	stop, cancel := context.WithCancel(context.Background())
	defer cancel()
	v, err := vcenter.New(vcenter.Options{Fleet: f, Dir: state, Speed: o.speed, Version: o.version, Stop: stop,
		Idle: o.idle, SessionLimit: o.limit, Page: o.page, MaxUpdates: o.updates, TaskCap: o.caps})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	v.API.At("https://" + addr)
	// HTTP/1.1 only, as the SDK port of a vCenter behaves for SOAP clients.
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(&id.cert)
	v.API.OnSet(func(change map[string]any) (bool, error) { // {"certificate": "new"}: as after a re-installation
		if what, _ := change["certificate"].(string); what != "new" {
			return false, nil
		}
		other, err := makeIdentity(o.selfSigned)
		if err == nil {
			shown.Store(&other.cert)
		}
		return true, err
	})
	tl := tls.NewListener(front.Listener{Listener: l, T: v.Front.Trouble, Down: v.Front.Refusing}, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }})
	srv := &http.Server{Handler: v.Front, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return stop }}
	horizonURL, err := serveHorizon(f, &shown, stop)
	if err != nil {
		return err
	}
	bmcs, err := serveBMCs(v, &shown, stop)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(tl) }()
	if o.ready != "" {
		info := map[string]any{"url": "https://" + addr + "/sdk", "host": addr, "username": o.user, "password": o.password,
			"ca_file": caFile, "thumbprint_sha256": id.sha256, "thumbprint_sha1": id.sha1,
			"control": "https://" + addr + "/gpsim", "pid": os.Getpid(), "dir": state,
			"start_seconds": time.Since(start).Seconds(), "version": v.W.Content.About.ApiVersion}
		if horizonURL != "" {
			info["horizon"] = horizonURL
		}
		if len(bmcs) > 0 {
			info["bmcs"] = bmcs
		}
		if err := writeAtomically(o.ready, info); err != nil {
			return err
		}
	}
	if !o.quiet {
		fmt.Printf("vcenter: %s, %d hosts, %d VMs, ready in %.2f s\n", "https://"+addr+"/sdk", v.Hosts(), v.VMs(), time.Since(start).Seconds())
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	eof := make(chan struct{})
	if o.untilStdin {
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(eof) }()
	}
	select {
	case err = <-failed:
	case <-signals:
	case <-eof:
	}
	cancel()
	_ = srv.Close()
	v.Wait()
	if n := v.API.Sessions.Count(); n > 0 && !o.quiet {
		fmt.Printf("vcenter: %d session(s) were never logged out\n", n)
	}
	for _, what := range []string{"filters", "views"} {
		if n := v.Front.Count(what); n != 0 && !o.quiet {
			fmt.Printf("vcenter: %d %s of live sessions were never destroyed\n", n, what)
		}
	}
	for _, x := range v.W.Truth.Violations() {
		if !o.quiet {
			fmt.Printf("vcenter: violation %s: %s (%s)\n", x.Rule, x.What, x.Why)
		}
	}
	return err
}

func writeAtomically(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
