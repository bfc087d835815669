package beside

// soap.go: /pbm, /lookupservice/sdk and /vsanHealth.

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/session"
)

var (
	called  = regexp.MustCompile(`<(?:[A-Za-z0-9_]+:)?Body[^>]*>\s*<(?:[A-Za-z0-9_]+:)?([A-Za-z0-9_]+)`)
	wrapper = regexp.MustCompile(`<(?:[A-Za-z0-9_-]+:)?Envelope[^>]*>`)
	headers = regexp.MustCompile(`(?s)<(?:[A-Za-z0-9_-]+:)?Header(?:\s[^>]*)?(?:/>|>.*?</(?:[A-Za-z0-9_-]+:)?Header>)`)
	carried = regexp.MustCompile(`<(?:[A-Za-z0-9_]+:)?vcSessionCookie[^>]*>\s*"?([^"<\s]+)`)
)

var reads = regexp.MustCompile(`^(Pbm(Retrieve|Query|Fetch|Check|Find)|Cns?Query|Query|Retrieve|List$|VsanClusterGet|VsanQuery)`)

func (b *service) serveSOAP(w http.ResponseWriter, q *http.Request, ses *session.Session) {
	if q.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(q.Body, 32<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.start()
	method := ""
	if m := called.FindSubmatch(body); m != nil {
		method = string(m[1])
	}
	if m := carried.FindSubmatch(body); ses == nil && m != nil { // these services also take it in the SOAP header
		if ses = b.s.Sessions.Enter(string(m[1])); ses != nil {
			defer b.s.Sessions.Leave(ses)
		}
	}
	anonymous := strings.HasPrefix(q.URL.Path, "/lookupservice/") || method == "PbmRetrieveServiceContent"
	switch {
	case ses == nil && !anonymous:
		refuseSOAP(w, "NotAuthenticated", "The session is not authenticated.")
		return
	case !reads.MatchString(method) && (ses == nil || !b.may(ses, "Global.Settings", nil)):
		refuseSOAP(w, "NoPermission", "Permission to perform this operation was denied.")
		return
	}
	// The simulator's services read its session from the SOAP header; the client's own header has nothing else for them.
	body = wrapper.ReplaceAll(headers.ReplaceAll(body, nil), []byte(`$0<h:Header xmlns:h="http://schemas.xmlsoap.org/soap/envelope/"><vcSessionCookie>`+b.soap+`</vcSessionCookie></h:Header>`))
	inner := q.Clone(q.Context())
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.Header.Set("Cookie", soap.SessionCookieName+"="+b.soap)
	b.s.W.Lock()
	defer b.s.W.Unlock()
	// The simulator's lookup service takes its address from this option; some methods of vim25 would act on it.
	om := b.s.W.Reg.OptionManager()
	kept := om.Setting
	om.Setting = append(slices.Clone(kept), &types.OptionValue{Key: "vcsim.server.url", Value: b.s.URL})
	b.s.W.Svc.ServeSDK(w, inner)
	om.Setting = kept
}

func refuseSOAP(w http.ResponseWriter, kind, text string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>`+text+
		`</faultstring><detail><`+kind+`Fault xmlns="urn:vim25" xsi:type="`+kind+`"></`+kind+`Fault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`)
}
