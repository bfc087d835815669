package front_test

// token_test.go: logging in without a password, in raw XML and by govmomi's own signer.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/sts"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/sso"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

const sessionManager = "SessionManager:SessionManager"

func holder(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "solution user"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func issue(t *testing.T, s *vctest.Server, w sso.Wanted) string {
	t.Helper()
	if w.User == "" {
		w.User = vctest.User
	}
	token, err := s.API.SSO.Issue(w)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const wsse = `<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">`

// by sends LoginByToken with this content of the security header.
func by(c *vctest.Client, security string) vctest.Answer {
	return c.Raw(vctest.Envelope(`<soapenv:Header>` + security + `</soapenv:Header><soapenv:Body><LoginByToken xmlns="urn:vim25">` +
		vctest.Ref("_this", sessionManager) + `</LoginByToken></soapenv:Body>`))
}

func stamp(from, to time.Duration) string {
	now := time.Now().UTC()
	const form = "2006-01-02T15:04:05.000Z"
	return `<wsu:Timestamp xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"><wsu:Created>` +
		now.Add(from).Format(form) + `</wsu:Created><wsu:Expires>` + now.Add(to).Format(form) + `</wsu:Expires></wsu:Timestamp>`
}

func TestBearerToken(t *testing.T) {
	vctest.Breaks(t, "token.none", "token.signature", "token.lifetime", "token.audience", "token.timestamp", "token.user")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "none", Password: "n", Role: "NoAccess"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Client(t)
	good := issue(t, s, sso.Wanted{User: "Administrator@VSPHERE.LOCAL"})
	refused := func(what, security, why string) {
		t.Helper()
		a := by(s.Client(t), security)
		if a.Fault() != why {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	const no = "InvalidLogin"
	refused("no header", "", no)
	refused("no token", wsse+"</wsse:Security>", no)
	refused("a token outside the header", good, no)
	refused("two tokens", wsse+good+issue(t, s, sso.Wanted{})+"</wsse:Security>", no)
	refused("the same token twice", wsse+good+good+"</wsse:Security>", no)
	refused("another element", wsse+"<Assertion/></wsse:Security>", no)
	in := func(token string) string { return wsse + token + "</wsse:Security>" }
	refused("forged", in(issue(t, s, sso.Wanted{Forged: true})), no)
	refused("unsigned", in(issue(t, s, sso.Wanted{Unsigned: true})), no)
	refused("changed", in(strings.Replace(good, "Administrator@", "administrator@", 1)), no)
	refused("prolonged", in(regexp.MustCompile(`NotOnOrAfter="20`).ReplaceAllString(good, `NotOnOrAfter="21`)), no)
	refused("expired", in(issue(t, s, sso.Wanted{Begins: -600})), no)
	refused("not yet", in(issue(t, s, sso.Wanted{Begins: 60})), no)
	refused("for others", in(issue(t, s, sso.Wanted{Audience: "https://other.test/sdk"})), no)
	refused("of an unknown user", in(issue(t, s, sso.Wanted{User: "nobody@vsphere.local"})), no)
	refused("without rights", in(issue(t, s, sso.Wanted{User: "none"})), "NoPermission")
	refused("with an old timestamp", wsse+stamp(-2*time.Minute, -time.Minute)+good+"</wsse:Security>", no)
	refused("with a timestamp in the future", wsse+stamp(time.Minute, 2*time.Minute)+good+"</wsse:Security>", no)
	// a wrapped one: the signed assertion is hidden in an unsigned one that names someone else
	refused("wrapped", in(`<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_x"><saml2:Subject><saml2:NameID>`+vctest.User+
		`</saml2:NameID></saml2:Subject>`+good+`</saml2:Assertion>`), no)
	refused("not XML", wsse+"<saml2:Assertion", "InvalidRequest")
	if n := s.API.Sessions.Count(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	for what, security := range map[string]string{"plain": in(good), "with a timestamp": wsse + stamp(0, time.Minute) + good + "</wsse:Security>",
		"for this server": in(issue(t, s, sso.Wanted{Audience: "self"})), "again": in(good)} {
		if a := by(s.Client(t), security); a.Status != 200 || !strings.EqualFold(a.Text("userName"), vctest.User) || a.Header.Get("Set-Cookie") == "" {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	if a := by(c, in(good)); a.Status != 200 {
		t.Fatal(a.Body)
	}
	c.Must("CurrentTime", "ServiceInstance:ServiceInstance", "")
	c.Refused(by(c, in(good)), no) // logged in already
}

func TestHolderOfKeyToken(t *testing.T) {
	vctest.Breaks(t, "token.holder-of-key", "token.no-namespace")
	s := vctest.Start(t, vcenter.Options{})
	cert, text := holder(t)
	other, _ := holder(t)
	token := issue(t, s, sso.Wanted{Certificate: text})
	signed := func(token string, key *tls.Certificate) string {
		t.Helper()
		signer := &sts.Signer{Token: token, Certificate: key}
		body, err := signer.Sign(soap.Envelope{Header: &soap.Header{}, Body: &methods.LoginByTokenBody{Req: &types.LoginByToken{
			This: types.ManagedObjectReference{Type: "SessionManager", Value: "SessionManager"}}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	good := signed(token, cert)
	if a := s.Client(t).Raw(good); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	c := s.Client(t)
	c.Refused(c.Raw(strings.ReplaceAll(good, "LoginByToken", "AcquireCloneTicket")), "InvalidRequest", "namespace")
	stranger := signed(issue(t, s, sso.Wanted{Certificate: text}), cert)
	for what, doc := range map[string]string{
		"without a signature": signed(token, nil),
		"by another key":      signed(token, other),
		"a changed body":      strings.Replace(good, "</_this>", "</_this><locale>de</locale>", 1),
		"a changed time":      regexp.MustCompile(`(Expires>\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.)\d`).ReplaceAllString(good, "${1}x"),
		"another token": strings.Replace(good, token, stranger[strings.Index(stranger, "<saml2:Assertion"):strings.Index(stranger, "</saml2:Assertion>")+
			len("</saml2:Assertion>")], 1),
		"a digest of SHA-1": strings.ReplaceAll(good, "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
		"an inclusive form": strings.ReplaceAll(good, "http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
	} {
		if doc == good {
			t.Errorf("%s: nothing was changed", what)
		}
		if a := s.Client(t).Raw(doc); a.Fault() != "InvalidLogin" {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	// a certificate whose key is of another kind
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	elliptical := issue(t, s, sso.Wanted{Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))})
	if a := s.Client(t).Raw(signed(elliptical, cert)); a.Fault() != "InvalidLogin" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestCloneTicket(t *testing.T) {
	vctest.Breaks(t, "session.clone-once", "session.clone-source", "session.clone-rights")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "reader", Password: "r", Role: "ReadOnly"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	source := s.Login(t, "reader", "r")
	acquire := func(c *vctest.Client) string {
		t.Helper()
		return c.Must("AcquireCloneTicket", sessionManager, "").Text("returnval")
	}
	clone := func(c *vctest.Client, ticket string) vctest.Answer {
		return c.Call("CloneSession", sessionManager, "<cloneTicket>"+ticket+"</cloneTicket>")
	}
	source.Refused(s.Client(t).Call("AcquireCloneTicket", sessionManager, ""), "NotAuthenticated")
	ticket := acquire(source)
	copied := s.Client(t)
	a := clone(copied, ticket)
	if a.Status != 200 || a.Text("userName") != "reader" || a.Header.Get("Set-Cookie") == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	source.Refused(clone(s.Client(t), ticket), "InvalidLogin")
	source.Refused(clone(s.Client(t), "cst-none"), "InvalidLogin")
	own := func(c *vctest.Client) string {
		return c.Get(sessionManager, "currentSession.key")["currentSession.key"]
	}
	if own(source) == own(copied) || source.Cookie == copied.Cookie {
		t.Error("the clone is its source")
	}
	late := acquire(source)
	source.Must("Logout", sessionManager, "")
	source.Refused(clone(s.Client(t), late), "InvalidLogin")
	copied.Must("CurrentTime", "ServiceInstance:ServiceInstance", "") // lives on
	dropped := acquire(copied)
	s.API.Sessions.Drop()
	source.Refused(clone(s.Client(t), dropped), "InvalidLogin")
}

// A connection that is logged in takes on the clone: another session, another cookie, also of another user.
func TestCloneInASessionThatIsLoggedIn(t *testing.T) {
	vctest.Breaks(t, "session.clone-again")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "reader", Password: "r", Role: "ReadOnly"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	admin, c := s.Login(t), s.Login(t, "reader", "r")
	own := func(c *vctest.Client, path string) string {
		return c.Get(sessionManager, "currentSession."+path)["currentSession."+path]
	}
	before, key := *c, own(c, "key")
	c.Refused(c.Call("CloneSession", sessionManager, "<cloneTicket>cst-none</cloneTicket>"), "InvalidLogin")
	if own(c, "key") != key {
		t.Fatal("a refused ticket changed the session")
	}
	ticket := admin.Must("AcquireCloneTicket", sessionManager, "").Text("returnval")
	a := c.Must("CloneSession", sessionManager, "<cloneTicket>"+ticket+"</cloneTicket>")
	if a.Text("userName") != vctest.User || a.Header.Get("Set-Cookie") == "" || c.Cookie == before.Cookie {
		t.Fatal(a.Body)
	}
	if own(c, "userName") != vctest.User || own(c, "key") == key || own(c, "key") == own(admin, "key") || own(c, "key") != a.Text("key") {
		t.Error("the connection is not in the clone")
	}
	if own(&before, "key") != key || own(&before, "userName") != "reader" {
		t.Error("the session before has ended")
	}
	c.Refused(c.Call("CloneSession", sessionManager, "<cloneTicket>"+ticket+"</cloneTicket>"), "InvalidLogin")
}

func TestVersionMismatch(t *testing.T) {
	vctest.Breaks(t, "wire.version-mismatch")
	s := vctest.Start(t, vcenter.Options{Version: "8.0.3.0"})
	token := wsse + issue(t, s, sso.Wanted{}) + "</wsse:Security>"
	c := s.Client(t)
	c.Version = "9.1.0.0"
	a := by(c, token)
	if a.Status != 500 || a.Text("faultcode") != "VersionMismatchFaultCode" || !strings.Contains(a.Text("faultstring"), `Unsupported version URI "urn:vim25/9.1.0.0"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	c.Version = "8.0.3.0"
	if a := by(c, token); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// A token from the token service itself, as sts.Client of govmomi and PowerCLI ask for it.
func TestTokenService(t *testing.T) {
	vctest.Breaks(t, "token.issue")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Client(t)
	const wst = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	ask := func(kind, key, name, password, stamp string) (int, string) {
		body := vctest.Envelope(`<soapenv:Header>` + wsse + stamp + `<wsse:UsernameToken><wsse:Username>` + name + `</wsse:Username><wsse:Password>` + password +
			`</wsse:Password></wsse:UsernameToken></wsse:Security></soapenv:Header><soapenv:Body><RequestSecurityToken xmlns="` + wst + `">` +
			`<RequestType>` + wst + `/` + kind + `</RequestType><KeyType>` + wst + `/` + key + `</KeyType></RequestSecurityToken></soapenv:Body>`)
		res, err := http.Post(s.URL+"/sts/STSService/vsphere.local", "text/xml", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	now := stamp(0, time.Minute)
	for _, x := range []struct{ kind, key, password, stamp, code string }{
		{"Issue", "Bearer", "guess", now, "FailedAuthentication"},
		{"Issue", "PublicKey", vctest.Password, now, "RequestFailed"},
		{"Cancel", "Bearer", vctest.Password, now, "RequestFailed"},
		{"Issue", "Bearer", vctest.Password, stamp(-time.Hour, -time.Minute), "ExpiredData"},
	} {
		if status, text := ask(x.kind, x.key, vctest.User, x.password, x.stamp); status != 500 || !strings.Contains(text, ":"+x.code+"<") || strings.Contains(text, "Assertion") {
			t.Errorf("%v: %d %s", x, status, text)
		}
	}
	status, text := ask("Issue", "Bearer", vctest.User, vctest.Password, now)
	from, to := strings.Index(text, "<saml2:Assertion"), strings.Index(text, "</wst:RequestedSecurityToken>")
	if status != 200 || from < 0 || to < from {
		t.Fatal(status, text)
	}
	if a := by(c, wsse+text[from:to]+`</wsse:Security>`); a.Status != 200 || a.Text("userName") == "" {
		t.Fatal(a.Body)
	}
	res, err := http.Post(s.URL+"/sts/STSService/vsphere.local", "text/xml", strings.NewReader("<x/>"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 500 || !strings.Contains(string(b), ":InvalidRequest<") {
		t.Fatal(res.StatusCode, string(b))
	}
}
