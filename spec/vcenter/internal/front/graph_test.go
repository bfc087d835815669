package front_test

import (
	"encoding/xml"
	"sort"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// references are the managed objects that an answer names, each with the path of the first element that does.
func references(body string) map[string]string {
	out := map[string]string{}
	var path []string
	ref, text := "", ""
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		tok, err := d.Token()
		if err != nil {
			return out
		}
		switch x := tok.(type) {
		case xml.StartElement:
			path = append(path, x.Name.Local)
			ref, text = "", ""
			for _, a := range x.Attr {
				if a.Name.Local == "type" && a.Name.Space == "" {
					ref = a.Value
				}
			}
		case xml.CharData:
			text += string(x)
		case xml.EndElement:
			if ref != "" {
				if _, known := out[ref+":"+text]; !known {
					out[ref+":"+text] = strings.Join(path[min(4, len(path)-1):], ".")
				}
			}
			ref, path = "", path[:len(path)-1]
		}
	}
}

// Each managed object that an answer names can be read: the whole graph from ServiceContent on, with every
// property of every object in it (API reference: ManagedObjectReference; a client that walks it, as govc
// object.collect -R or pyVmomi's property access, reads what it finds).
func TestEveryReferenceCanBeRead(t *testing.T) {
	vctest.Breaks(t, "host.managers")
	for _, endpoint := range []string{"vcenter", "esxi"} {
		f := fleet.Demo()
		f.Endpoint = endpoint
		s := vctest.Start(t, vcenter.Options{Fleet: f})
		c := s.Login(t)
		content := c.Must("RetrieveServiceContent", si, "")
		find := func(kind string) string {
			for ref := range references(content.Body) {
				if strings.HasPrefix(ref, kind+":") {
					return ref
				}
			}
			t.Fatal(kind)
			return ""
		}
		collector, search := find("PropertyCollector"), find("SearchIndex")
		_, id, _ := strings.Cut(collector, ":")
		dc, compute := "DC0", "gpu-a"
		if endpoint == "esxi" {
			dc, compute = "ha-datacenter", f.Clusters[0].Hosts[0].Name
		}
		at := func(path string) string {
			a := c.Must("FindByInventoryPath", search, "<inventoryPath>"+dc+"/"+path+"</inventoryPath>")
			for ref := range references(a.Body) {
				return ref
			}
			t.Fatal(path, a.Body)
			return ""
		}
		pool := "ResourcePool:" + c.MustOn(id, at("host/"+compute), "resourcePool")["resourcePool"]
		for ref := range references(c.Must("CreateVM_Task", at("vm"), "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+
			vctest.Ref("pool", pool)).Body) {
			vctest.Eventually(t, "created", func() bool { return c.MustOn(id, ref, "info.state")["info.state"] == "success" })
		}
		for ref := range references(c.Must("CreateSnapshot_Task", at("vm/x"), "<name>s</name><memory>false</memory><quiesce>false</quiesce>").Body) {
			vctest.Eventually(t, "taken", func() bool { return c.MustOn(id, ref, "info.state")["info.state"] == "success" })
		}
		from := map[string]string{si: "ServiceInstance"}
		queue := []string{si}
		add := func(by, body string) {
			found := references(body)
			keys := make([]string, 0, len(found))
			for ref := range found {
				keys = append(keys, ref)
			}
			sort.Strings(keys)
			for _, ref := range keys {
				if _, seen := from[ref]; !seen {
					from[ref] = by + " " + found[ref]
					queue = append(queue, ref)
				}
			}
		}
		add("RetrieveServiceContent", content.Body)
		read := 0
		for len(queue) > 0 {
			ref := queue[0]
			queue = queue[1:]
			kind, _, _ := strings.Cut(ref, ":")
			a := c.Call("RetrievePropertiesEx", collector, "<specSet><propSet><type>"+kind+"</type><all>true</all></propSet><objectSet>"+vctest.Ref("obj", ref)+"</objectSet></specSet><options/>")
			if a.Status != 200 || !strings.Contains(a.Body, "<objects>") {
				t.Errorf("%s: %s, named by %s, cannot be read: %s", endpoint, ref, from[ref], a.Text("faultstring"))
				continue
			}
			read++
			add(ref, a.Body)
		}
		managers := map[string]string{}
		for ref := range from {
			if !strings.HasPrefix(ref, "HostSystem:") {
				continue
			}
			manager := c.MustOn(id, ref, "configManager", "datastoreBrowser")
			if endpoint == "vcenter" {
				for named := range references("<x>" + manager["configManager"] + "</x>") {
					if other := managers[named]; other != "" {
						t.Errorf("%s and %s share %s", ref, other, named)
					}
					managers[named] = ref
				}
			}
			a := vctest.Answer{Body: "<x>" + manager["configManager"] + "</x>"}
			services := c.MustOn(id, "HostServiceSystem:"+a.Text("serviceSystem"), "serviceInfo.service")["serviceInfo.service"]
			if !strings.Contains(services, "<key>TSM-SSH</key>") {
				t.Errorf("%s has no service TSM-SSH: %s", ref, services)
			}
		}
		t.Logf("%s: %d objects", endpoint, read)
		if read < 60 {
			t.Error(endpoint, read)
		}
	}
}
