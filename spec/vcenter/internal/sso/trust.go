package sso

// trust.go: WS-Trust's Issue, by which a client gets a bearer token for a name and a password.

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/beevik/etree"

	"gpupt.test/vcenter/internal/rules"
)

const (
	nsWST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	trust = nsWST + "/"
	// longest is what a bearer token lives at most.
	longest = 300 * time.Second
)

var _ = rules.Add(rules.Rule{ID: "token.issue", Sure: "documented", As: "laxer: a real one also issues holder-of-key tokens, and renews and validates tokens", Source: "WS-Trust 1.3, 4 (Issuance) and 11 (Error Handling); vSphere Single Sign-On Programming Guide: bearer token by user name credentials; vSphere Authentication 8.0: Maximum Bearer Token Lifetime 300000 ms; govmomi sts/client.go",
	Text: "RequestSecurityToken for Issue with a UsernameToken at /sts/STSService gives a signed bearer token that LoginByToken takes, of the lifetime asked for but at most 5 minutes; with a wrong name or password it is the fault FailedAuthentication, another request InvalidRequest or RequestFailed."})

func text(e *etree.Element) string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.Text())
}

// lifetime is what a request asks for, within what is granted.
func lifetime(request *etree.Element) time.Duration {
	span := child(request, nsWST, "Lifetime")
	if span == nil {
		return longest
	}
	from, err1 := time.Parse(time.RFC3339, text(child(span, nsWSU, "Created")))
	to, err2 := time.Parse(time.RFC3339, text(child(span, nsWSU, "Expires")))
	if err1 != nil || err2 != nil || !to.After(from) {
		return longest
	}
	return min(to.Sub(from), longest)
}

// trusted answers a request, or names WS-Trust's fault and says why.
func (s *Service) trusted(envelope []byte, now time.Time, knows func(name, password string) bool) (answer, code, why string) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(envelope); err != nil || doc.Root() == nil {
		return "", "InvalidRequest", "The request is not in the form of SOAP."
	}
	security, err := only(doc.Root(), nsSOAP, "Header", nsWSSE, "Security")
	if err != nil {
		return "", "InvalidRequest", "The request was invalid or malformed: " + err.Error() + "."
	}
	request, err := only(doc.Root(), nsSOAP, "Body", nsWST, "RequestSecurityToken")
	if err != nil {
		return "", "InvalidRequest", "The request was invalid or malformed: " + err.Error() + "."
	}
	if err := timestamp(security, now); err != nil {
		return "", "ExpiredData", "The request data is out-of-date: " + err.Error() + "."
	}
	if kind := text(child(request, nsWST, "RequestType")); kind != trust+"Issue" {
		return "", "RequestFailed", fmt.Sprintf("The requested operation %q is not supported.", kind)
	}
	if key := text(child(request, nsWST, "KeyType")); key != "" && key != trust+"Bearer" {
		return "", "RequestFailed", fmt.Sprintf("The key type %q is not supported.", key)
	}
	token := child(security, nsWSSE, "UsernameToken")
	if token == nil {
		return "", "RequestFailed", "Only user name credentials are supported."
	}
	name := text(child(token, nsWSSE, "Username"))
	password := child(token, nsWSSE, "Password")
	if password == nil || !knows(name, password.Text()) {
		return "", "FailedAuthentication", "Invalid credentials"
	}
	span := lifetime(request)
	assertion, err := s.Issue(Wanted{User: name, Lifetime: span.Seconds()})
	if err != nil {
		return "", "RequestFailed", err.Error()
	}
	at := func(t time.Time) string { return t.UTC().Format(instant) }
	return `<wst:RequestSecurityTokenResponseCollection xmlns:wst="` + nsWST + `"><wst:RequestSecurityTokenResponse>` +
		`<wst:TokenType>` + nsSAML + `</wst:TokenType><wst:RequestedSecurityToken>` + assertion + `</wst:RequestedSecurityToken>` +
		`<wst:Lifetime><wsu:Created xmlns:wsu="` + nsWSU + `">` + at(now) + `</wsu:Created><wsu:Expires xmlns:wsu="` + nsWSU + `">` + at(now.Add(span)) + `</wsu:Expires></wst:Lifetime>` +
		`</wst:RequestSecurityTokenResponse></wst:RequestSecurityTokenResponseCollection>`, "", ""
}

// Trust serves /sts/STSService.
func (s *Service) Trust(w http.ResponseWriter, envelope []byte, now time.Time, knows func(name, password string) bool) {
	answer, code, why := s.trusted(envelope, now, knows)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if code != "" {
		w.WriteHeader(http.StatusInternalServerError)
		answer = `<S:Fault><faultcode xmlns:ns0="` + trust + `">ns0:` + code + `</faultcode><faultstring>` + html.EscapeString(why) + `</faultstring></S:Fault>`
	}
	_, _ = fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="`+nsSOAP+`"><S:Body>`+answer+`</S:Body></S:Envelope>`)
}
