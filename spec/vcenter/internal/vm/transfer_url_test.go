package vm_test

import (
	"crypto/sha1"
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// fromGuest asks for a file of the guest and gives its address.
func (k *kit) fromGuest(vm string) *url.URL {
	k.t.Helper()
	a := k.c.Must("InitiateFileTransferFromGuest", guestFiles, vctest.Ref("vm", vm)+linuxAuth+"<guestFilePath>/etc/hostname</guestFilePath>")
	u, err := url.Parse(html.UnescapeString(a.Text("url")))
	if err != nil {
		k.t.Fatal(err)
	}
	return u
}

func linux(change func(*fleet.Fleet)) func(*fleet.Fleet) {
	return func(f *fleet.Fleet) {
		f.VMs = append(f.VMs, fleet.VM{Name: "l", Host: "esx-a-1", Installed: "ubuntu", Username: "ops", Password: "Train-1-pass", DiskGB: 1, Power: "poweredOn"},
			fleet.VM{Name: "off", Host: "esx-a-1", DiskGB: 1})
		if change != nil {
			change(f)
		}
	}
}

// The host of a VM serves its files, under the certificate that its vCenter reports.
func TestBehindAVCenterTransfersGoToTheHost(t *testing.T) {
	k := startFleet(t, linux(nil))
	k.rule("host.transfer-url")
	vm := k.c.Find("/DC0/vm/l")
	k.until(vm, "guest.guestOperationsReady", "true")
	host := k.c.Get(k.host, "summary.config.sslThumbprint", "config.network.vnic", "config.certificate")
	u := k.fromGuest(vm)
	if u.Scheme != "https" || u.Path != "/guestFile" || !strings.Contains(host["config.network.vnic"], "<ipAddress>"+u.Hostname()+"</ipAddress>") || u.Port() == "" {
		t.Fatal(u, host["config.network.vnic"])
	}
	shown := ""
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			shown = strings.ToUpper(strings.Trim(regexp.MustCompile("..").ReplaceAllString(fmt.Sprintf("%x", sha1.Sum(s.PeerCertificates[0].Raw)), "$0:"), ":"))
			return nil
		}}}}
	get := func(at string) (int, string) {
		res, err := client.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	other := k.fromGuest(vm)
	if res, err := http.Get(k.URL + other.RequestURI()); err != nil || res.StatusCode != 404 { // the vCenter itself has no files of guests
		t.Fatal(res, err)
	}
	if code, text := get(u.String()); code != 200 || text != "l\n" {
		t.Fatal(code, text)
	}
	if shown != host["summary.config.sslThumbprint"] || shown == "" {
		t.Error(shown, host["summary.config.sslThumbprint"])
	}
	if code, _ := get("https://" + u.Host + "/sdk/vimServiceVersions.xml"); code != 404 { // nothing else is there
		t.Error(code)
	}
	lease := "HttpNfcLease:" + k.c.Must("ExportVm", k.c.Find("/DC0/vm/off"), "").Text("returnval")
	if got := k.c.Get(lease, "info.deviceUrl")["info.deviceUrl"]; !strings.Contains(got, "<url>https://"+u.Host+"/nfc/") ||
		!strings.Contains(got, "<sslThumbprint>"+shown+"</sslThumbprint>") { // API reference: HttpNfcLeaseDeviceUrl.sslThumbprint
		t.Error(got)
	}
	k.Control(t, "POST", "/set", map[string]any{"host": "esx-a-1", "lost": true})
	if _, err := client.Get(other.String()); err == nil { // a host that is away serves nothing
		t.Error("a lost host answers")
	}
}

// With transfer_by: name the host is called as in the inventory; the address is where it listens.
func TestAHostMayBeNamedInTheURL(t *testing.T) {
	k := startFleet(t, linux(func(f *fleet.Fleet) { f.TransferBy = "name" }))
	vm := k.c.Find("/DC0/vm/l")
	k.until(vm, "guest.guestOperationsReady", "true")
	if u := k.fromGuest(vm); u.Hostname() != "esx-a-1" || u.Port() == "" {
		t.Error(u)
	}
}

// files is the name of the guests' file manager, which an ESXi host has under another one.
func (k *kit) files() string {
	ref := k.W.Content.GuestOperationsManager
	return k.c.MustOn(k.W.Content.PropertyCollector.Value, ref.Type+":"+ref.Value, "fileManager")["fileManager"]
}

// An ESXi host gives "*" and its own port.
func TestAtAHostTransfersNameNobody(t *testing.T) {
	f := fleet.Demo()
	linux(func(f *fleet.Fleet) { f.Endpoint = "esxi" })(f)
	s := vctest.Start(t, vcenter.Options{Fleet: f, Speed: 2000})
	k := &kit{t: t, Server: s, c: s.Login(t)}
	k.rule("host.transfer-url")
	named := func(name string) string {
		s.W.RLock()
		defer s.W.RUnlock()
		for _, o := range s.W.Reg.All("VirtualMachine") {
			if vm, e := s.W.VM(o.Reference()); e == nil && vm.Name == name {
				return "VirtualMachine:" + vm.Self.Value
			}
		}
		t.Fatal(name)
		return ""
	}
	vm := named("l")
	vctest.Eventually(t, "the guest is ready", func() bool {
		return k.c.MustOn("ha-property-collector", vm, "guest.guestOperationsReady")["guest.guestOperationsReady"] == "true"
	})
	a := k.c.Must("InitiateFileTransferFromGuest", "GuestFileManager:"+k.files(), vctest.Ref("vm", vm)+linuxAuth+"<guestFilePath>/etc/hostname</guestFilePath>")
	at := html.UnescapeString(a.Text("url"))
	port := k.URL[strings.LastIndexByte(k.URL, ':'):]
	if !strings.HasPrefix(at, "https://*"+port+"/guestFile?id=") {
		t.Fatal(at)
	}
	res, err := http.Get(strings.Replace(at, "https://*"+port, k.URL, 1))
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	lease := "HttpNfcLease:" + k.c.Must("ExportVm", named("off"), "").Text("returnval")
	if got := k.c.MustOn("ha-property-collector", lease, "info.deviceUrl")["info.deviceUrl"]; !strings.Contains(got, "<url>https://*"+port+"/nfc/") {
		t.Error(got)
	}
}
