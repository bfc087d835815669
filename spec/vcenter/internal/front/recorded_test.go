package front_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

// The form of values as pyVmomi's own fixtures recorded it at vCenter: tests/fixtures/test_json_host_explode.yaml.
func TestValuesHaveTheRecordedForm(t *testing.T) {
	vctest.Breaks(t, "wire.array-items", "collector.empty-list")
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	read := func(inside string) string {
		return c.Must("RetrievePropertiesEx", "PropertyCollector:propertyCollector", "<specSet><propSet><type>HostSystem</type>"+inside+
			"</propSet><objectSet>"+vctest.Ref("obj", host)+"</objectSet></specSet><options/>").Body
	}
	for path, want := range map[string]string{
		"value":                        `<val xsi:type="ArrayOfCustomFieldValue"></val>`,
		"tag":                          `<val xsi:type="ArrayOfTag"></val>`,
		"parent":                       `<val type="ClusterComputeResource" xsi:type="ManagedObjectReference">`,
		"network":                      `<ManagedObjectReference type="Network" xsi:type="ManagedObjectReference">`,
		"config.dateTimeInfo.timeZone": `<val xsi:type="HostDateTimeSystemTimeZone">`,
		"effectiveRole":                `<int xsi:type="xsd:int">-1</int>`,
		"config.option":                `<OptionValue xsi:type="OptionValue">`,
	} {
		if got := read("<pathSet>" + path + "</pathSet>"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got[max(0, strings.Index(got, "<propSet>")):])
		}
	}
	// all = true ignores pathSet (API reference: PropertySpec.all).
	if got := read("<all>true</all><pathSet>no.such</pathSet>"); !strings.Contains(got, "<name>runtime</name>") {
		t.Error(got)
	}
	content := c.Must("RetrieveServiceContent", si, "")
	if content.Text("patchLevel") != "00000" || !strings.Contains(content.Body, `<guestCustomizationManager type="VirtualMachineGuestCustomizationManager">GuestCustomizationManager<`) {
		t.Error(content.Body)
	}
}
