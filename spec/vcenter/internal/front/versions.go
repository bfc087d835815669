package front

// versions.go: the API versions that the server supports, and the one that SOAPAction requests.

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/wire"
)

var known = []string{"9.1.1.0", "9.1.0.0", "9.0.0.0", "8.0.3.1", "8.0.3.0", "8.0.2.0", "8.0.1.0", "8.0.0.2", "8.0.0.1", "8.0.0.0",
	"7.0.3.2", "7.0.3.1", "7.0.3.0", "7.0.2.1", "7.0.2.0", "7.0.1.1", "7.0.1.0", "7.0.0.2", "7.0.0.0", "6.9.1", "6.8.7", "6.7.3",
	"6.7.2", "6.7.1", "6.7", "6.5", "6.0", "5.5", "5.1", "5.0", "4.1", "4.0"}

// older ones are served too, but not listed.
var unlisted = []string{"2.5u2", "2.5"}

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
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>%s</version><priorVersions>`, all[0])
	for _, v := range all[1:] {
		fmt.Fprintf(w, "<version>%s</version>", v)
	}
	fmt.Fprint(w, "</priorVersions></namespace></namespaces>\n")
}

// version reads SOAPAction. A version that the server does not know is served with its own;
// unknown is then the refusal that LoginByToken answers instead.
func (f *Front) version(action string) (v wire.Version, unknown, e *fault.Error) {
	a := strings.Trim(strings.TrimSpace(action), `"`)
	if a == "urn:vim25" || a == "" || a == "urn:vim25/" {
		return wire.ParseVersion("2.5"), nil, nil
	}
	e = fault.InvalidRequest("\nUnsupported version URI \"%s\"\n\nwhile parsing SOAP body\nat line 1, column 0", a)
	e.Code = "VersionMismatchFaultCode"
	name, ok := strings.CutPrefix(strings.TrimPrefix(a, "urn:vim25"), "/")
	if !ok {
		return wire.Version{}, nil, e
	}
	if slices.Contains(f.spoken(), name) || slices.Contains(unlisted, name) {
		return wire.ParseVersion(name), nil, nil
	}
	return f.W.Version, e, nil
}
