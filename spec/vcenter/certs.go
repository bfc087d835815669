package main

// certs.go: the server's certificate: by default a CA of its own signs one for 127.0.0.1,
// localhost and ::1, and the CA is written for clients to trust.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// identity is what the server shows in the handshake, and what the ready file says about it.
type identity struct {
	cert         tls.Certificate
	caPEM        []byte
	sha256, sha1 string
}

func loadIdentity(certFile, keyFile string) (*identity, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	pemData, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	return finish(&identity{cert: cert, caPEM: pemData}), nil
}

func makeIdentity(selfSigned bool) (*identity, error) {
	serial := func() *big.Int {
		n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		return n
	}
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "CA", Organization: []string{"test vCenter"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost", Organization: []string{"test vCenter"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	signer, signKey := ca, caKey
	if selfSigned {
		signer, signKey = leaf, key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, signer, &key.PublicKey, signKey)
	if err != nil {
		return nil, err
	}
	id := &identity{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	show := caDER
	if selfSigned {
		show = der
	}
	id.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: show})
	return finish(id), nil
}

func finish(id *identity) *identity {
	der := id.cert.Certificate[0]
	s256, s1 := sha256.Sum256(der), sha1.Sum(der)
	id.sha256, id.sha1 = colons(s256[:]), colons(s1[:])
	return id
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02X", x)
	}
	return strings.Join(parts, ":")
}
