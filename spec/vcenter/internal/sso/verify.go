package sso

// verify.go: what a LoginByToken request has to bring.

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that signatures name
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "token.none", Sure: "documented", As: "real", Source: "API reference: SessionManager.LoginByToken takes the token from the WS-Security header; VslmLoginByToken: InvalidLogin if there is no token provided or the token could not be validated",
		Text: "LoginByToken without a SAML assertion in wsse:Security of the SOAP header, or with several, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.signature", Sure: "documented", As: "real", Source: "API reference: LoginByToken fails if the token is not valid; SAML 2.0 core 5",
		Text: "A token that the server's own token service did not sign, or that was changed afterwards, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.lifetime", Sure: "documented", As: "stricter: a real one tolerates some minutes of clock difference", Source: "SAML 2.0 core 2.5.1.2: NotBefore and NotOnOrAfter. A real one tolerates some minutes of clock difference; this one none",
		Text: "A token before its NotBefore, or at or after its NotOnOrAfter, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.audience", Sure: "inferred", As: "stricter: what a real vCenter calls itself is not published", Source: "SAML 2.0 core 2.5.1.4; none for what a vCenter calls itself (here its URL with /sdk)",
		Text: "A token restricted to other audiences than this server is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.holder-of-key", Sure: "documented", As: "real", Source: "API reference: LoginByToken: a HoK token obliges the caller to prove his rights to present it by a signature; WS-Security SAML token profile 1.1; govmomi sts/signer.go",
		Text: "A holder-of-key token needs a ds:Signature in wsse:Security over the Body and the Timestamp (exclusive c14n, RSA with SHA-256 or better) by the key of the certificate in the token, whose KeyIdentifier names the token; else InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.timestamp", Sure: "documented", As: "real", Source: "vSphere Web Services SDK guide: token and a timestamp are put into the header of LoginByToken; pyVmomi sends a bearer token without one (pyvmomi#1005), which is taken",
		Text: "A wsu:Timestamp that has expired, or is created in the future, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "token.no-namespace", Sure: "seen", As: "real", Source: "govmomi sts/signer.go writes the signed LoginByToken without xmlns, and logs in at real servers so (govmomi#1785)",
		Text: "The element LoginByToken may lack its namespace; any other call may not."})
	_ = rules.Add(rules.Rule{ID: "token.user", Sure: "documented", As: "real", Source: "API reference: LoginByToken fails if the principal has no permissions granted",
		Text: "The user is the token's NameID, in upper or lower case; an unknown one is InvalidLogin, one without any permission NoPermission."})
)

// Subject returns the user that the envelope's token names, or says why not.
func (s *Service) Subject(envelope []byte, now time.Time) (string, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(envelope); err != nil {
		return "", err
	}
	root := doc.Root()
	ids := map[string]*etree.Element{}
	if err := collect(root, ids); err != nil {
		return "", err
	}
	security, err := only(root, nsSOAP, "Header", nsWSSE, "Security")
	if err != nil {
		return "", err
	}
	found, err := only(security, nsSAML, "Assertion")
	if err != nil {
		return "", err
	}
	token, err := s.signed(found)
	if err != nil {
		return "", err
	}
	if err := s.conditions(token, now); err != nil {
		return "", err
	}
	if err := timestamp(security, now); err != nil {
		return "", err
	}
	confirm, err := only(token, nsSAML, "Subject", nsSAML, "SubjectConfirmation")
	if err != nil {
		return "", err
	}
	switch method := confirm.SelectAttrValue("Method", ""); method {
	case methodBearer:
		if data := child(confirm, nsSAML, "SubjectConfirmationData"); data != nil {
			err = within("", data.SelectAttrValue("NotOnOrAfter", ""), now)
		}
	case methodKey:
		err = proven(root, security, token, confirm, ids)
	default:
		err = fmt.Errorf("subject confirmation %q is not supported", method)
	}
	if err != nil {
		return "", err
	}
	name, err := only(token, nsSAML, "Subject", nsSAML, "NameID")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(name.Text()), nil
}

func is(e *etree.Element, space, name string) bool {
	return e.Tag == name && e.NamespaceURI() == space
}

