package host

// door.go: the host's own HTTPS port. Behind a vCenter the files of guests and of exports travel over the host itself,
// at its address and with its own certificate, which the vCenter reports. The port is opened when a URL first names it.

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "host.transfer-url", Sure: "seen", As: "laxer: a vCenter names the host as in the inventory, whether that resolves or not", Source: "pyvmomi-community-samples#406, ansible#40058, pyvmomi#302: https://*:443/guestFile?id=... at an ESXi host; govmomi#3739, govmomi guest/file_manager.go: https://esx3:443/guestFile..., the host's name in the inventory, behind a vCenter; pyvmomi#645, pyvmomi-community-samples#417: the same for /nfc/",
	Text: "The URL of a transfer names \"*\" and the port at an ESXi host; behind a vCenter it names the VM's host, which serves it at its own port with its own certificate (config.certificate, sslThumbprint), and the vCenter serves none. The host is named by its management address, since the names of a fleet resolve nowhere; with transfer_by: name in the fleet file, by its name as a vCenter does."})

// door is the open port of a host.
type door struct {
	once sync.Once
	port int
	err  error
}

var hostKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

// certify gives a host a certificate of its own, and shows it where a client looks for it.
func (r *Hosts) certify(h *Host) error {
	key, err := hostKey()
	if err != nil {
		return err
	}
	now := time.Now()
	leaf := &x509.Certificate{SerialNumber: new(big.Int).SetInt64(int64(r.made) + now.UnixNano()), Subject: pkix.Name{CommonName: h.Desc.Name, Organization: []string{"test host"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.ParseIP(h.IP)}}
	if net.ParseIP(h.Desc.Name) == nil {
		leaf.DNSNames = []string{h.Desc.Name}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		return err
	}
	h.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if ref := h.HS.ConfigManager.CertificateManager; ref != nil {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		if _, e := r.w.Inner(*ref, "InstallServerCertificate", &types.InstallServerCertificate{This: *ref, Cert: text}); e != nil {
			return e
		}
	}
	h.HS.Summary.Config.SslThumbprint = thumbprint(der)
	return nil
}

func thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// Base is what the URLs of transfers from and to a host begin with. World lock held.
func (r *Hosts) Base(h *Host) (string, *fault.Error) {
	if r.w.ESXi {
		port := "443"
		if i := strings.LastIndexByte(r.s.URL, ':'); i > len("https:") {
			port = r.s.URL[i+1:]
		}
		return "https://*:" + port, nil
	}
	if e := h.Reachable(); e != nil {
		return "", e
	}
	h.door.once.Do(func() { h.door.port, h.door.err = r.open(h) })
	if h.door.err != nil {
		return "", fault.From(h.door.err)
	}
	name := h.IP
	if r.w.Fleet.TransferBy == "name" {
		name = h.Name()
	}
	return "https://" + net.JoinHostPort(name, strconv.Itoa(h.door.port)), nil
}

// open listens on the host's address.
func (r *Hosts) open(h *Host) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(h.IP, "0"))
	if err != nil {
		return 0, fmt.Errorf("host %s cannot serve files: %w", h.Name(), err)
	}
	down := func() bool {
		r.w.RLock()
		defer r.w.RUnlock()
		return h.down || h.away
	}
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return r.w.Stop },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			switch {
			case down():
				panic(http.ErrAbortHandler)
			case r.Face != nil && Transfers(q.URL.Path):
				r.Face.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), atHost{}, h)))
			default:
				http.NotFound(w, q)
			}
		})}
	tl := tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{h.cert}})
	go func() { _ = srv.Serve(tl) }()
	context.AfterFunc(r.w.Stop, func() { _ = srv.Close() })
	return l.Addr().(*net.TCPAddr).Port, nil
}

type atHost struct{}

// Transfers reports whether a path is one that hosts serve.
func Transfers(path string) bool {
	return strings.HasPrefix(path, "/guestFile") || strings.HasPrefix(path, "/nfc/")
}

// Misdirected reports whether a transfer was asked of a vCenter.
func (r *Hosts) Misdirected(q *http.Request) bool {
	if r.w.ESXi {
		return false
	}
	return q.Context().Value(atHost{}) == nil
}
