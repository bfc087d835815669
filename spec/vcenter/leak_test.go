package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// What a client leaves behind is counted when the server ends.
func TestWhatWasNeverClosedIsCounted(t *testing.T) {
	for _, tidy := range []bool{false, true} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout := os.Stdout
		os.Stdout = out
		r, stop := serve(t, "-quiet=false")
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		cookie := ""
		call := func(method, this, inside string) string {
			doc := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><` + method + ` xmlns="urn:vim25">` + this + inside + `</` + method + `></e:Body></e:Envelope>`
			q, _ := http.NewRequest("POST", r.URL, strings.NewReader(doc))
			q.Header.Set("SOAPAction", "urn:vim25/8.0.3.0")
			q.Header.Set("Cookie", cookie)
			res, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 {
				t.Fatal(string(b))
			}
			if c := res.Header.Get("Set-Cookie"); c != "" {
				cookie, _, _ = strings.Cut(c, ";")
			}
			return string(b)
		}
		returned := func(answer string) string {
			_, rest, _ := strings.Cut(answer, "<returnval type=\"")
			kind, rest, _ := strings.Cut(rest, "\">")
			value, _, _ := strings.Cut(rest, "<")
			return `<_this type="` + kind + `">` + value + `</_this>`
		}
		const sm, pc, vm, root = `<_this type="SessionManager">SessionManager</_this>`, `<_this type="PropertyCollector">propertyCollector</_this>`, `<_this type="ViewManager">ViewManager</_this>`, `type="Folder">group-d1</`
		call("Login", sm, "<userName>"+r.Username+"</userName><password>"+r.Password+"</password>")
		filter := returned(call("CreateFilter", pc, "<spec><propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet><obj "+root+"obj></objectSet></spec><partialUpdates>false</partialUpdates>"))
		view := returned(call("CreateContainerView", vm, "<container "+root+"container><recursive>true</recursive>"))
		if tidy {
			call("DestroyPropertyFilter", filter, "")
			call("DestroyView", view, "")
			call("Logout", sm, "")
		}
		client.CloseIdleConnections()
		err = stop()
		os.Stdout = stdout
		out.Close()
		text, _ := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"1 session(s) were never logged out", "1 filters of live sessions were never destroyed", "1 views of live sessions were never destroyed"} {
			if strings.Contains(string(text), want) == tidy {
				t.Errorf("tidy %v, %s: %s", tidy, want, text)
			}
		}
	}
}
