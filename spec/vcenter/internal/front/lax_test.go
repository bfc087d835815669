package front_test

// lax_test.go goes through what a wrong client can do against a lax simulator and still
// pass, one line after the other. Each line names the tests that send the mistake and the
// nearest valid request; those that are nowhere else are below.

import (
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// mistakes are the lines: what the client does wrong, and package.Test of what refuses it.
var mistakes = []struct {
	what  string
	tests string
}{
	{"children out of the order of the schema", "wire.TestElementOrder wire.TestParameterOrder wire.TestThisComesFirst"},
	{"an unknown element", "wire.TestUnknownElement wire.TestAnElementTwice"},
	{"a field newer than the version spoken", "wire.TestFieldNewerThanTheVersionInSoapAction wire.TestAnswersLeaveOutFieldsNewerThanTheVersion"},
	{"a type or method newer than the version spoken", "wire.TestTypesAndMethodsNewerThanTheVersion"},
	{"a required field missing", "wire.TestRequiredProperty wire.TestRequiredParameter wire.TestFieldsThatOnlyGovmomiRequires"},
	{"xsi:type missing on an abstract slot", "wire.TestAbstractTypeNeedsXsiType"},
	{"an unknown xsi:type", "wire.TestUnknownType"},
	{"an anyType value without xsi:type", "wire.TestAnyTypeNeedsXsiType wire.TestThePrefixXsdNeedsNoDeclaration"},
	{"a bad enum or a number out of range", "wire.TestEnum wire.TestRanges"},
	{"a wrong namespace, SOAPAction or version", "wire.TestNamespaceOfTheCall wire.TestSoapAction front.TestVersionsPage"},
	{"_this without its type", "wire.TestReferences"},
	{"a reference of another type, or to nothing", "wire.TestAReferenceOfAnotherType front.TestObjectsThatAreNotThere wire.TestUnknownMethod"},
	{"a password that is not escaped", "front.TestAPasswordWithAnAmpersand wire.TestBrokenDocuments"},
	{"no cookie or a wrong one for /folder", "front.TestFilesNeedTheCookie vm.TestDatastoreFiles"},
	{"a cookie read without its quotes", "front.TestCookieForm"},
	{"no Logout", "front.TestSessionLimit vcenter.TestWhatWasNeverClosedIsCounted"},
	{"an idle session taken for a live one", "front.TestIdleSessionsExpire"},
	{"no session at all", "front.TestWithoutASession"},
	{"the token of a page not followed", "collector.TestPagesOfTheServersOwnSize"},
	{"any version in WaitForUpdatesEx, truncated ignored", "collector.TestVersionsAreEnforced collector.TestTruncatedUpdates"},
	{"an answer without updates taken for an error", "collector.TestTimeoutAnswersWithoutReturnval"},
	{"a bad path expected in missingSet", "collector.TestInvalidPropertyFaultsTheWholeCall"},
	{"missingSet ignored", "front.TestRightsToRead front.TestPrivileges"},
	{"a task taken for finished", "collector.TestTaskStatesArriveInOrder front.TestTaskCap"},
	{"maintenance mode with VMs running", "host.TestMaintenanceModeWaitsForRunningVMs"},
	{"a card added to a running VM", "vm.TestHotAddOfACard"},
	{"power on without the reservation", "vm.TestMemoryForPassthrough"},
	{"a reboot outside maintenance mode", "host.TestRebootOutsideMaintenanceMode"},
	{"a memory lock with another reservation", "vm.TestMemory"},
	{"a clone thought to lose firmware and lock", "vm.TestCloneKeepsWhatMatters"},
	{"the prefix xsi read by its name", "front.TestAnswersUseNamespaces"},
	{"an unknown type or field in an answer not expected", "front.TestTrouble"},
	{"times read with one form of fraction", "front.TestBothFormsOfTime"},
	{"ids above 0x7fff read as unsigned", "front.TestShortsAreSigned vm.TestIdsAbove0x8000"},
	{"gzip, chunks, closed connections, 502 and 503 with HTML not expected", "front.TestTrouble front.TestTroubleOfEachKind"},
	{"rights taken for granted", "front.TestPrivileges front.TestRightsToCreate front.TestRightsToReconfigureFields front.TestRightsToReconfigureDevices front.TestRightsToClone front.TestRightsToMove"},
}

func TestEveryMistakeHasItsTest(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	there := map[string]bool{}
	for _, glob := range []string{"../*/*_test.go", "../../*_test.go"} {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatal(glob, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Base(filepath.Dir(file))
			if dir == ".." {
				dir = "vcenter"
			}
			for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
				there[dir+"."+m[1]] = true
			}
		}
	}
	for _, m := range mistakes {
		for _, name := range strings.Fields(m.tests) {
			if !there[name] {
				t.Errorf("%s: there is no %s", m.what, name)
			}
		}
	}
}

