package main

// bmcs.go: each BMC of the fleet listens on an address of its own, with the server's certificate.

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"gpupt.test/vcenter/internal/vcenter"
)

// serveBMCs starts them and gives their URLs by host.
func serveBMCs(v *vcenter.VCenter, shown *atomic.Pointer[tls.Certificate], stop context.Context) (map[string]string, error) {
	urls := map[string]string{}
	for _, b := range v.BMCs.All() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		urls[b.Name()] = "https://" + l.Addr().String()
		b.At(urls[b.Name()])
		srv := &http.Server{Handler: b, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 30 * time.Second}
		go func() {
			_ = srv.Serve(tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
				GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }}))
		}()
		go func() { <-stop.Done(); _ = srv.Close() }()
	}
	return urls, nil
}
