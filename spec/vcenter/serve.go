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
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/front"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/vcenter"
)

func run(args []string) error {
	fs := flag.NewFlagSet("vcenter", flag.ContinueOnError)
	var (
		fleetFile  = fs.String("fleet", "", "fleet description (JSON); without it two clusters of one host with two GPUs")
		listen     = fs.String("listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
		speed      = fs.Float64("speed", 1, "divide every delay of the fleet by this number; maxWaitSeconds, idle sessions and recentTask keep the time of the client")
		ready      = fs.String("ready", "", "write this JSON file when ready: url, host, username, password, ca_file, thumbprints, control, pid, dir")
		user       = fs.String("user", "administrator@vsphere.local", "user name of the administrator")
		password   = fs.String("password", "", "password of the administrator; without it a random one, shown only in the ready file")
		dir        = fs.String("dir", "", "directory of datastores, guests and logs; without it a temporary one, removed at the end")
		untilStdin = fs.Bool("until-stdin-closes", false, "stop when standard input reaches its end")
		version    = fs.String("version", "8.0.3.0", "API version advertised")
		selfSigned = fs.Bool("self-signed", false, "show a self-signed certificate instead of one signed by an own CA")
		tlsCert    = fs.String("tlscert", "", "certificate chain (PEM) instead of an own one")
		tlsKey     = fs.String("tlskey", "", "its private key (PEM)")
		idle       = fs.Float64("session-idle", 1800, "seconds (not divided by -speed) after which an idle session ends; 0 = never")
		limit      = fs.Int("session-limit", 2000, "so many sessions at most; 0 = no limit")
		page       = fs.Int("page", 100, "most objects in one page of RetrievePropertiesEx, whatever the client asks for")
		updates    = fs.Int("max-updates", 100, "most objects in one update set of WaitForUpdatesEx")
		caps       = fs.Int("tasks-per-host", 8, "tasks of one host that run at once")
		printRules = fs.Bool("rules", false, "print the table of rules as Markdown and end")
		quiet      = fs.Bool("quiet", false, "print nothing on standard output")
	)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: vcenter [options]\n\nA strict vCenter for tests, with GPU hosts. Control pages stand below /gpsim/.\n\n")
		fs.PrintDefaults()
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
	if *printRules {
		rules.Markdown(os.Stdout)
		return nil
	}
	begun := time.Now()
	f, err := fleet.Load(*fleetFile)
	if err != nil {
		return err
	}
	if *password == "" {
		b := make([]byte, 15)
		if _, err := rand.Read(b); err != nil {
			return err
		}
		*password = fmt.Sprintf("Vc1!%x", b)
	}
	f.Users = append(f.Users, fleet.User{Name: *user, Password: *password, Role: "Admin"})
	state := *dir
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
	if *tlsCert != "" {
		id, err = loadIdentity(*tlsCert, *tlsKey)
	} else {
		id, err = makeIdentity(*selfSigned)
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
	v, err := vcenter.New(vcenter.Options{Fleet: f, Dir: state, Speed: *speed, Version: *version, Stop: stop,
		Idle: *idle, SessionLimit: *limit, Page: *page, MaxUpdates: *updates, TaskCap: *caps})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	v.API.URL = "https://" + addr
	// HTTP/1.1 only, as the SDK port of a vCenter behaves for SOAP clients.
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(&id.cert)
	v.API.OnSet(func(change map[string]any) (bool, error) { // {"certificate": "new"}: as after a re-installation
		if what, _ := change["certificate"].(string); what != "new" {
			return false, nil
		}
		other, err := makeIdentity(*selfSigned)
		if err == nil {
			shown.Store(&other.cert)
		}
		return true, err
	})
	tl := tls.NewListener(front.Listener{Listener: l, T: v.Front.Trouble}, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }})
	srv := &http.Server{Handler: v.Front, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return stop }}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(tl) }()
	if *ready != "" {
		info := map[string]any{"url": "https://" + addr + "/sdk", "host": addr, "username": *user, "password": *password,
			"ca_file": caFile, "thumbprint_sha256": id.sha256, "thumbprint_sha1": id.sha1,
			"control": "https://" + addr + "/gpsim", "pid": os.Getpid(), "dir": state,
			"start_seconds": time.Since(begun).Seconds(), "version": v.W.Content.About.ApiVersion}
		if err := writeAtomically(*ready, info); err != nil {
			return err
		}
	}
	if !*quiet {
		fmt.Printf("vcenter: %s, %d hosts, %d VMs, ready in %.2f s\n", "https://"+addr+"/sdk", v.Hosts(), v.VMs(), time.Since(begun).Seconds())
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	eof := make(chan struct{})
	if *untilStdin {
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
	if n := v.API.Sessions.Count(); n > 0 && !*quiet {
		fmt.Printf("vcenter: %d session(s) were never logged out\n", n)
	}
	for _, what := range []string{"filters", "views"} {
		if n := v.Front.Count(what); n != 0 && !*quiet {
			fmt.Printf("vcenter: %d %s of live sessions were never destroyed\n", n, what)
		}
	}
	for _, x := range v.W.Truth.Violations() {
		if !*quiet {
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