func TestAPasswordWithAnAmpersand(t *testing.T) {
	vctest.Breaks(t, "wire.well-formed")
	f := fleet.Demo()
	f.Users = []fleet.User{{Name: "amp", Password: `a&b<c>"d'`, Role: "Admin"}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Client(t)
	for _, raw := range []string{`a&b<c>"d'`, `a&amp;b<c>"d'`, "a&b;c"} {
		c.Refused(c.Call("Login", "SessionManager:SessionManager", credentials("amp", raw)), "InvalidRequest", "Error returned by expat parser: not well-formed")
	}
	c.Refused(c.Call("Login", "SessionManager:SessionManager", credentials("amp", "a&amp;amp;b")), "InvalidLogin") // escaped twice is another password
	c.Must("Login", "SessionManager:SessionManager", credentials("amp", `a&amp;b&lt;c&gt;"d'`))
}

func TestFilesNeedTheCookie(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	other := vctest.Start(t, vcenter.Options{})
	c, foreign := s.Login(t), other.Login(t)
	get := func(cookie string) int {
		r, _ := http.NewRequest("GET", s.URL+"/folder/iso/ubuntu-answer.iso?dcPath=DC0&dsName=ds-1", nil)
		if cookie != "" {
			r.Header.Set("Cookie", "vmware_soap_session="+cookie)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	for what, cookie := range map[string]string{"none": "", "another server's": foreign.Cookie, "nonsense": `"x"`} {
		if code := get(cookie); code != 401 {
			t.Error(what, code)
		}
	}
	if code := get(c.Cookie); code != 200 {
		t.Fatal(code)
	}
	c.Must("Logout", "SessionManager:SessionManager", "")
	if code := get(c.Cookie); code != 401 {
		t.Fatal("after Logout: ", code)
	}
}

// Types are in xsi:type, by namespace; the prefix xsi is declared once, at the top.
func TestAnswersUseNamespaces(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	a := c.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>HostSystem</type><pathSet>config</pathSet><pathSet>name</pathSet></propSet><objectSet>"+
		vctest.Ref("obj", host)+"</objectSet></specSet><options/>")
	typed := 0
	for d := xml.NewDecoder(strings.NewReader(a.Body)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			for _, at := range e.Attr {
				switch {
				case at.Name.Local == "type" && at.Name.Space == "http://www.w3.org/2001/XMLSchema-instance":
					typed++
				case at.Name.Space != "" && at.Name.Space != "xmlns":
					t.Fatal(at)
				}
			}
		}
	}
	if typed < 20 || strings.Contains(a.Body, "XMLSchema-instance:") || strings.Count(a.Body, `"http://www.w3.org/2001/XMLSchema-instance"`) != 1 {
		t.Fatal(typed)
	}
}

func TestBothFormsOfTime(t *testing.T) {
	vctest.Breaks(t, "wire.time-fraction")
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 7200))
	for when, want := range map[time.Time]string{at: "2024-05-06T05:08:09Z", at.Add(1500 * time.Microsecond): "2024-05-06T05:08:09.001500Z"} {
		enc := &wire.Encoder{Version: wire.ParseVersion("8.0.3.0")}
		enc.Response("CurrentTime", &types.CurrentTimeResponse{Returnval: when})
		if got := enc.String(); !strings.Contains(got, ">"+want+"<") {
			t.Error(want, got)
		}
	}
	// And both are read, with a zone or an offset, with any number of digits.
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	query := func(begin string) vctest.Answer {
		return c.Call("CreateCollectorForEvents", "EventManager:EventManager", "<filter><time><beginTime>"+begin+"</beginTime></time></filter>")
	}
	for _, good := range []string{"2024-05-06T07:08:09Z", "2024-05-06T07:08:09.1+02:00", "2024-05-06T07:08:09.123456789Z", "2024-05-06T07:08:09"} {
		if a := query(good); a.Status != 200 {
			t.Fatal(good, a.Body)
		}
	}
	for _, bad := range []string{"2024-05-06", "yesterday", "2024-13-06T07:08:09Z", "1714979289"} {
		c.Refused(query(bad), "InvalidRequest", "xsd:dateTime")
	}
}

func TestShortsAreSigned(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	pci := c.Get(c.Find("DC0/host/gpu-a/esx-a-1"), "hardware.pciDevice")["hardware.pciDevice"]
	if !strings.Contains(pci, "<vendorId>-32634</vendorId>") || strings.Contains(pci, "<vendorId>32902</vendorId>") || !strings.Contains(pci, "<vendorId>4318</vendorId>") {
		t.Fatal(pci)
	}
}
