package front

// versions.go: the API versions that the server supports, and the one that SOAPAction requests.

import (
	"fmt"
	"net/http"
	"strings"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/wire"
)

var known = []string{"9.1.1.0", "9.1.0.0", "9.0.0.0", "8.0.3.1", "8.0.3.0", "8.0.2.0", "8.0.1.0", "8.0.0.2", "8.0.0.1", "8.0.0.0",
	"7.0.3.2", "7.0.3.1", "7.0.3.0", "7.0.2.1", "7.0.2.0", "7.0.1.1", "7.0.1.0", "7.0.0.2", "7.0.0.0", "6.9.1", "6.8.7", "6.7.3",
	"6.7.2", "6.7.1", "6.7", "6.5", "6.0", "5.5", "5.1", "5.0", "4.1", "4.0", "2.5u2", "2.5"}

// spoken lists the versions from the advertised one down.
func (f *Front) spoken() []string {
	out := []string{f.W.Content.About.ApiVersion}
	for _, v := range known {
		if f.W.Version.After(wire.ParseVersion(v)) {
			out = append(out, v)
		}
	}
	return out
}

func (f *Front) versions(w http.ResponseWriter, r *http.Request) {
	all := f.spoken()
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<namespaces version=\"1.0\">\n <namespace>\n"+
		"  <name>urn:vim25</name>\n  <version>%s</version>\n  <priorVersions>\n", all[0])
	for _, v := range all[1:] {
		fmt.Fprintf(w, "   <version>%s</version>\n", v)
	}
	fmt.Fprint(w, "  </priorVersions>\n </namespace>\n <namespace>\n  <name>urn:vim2</name>\n  <version>2.0</version>\n </namespace>\n</namespaces>\n")
}

// version reads SOAPAction.
func (f *Front) version(action string) (wire.Version, *fault.Error) {
	a := strings.Trim(strings.TrimSpace(action), `"`)
	if a == "urn:vim25" || a == "" || a == "urn:vim25/" {
		return wire.ParseVersion("2.5"), nil
	}
	v, ok := strings.CutPrefix(a, "urn:vim25/")
	if ok {
		for _, s := range f.spoken() {
			if s == v {
				return wire.ParseVersion(v), nil
			}
		}
	}
	e := fault.InvalidRequest("\nUnsupported version URI \"%s\"\n\nwhile parsing SOAP body\nat line 1, column 0", a)
	e.Code = "VersionMismatchFaultCode"
	return wire.Version{}, e
}
