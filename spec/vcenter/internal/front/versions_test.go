package front_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/vim25"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// As recorded at vCenter 8.0.3: pyvmomi tests/fixtures/smart_connection.yaml.
func TestVersionsPage(t *testing.T) {
	vctest.Breaks(t, "wire.versions-page")
	s := vctest.Start(t, vcenter.Options{})
	res, err := http.Get(s.URL + "/sdk/vimServiceVersions.xml")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	res.Body.Close()
	const recorded = `<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>8.0.3.0</version>` +
		`<priorVersions><version>8.0.2.0</version><version>8.0.1.0</version><version>8.0.0.2</version><version>8.0.0.1</version><version>8.0.0.0</version>` +
		`<version>7.0.3.2</version><version>7.0.3.1</version><version>7.0.3.0</version><version>7.0.2.1</version><version>7.0.2.0</version>` +
		`<version>7.0.1.1</version><version>7.0.1.0</version><version>7.0.0.2</version><version>7.0.0.0</version><version>6.9.1</version>` +
		`<version>6.8.7</version><version>6.7.3</version><version>6.7.2</version><version>6.7.1</version><version>6.7</version><version>6.5</version>` +
		`<version>6.0</version><version>5.5</version><version>5.1</version><version>5.0</version><version>4.1</version><version>4.0</version>` +
		"</priorVersions></namespace></namespaces>\n"
	if string(b) != recorded || res.Header.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Fatal(res.Header, string(b))
	}
}

func TestAnOlderServer(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Version: "8.0.1.0"})
	c := s.Client(t)
	c.Version = "8.0.1.0"
	a := c.Must("RetrieveServiceContent", si, "")
	if a.Text("apiVersion") != "8.0.1.0" || a.Text("version") != "8.0.1" || a.Text("apiType") != "VirtualCenter" {
		t.Fatal(a.Body)
	}
}

// A version that the server does not know is served with the server's own: the answer has
// neither less nor more than a client of that version gets.
func TestUnknownVersionsGetTheServersOwn(t *testing.T) {
	vctest.Breaks(t, "wire.version-unknown")
	s := vctest.Start(t, vcenter.Options{Version: "8.0.1.0"})
	c := s.Login(t)
	c.Version = "8.0.1.0"
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	read := func(version string) string {
		c.Version = version
		a := c.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>HostSystem</type><pathSet>capability</pathSet></propSet><objectSet>"+
			vctest.Ref("obj", host)+"</objectSet></specSet><options/>")
		return a.Body
	}
	own := read("8.0.1.0")
	for _, version := range []string{"8.0.2.0", "9.0.0.0", "99.9", "8.0.0.9", "7.0", "-", "release-1"} {
		if read(version) != own {
			t.Errorf("version %s is not served with the server's own", version)
		}
	}
	if read("6.5") == own {
		t.Error("6.5 is served with fields that it does not know")
	}
	// A field newer than the server stays unknown to it, whatever the client claims to be.
	c.Version = "9.0.0.0"
	pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	c.Refused(c.Call("CreateVM_Task", c.Find("DC0/vm"), "<config><name>x</name><files><vmPathName>[ds-1]</vmPathName></files><metroFtEnabled>false</metroFtEnabled></config>"+vctest.Ref("pool", pool)),
		"InvalidRequest")
}

// govmomi's default client announces the version of its own module, not the server's.
func TestADefaultClientOfANewerModule(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{Version: "7.0.3.0"})
	u, err := url.Parse(s.URL + "/sdk")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(vctest.User, vctest.Password)
	c, err := govmomi.NewClient(context.Background(), u, true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Client.Client.Version != vim25.Version || !strings.HasPrefix(vim25.Version, "9") {
		t.Fatal("this client is not newer than the server: ", c.Client.Client.Version)
	}
	if err := c.Logout(context.Background()); err != nil {
		t.Fatal(err)
	}
}
