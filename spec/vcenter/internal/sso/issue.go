// Package sso is a vCenter's token service: it issues SAML 2.0 assertions, by WS-Trust for a
// name and a password (tests also get other ones, by a control page), and
// checks those that come with LoginByToken. It does not depend on sessions.
package sso

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/beevik/etree"
	"github.com/google/uuid"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	nsSAML = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDS   = "http://www.w3.org/2000/09/xmldsig#"
	nsWSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsWSU  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsSOAP = "http://schemas.xmlsoap.org/soap/envelope/"
	nsXSI  = "http://www.w3.org/2001/XMLSchema-instance"

	methodBearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	methodKey    = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"

	instant = "2006-01-02T15:04:05.000Z"
)

// Service holds the signing key, which is created when a token is first requested.
type Service struct {
	// Audience is the name of this server in tokens that are restricted to it.
	Audience func() string

	once sync.Once
	ring *keyRing
	err  error
}

type keyRing struct {
	key  *rsa.PrivateKey
	der  []byte
	cert *x509.Certificate
}

// GetKeyPair is what goxmldsig asks for.
func (k *keyRing) GetKeyPair() (*rsa.PrivateKey, []byte, error) { return k.key, k.der, nil }

func newRing() (*keyRing, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "ssoserverSign"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &keyRing{key, der, cert}, err
}

func (s *Service) keys() (*keyRing, error) {
	s.once.Do(func() { s.ring, s.err = newRing() })
	return s.ring, s.err
}

// Wanted describes a token.
type Wanted struct {
	User        string  `json:"user"`
	Lifetime    float64 `json:"lifetime"`    // seconds; 300
	Begins      float64 `json:"begins"`      // seconds from now; may be negative
	Certificate string  `json:"certificate"` // PEM: holder-of-key
	Audience    string  `json:"audience"`    // restricted to this one; "self" is the server
	Forged      bool    `json:"forged"`      // signed by a key that the server does not trust
	Unsigned    bool    `json:"unsigned"`
}

// Issue creates a token.
func (s *Service) Issue(w Wanted) (string, error) {
	ring, err := s.keys()
	if err == nil && w.Forged {
		ring, err = newRing()
	}
	if err != nil {
		return "", err
	}
	if w.User == "" {
		return "", errors.New("user: a name is required")
	}
	if w.Lifetime == 0 {
		w.Lifetime = 300
	}
	now := time.Now().UTC().Add(time.Duration(w.Begins * float64(time.Second)))
	begins, ends := now.Format(instant), now.Add(time.Duration(w.Lifetime*float64(time.Second))).Format(instant)
	a := etree.NewElement("saml2:Assertion")
	a.CreateAttr("xmlns:saml2", nsSAML)
	a.CreateAttr("ID", "_"+uuid.NewString())
	a.CreateAttr("IssueInstant", begins)
	a.CreateAttr("Version", "2.0")
	issuer := a.CreateElement("saml2:Issuer")
	issuer.CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity")
	issuer.SetText("https://vcenter.test/websso/SAML2/Metadata/vsphere.local")
	subject := a.CreateElement("saml2:Subject")
	name := subject.CreateElement("saml2:NameID")
	name.CreateAttr("Format", "http://schemas.xmlsoap.org/claims/UPN")
	name.SetText(w.User)
	confirm := subject.CreateElement("saml2:SubjectConfirmation")
	data := confirm.CreateElement("saml2:SubjectConfirmationData")
	if w.Certificate == "" {
		confirm.CreateAttr("Method", methodBearer)
		data.CreateAttr("NotOnOrAfter", ends)
	} else {
		block, _ := pem.Decode([]byte(w.Certificate))
		if block == nil || block.Type != "CERTIFICATE" {
			return "", errors.New("certificate: PEM is required")
		}
		confirm.CreateAttr("Method", methodKey)
		data.CreateAttr("xmlns:xsi", nsXSI)
		data.CreateAttr("xsi:type", "saml2:KeyInfoConfirmationDataType")
		info := data.CreateElement("ds:KeyInfo")
		info.CreateAttr("xmlns:ds", nsDS)
		info.CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
			SetText(base64.StdEncoding.EncodeToString(block.Bytes))
	}
	conditions := a.CreateElement("saml2:Conditions")
	conditions.CreateAttr("NotBefore", begins)
	conditions.CreateAttr("NotOnOrAfter", ends)
	if w.Audience == "self" {
		w.Audience = s.Audience()
	}
	if w.Audience != "" {
		conditions.CreateElement("saml2:AudienceRestriction").CreateElement("saml2:Audience").SetText(w.Audience)
	}
	statement := a.CreateElement("saml2:AuthnStatement")
	statement.CreateAttr("AuthnInstant", begins)
	statement.CreateElement("saml2:AuthnContext").CreateElement("saml2:AuthnContextClassRef").
		SetText("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	if !w.Unsigned {
		signing := dsig.NewDefaultSigningContext(ring)
		signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
		signature, err := signing.ConstructSignature(a, true)
		if err != nil {
			return "", fmt.Errorf("cannot sign: %w", err)
		}
		a.InsertChildAt(1, signature) // behind the issuer
	}
	doc := etree.NewDocument()
	doc.SetRoot(a)
	return doc.WriteToString()
}