func child(e *etree.Element, space, name string) *etree.Element {
	for _, c := range e.ChildElements() {
		if is(c, space, name) {
			return c
		}
	}
	return nil
}

// only walks down a path of (namespace, name) pairs, each of which must be there once.
func only(e *etree.Element, path ...string) (*etree.Element, error) {
	for i := 0; i < len(path); i += 2 {
		var found *etree.Element
		for _, c := range e.ChildElements() {
			if !is(c, path[i], path[i+1]) {
				continue
			}
			if found != nil {
				return nil, fmt.Errorf("more than one %s", path[i+1])
			}
			found = c
		}
		if found == nil {
			return nil, fmt.Errorf("no %s", path[i+1])
		}
		e = found
	}
	return e, nil
}

// collect maps every wsu:Id and ID to its element; a second one of the same name is an attack.
func collect(e *etree.Element, ids map[string]*etree.Element) error {
	for _, a := range e.Attr {
		if (a.Key == "Id" && a.NamespaceURI() == nsWSU) || (a.Key == "ID" && a.Space == "") {
			if ids[a.Value] != nil {
				return fmt.Errorf("two elements are called %q", a.Value)
			}
			ids[a.Value] = e
		}
	}
	for _, c := range e.ChildElements() {
		if err := collect(c, ids); err != nil {
			return err
		}
	}
	return nil
}

// detached copies an element with the namespaces that are in scope there.
func detached(e *etree.Element) (*etree.Element, error) {
	context := etreeutils.NewDefaultNSContext()
	var above []*etree.Element
	for p := e.Parent(); p != nil && p.Tag != ""; p = p.Parent() {
		above = append([]*etree.Element{p}, above...)
	}
	for _, p := range above {
		var err error
		if context, err = context.SubContext(p); err != nil {
			return nil, err
		}
	}
	return etreeutils.NSDetatch(context, e)
}

func canonical(e *etree.Element, prefixes string) ([]byte, error) {
	own, err := detached(e)
	if err != nil {
		return nil, err
	}
	return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(own)
}

// signed checks the token service's signature and gives the assertion that it covers.
func (s *Service) signed(found *etree.Element) (*etree.Element, error) {
	ring, err := s.keys()
	if err != nil {
		return nil, err
	}
	own, err := detached(found)
	if err != nil {
		return nil, err
	}
	checking := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{ring.cert}})
	return checking.Validate(own)
}

func (s *Service) conditions(token *etree.Element, now time.Time) error {
	c, err := only(token, nsSAML, "Conditions")
	if err != nil {
		return err
	}
	if err := within(c.SelectAttrValue("NotBefore", ""), c.SelectAttrValue("NotOnOrAfter", ""), now); err != nil {
		return err
	}
	for _, restriction := range c.ChildElements() {
		if !is(restriction, nsSAML, "AudienceRestriction") {
			continue
		}
		mine := false
		for _, audience := range restriction.ChildElements() {
			mine = mine || strings.TrimSpace(audience.Text()) == s.Audience()
		}
		if !mine {
			return errors.New("the token is restricted to other audiences")
		}
	}
	return nil
}

func within(from, to string, now time.Time) error {
	if from != "" {
		t, err := time.Parse(time.RFC3339, from)
		if err != nil || now.Before(t) {
			return fmt.Errorf("not valid before %s", from)
		}
	}
	if to != "" {
		t, err := time.Parse(time.RFC3339, to)
		if err != nil || !now.Before(t) {
			return fmt.Errorf("not valid from %s on", to)
		}
	}
	return nil
}

func timestamp(security *etree.Element, now time.Time) error {
	t := child(security, nsWSU, "Timestamp")
	if t == nil {
		return nil
	}
	text := func(name string) string {
		if c := child(t, nsWSU, name); c != nil {
			return strings.TrimSpace(c.Text())
		}
		return ""
	}
	if text("Created") == "" || text("Expires") == "" {
		return errors.New("the timestamp needs Created and Expires")
	}
	return within(text("Created"), text("Expires"), now.Add(time.Second)) // created in this second
}

var signatures = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": crypto.SHA512,
}

var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

const exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"

