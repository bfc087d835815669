package main

// horizon.go: the Connection Server of the fleet listens on an address of its own, with the server's certificate.

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/horizon"
)

// serveHorizon starts it and gives its URL; none for a fleet without one.
func serveHorizon(f *fleet.Fleet, shown *atomic.Pointer[tls.Certificate], stop context.Context) (string, error) {
	if f.Horizon == nil {
		return "", nil
	}
	s, err := horizon.New(*f.Horizon)
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 30 * time.Second}
	go func() {
		_ = srv.Serve(tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }}))
	}()
	go func() { <-stop.Done(); _ = srv.Close() }()
	return "https://" + l.Addr().String(), nil
}