// proven checks the caller's own signature with the key of the token's certificate.
func proven(root, security, token, confirm *etree.Element, ids map[string]*etree.Element) error {
	holder, err := only(confirm, nsSAML, "SubjectConfirmationData", nsDS, "KeyInfo", nsDS, "X509Data", nsDS, "X509Certificate")
	if err != nil {
		return err
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(holder.Text()), ""))
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the certificate's key is not RSA")
	}
	signature, err := only(security, nsDS, "Signature")
	if err != nil {
		return err
	}
	reference, err := only(signature, nsDS, "KeyInfo", nsWSSE, "SecurityTokenReference", nsWSSE, "KeyIdentifier")
	if err != nil {
		return err
	}
	if strings.TrimSpace(reference.Text()) != token.SelectAttrValue("ID", "") {
		return errors.New("the signature names another token")
	}
	info, err := only(signature, nsDS, "SignedInfo")
	if err != nil {
		return err
	}
	if err := covers(root, security, info, ids); err != nil {
		return err
	}
	return verifies(key, signature, info)
}

// covers checks the digests, and that Body and Timestamp are among what was signed.
func covers(root, security, info *etree.Element, ids map[string]*etree.Element) error {
	body, err := only(root, nsSOAP, "Body")
	if err != nil {
		return err
	}
	stamp, err := only(security, nsWSU, "Timestamp")
	if err != nil {
		return err
	}
	missing := map[*etree.Element]string{body: "Body", stamp: "Timestamp"}
	for _, r := range info.ChildElements() {
		if !is(r, nsDS, "Reference") {
			continue
		}
		target := ids[strings.TrimPrefix(r.SelectAttrValue("URI", ""), "#")]
		if target == nil {
			return errors.New("a reference to nothing")
		}
		transforms, err := only(r, nsDS, "Transforms")
		if err != nil {
			return err
		}
		prefixes := ""
		for _, t := range transforms.ChildElements() {
			if t.SelectAttrValue("Algorithm", "") != exclusive {
				return errors.New("a transform that is not exclusive c14n")
			}
			if list := child(t, exclusive, "InclusiveNamespaces"); list != nil {
				prefixes = list.SelectAttrValue("PrefixList", "")
			}
		}
		method, err := only(r, nsDS, "DigestMethod")
		if err != nil {
			return err
		}
		hash := digests[method.SelectAttrValue("Algorithm", "")]
		if hash == 0 {
			return errors.New("a digest that is not supported")
		}
		value, err := only(r, nsDS, "DigestValue")
		if err != nil {
			return err
		}
		text, err := canonical(target, prefixes)
		if err != nil {
			return err
		}
		sum := hash.New()
		sum.Write(text)
		told, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value.Text()), ""))
		if err != nil || !bytes.Equal(told, sum.Sum(nil)) {
			return fmt.Errorf("the digest of %s does not match", target.Tag)
		}
		delete(missing, target)
	}
	for _, name := range missing {
		return fmt.Errorf("%s is not signed", name)
	}
	return nil
}

func verifies(key *rsa.PublicKey, signature, info *etree.Element) error {
	c14n, err := only(info, nsDS, "CanonicalizationMethod")
	if err != nil {
		return err
	}
	if c14n.SelectAttrValue("Algorithm", "") != exclusive {
		return errors.New("SignedInfo is not canonical by exclusive c14n")
	}
	prefixes := ""
	if list := child(c14n, exclusive, "InclusiveNamespaces"); list != nil {
		prefixes = list.SelectAttrValue("PrefixList", "")
	}
	method, err := only(info, nsDS, "SignatureMethod")
	if err != nil {
		return err
	}
	hash := signatures[method.SelectAttrValue("Algorithm", "")]
	if hash == 0 {
		return errors.New("a signature method that is not supported")
	}
	value, err := only(signature, nsDS, "SignatureValue")
	if err != nil {
		return err
	}
	bits, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value.Text()), ""))
	if err != nil {
		return err
	}
	text, err := canonical(info, prefixes)
	if err != nil {
		return err
	}
	sum := hash.New()
	sum.Write(text)
	return rsa.VerifyPKCS1v15(key, hash, sum.Sum(nil), bits)
}
