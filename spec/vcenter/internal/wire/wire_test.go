package wire_test

import (
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

const folderPath = "DC0/vm"

type rig struct {
	*vctest.Client
	s    *vctest.Server
	t    *testing.T
	host string
	sys  string
}

func newRig(t *testing.T) *rig {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	r := &rig{Client: c, s: s, t: t, host: c.Find("DC0/host/gpu-a/esx-a-1")}
	r.sys = "HostPciPassthruSystem:" + r.Get(r.host, "configManager.pciPassthruSystem")["configManager.pciPassthruSystem"]
	return r
}

// pair sends the broken request and the nearest valid one.
func (r *rig) pair(method, this, broken, valid string, parts ...string) {
	r.t.Helper()
	r.Refused(r.Call(method, this, broken), "InvalidRequest", parts...)
	r.Must(method, this, valid)
}

func TestElementOrder(t *testing.T) {
	vctest.Breaks(t, "wire.element-order")
	r := newRig(t)
	r.pair("UpdatePassthruConfig", r.sys,
		"<config><passthruEnabled>true</passthruEnabled><id>0000:3b:00.0</id></config>",
		"<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>",
		`Unexpected element tag &quot;id&quot; seen`, "while parsing serialized DataObject of type vim.host.PciPassthruConfig",
		"while parsing call information for method UpdatePassthruConfig", "while parsing SOAP body", "while parsing SOAP envelope",
		"while parsing HTTP request for method updatePassthruConfig\non object of type vim.host.PciPassthruSystem")
}

func TestParameterOrder(t *testing.T) {
	vctest.Breaks(t, "wire.element-order")
	r := newRig(t)
	c := r.s.Client(t)
	c.Refused(c.Call("Login", "SessionManager:SessionManager", "<password>"+vctest.Password+"</password><userName>"+vctest.User+"</userName>"),
		"InvalidRequest", `Unexpected element tag &quot;userName&quot; seen`)
	c.Must("Login", "SessionManager:SessionManager", "<userName>"+vctest.User+"</userName><password>"+vctest.Password+"</password>")
}

func TestUnknownElement(t *testing.T) {
	vctest.Breaks(t, "wire.unknown-element")
	r := newRig(t)
	r.pair("UpdatePassthruConfig", r.sys,
		"<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled><colour>red</colour></config>",
		"<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>", `Unexpected element tag &quot;colour&quot; seen`)
	r.pair("CurrentTime", "ServiceInstance:ServiceInstance", "<zone>UTC</zone>", "", `&quot;zone&quot;`)
}

func TestAnElementTwice(t *testing.T) {
	r := newRig(t)
	r.pair("UpdatePassthruConfig", r.sys,
		"<config><id>0000:3b:00.0</id><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>",
		"<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>", `&quot;id&quot;`)
}

func TestFieldNewerThanTheVersionInSoapAction(t *testing.T) {
	vctest.Breaks(t, "wire.too-new-field")
	r := newRig(t)
	labelled := "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled><hardwareLabel>a</hardwareLabel></config>"
	r.Version = "6.7.3"
	r.Refused(r.Call("UpdatePassthruConfig", r.sys, labelled), "InvalidRequest", `Unexpected element tag &quot;hardwareLabel&quot; seen`)
	r.Version = "7.0.2.0"
	r.Must("UpdatePassthruConfig", r.sys, labelled)
	now := "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled><applyNow>false</applyNow></config>"
	r.Version = "6.7.3"
	r.Refused(r.Call("UpdatePassthruConfig", r.sys, now), "InvalidRequest", "applyNow")
	r.Version = "7.0.0.0"
	r.Must("UpdatePassthruConfig", r.sys, now)
	// A parameter can be newer than its method, too.
	spec := "<timeout>0</timeout><maintenanceSpec><vsanMode><objectAction>noAction</objectAction></vsanMode></maintenanceSpec>"
	r.Version = "5.1"
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, spec), "InvalidRequest", "maintenanceSpec")
	r.Version = "5.5"
	r.MustTask("EnterMaintenanceMode_Task", r.host, spec)
}

func TestTypesAndMethodsNewerThanTheVersion(t *testing.T) {
	vctest.Breaks(t, "wire.too-new-type")
	r := newRig(t)
	folder := r.Find(folderPath)
	create := func() vctest.Answer {
		return r.Call("CreateVM_Task", folder, `<config><name>x</name><files><vmPathName>[ds-1]</vmPathName></files><deviceChange><operation>add</operation>`+
			`<device xsi:type="VirtualPCIPassthrough"><key>-1</key><backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><deviceName></deviceName>`+
			`<allowedDevice><vendorId>4318</vendorId><deviceId>8373</deviceId></allowedDevice></backing></device></deviceChange></config>`+vctest.Ref("pool", "ResourcePool:none"))
	}
	r.Version = "6.7.3"
	r.Refused(create(), "InvalidRequest", "VirtualPCIPassthroughDynamicBackingInfo")
	r.Version = "7.0.0.0"
	if a := create(); a.Fault() == "InvalidRequest" {
		t.Fatal(a.Body)
	}
	r.Version = "8.0.3.0"
	pool := "ResourcePool:" + r.Get(r.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
	r.MustTask("CreateVM_Task", folder, `<config><name>dyn</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files><deviceChange><operation>add</operation>`+
		`<device xsi:type="VirtualPCIPassthrough"><key>-1</key><backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"><deviceName></deviceName>`+
		`<allowedDevice><vendorId>4318</vendorId><deviceId>8373</deviceId></allowedDevice></backing></device></deviceChange></config>`+vctest.Ref("pool", pool))
	vm := r.Find(folderPath + "/dyn")
	for version, want := range map[string]string{"8.0.3.0": "VirtualPCIPassthroughDynamicBackingInfo", "6.7.3": "VirtualDeviceDeviceBackingInfo"} {
		r.Version = version
		if got := r.Get(vm, "config.hardware.device")["config.hardware.device"]; !strings.Contains(got, `<backing xsi:type="`+want+`">`) ||
			strings.Contains(got, "allowedDevice") != (version == "8.0.3.0") {
			t.Fatal(version, got)
		}
	}
	r.Version = "6.0"
	query := func() vctest.Answer {
		return r.Call("QueryConfigOptionEx", "EnvironmentBrowser:none", "")
	}
	if a := query(); a.Fault() == "InvalidRequest" {
		t.Fatal(a.Body)
	}
	r.Version = "5.5"
	r.Refused(query(), "InvalidType", "QueryConfigOptionEx")
}

func TestAnswersLeaveOutFieldsNewerThanTheVersion(t *testing.T) {
	r := newRig(t)
	r.Must("UpdatePassthruConfig", r.sys, "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled><hardwareLabel>a</hardwareLabel></config>")
	read := func() string { return r.Get(r.host, "config.pciPassthruInfo")["config.pciPassthruInfo"] }
	if !strings.Contains(read(), "<hardwareLabel>a") {
		t.Fatal("the label is missing for a new client")
	}
	r.Version = "6.7.3"
	if strings.Contains(read(), "hardwareLabel") {
		t.Fatal("an old client got a new field")
	}
}

func TestRequiredProperty(t *testing.T) {
	vctest.Breaks(t, "wire.required-property")
	r := newRig(t)
	pc := "PropertyCollector:propertyCollector"
	set := func(obj string) string {
		return "<specSet><propSet><type>Folder</type><pathSet>name</pathSet></propSet><objectSet>" + obj + "</objectSet></specSet><options/>"
	}
	r.pair("RetrievePropertiesEx", pc, set("<skip>false</skip>"), set(vctest.Ref("obj", "Folder:group-d1")+"<skip>false</skip>"),
		"Required property obj is missing from data object of type ObjectSpec",
		"while parsing property &quot;objectSet&quot; of static type ArrayOfObjectSpec\n\nwhile parsing serialized DataObject of type ")
}

func TestRequiredParameter(t *testing.T) {
	vctest.Breaks(t, "wire.required-parameter")
	r := newRig(t)
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, ""), "InvalidRequest", "Required parameter timeout is missing")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout>")
	r.Refused(r.Call("RetrievePropertiesEx", "PropertyCollector:propertyCollector",
		"<specSet><propSet><type>Folder</type></propSet><objectSet>"+vctest.Ref("obj", "Folder:group-d1")+"</objectSet></specSet>"),
		"InvalidRequest", "options")
}

func TestAbstractTypeNeedsXsiType(t *testing.T) {
	vctest.Breaks(t, "wire.abstract-type")
	r := newRig(t)
	create := func(device string) string {
		return `<config><name>x</name><files><vmPathName>[ds-1]</vmPathName></files><deviceChange><operation>add</operation>` + device +
			`</deviceChange></config>` + vctest.Ref("pool", "ResourcePool:none")
	}
	folder := r.Find(folderPath)
	r.Refused(r.Call("CreateVM_Task", folder, create("<device><key>-1</key></device>")), "InvalidRequest", "Missing xsi:type", "VirtualDevice")
	for field, base := range map[string]string{"<crypto/>": "CryptoSpec", "<bootOptions><bootOrder/></bootOptions>": "VirtualMachineBootOptionsBootableDevice"} {
		spec := func(field string) string {
			return "<config><name>x</name><files><vmPathName>[ds-1]</vmPathName></files>" + field + "</config>" + vctest.Ref("pool", "ResourcePool:none")
		}
		r.Refused(r.Call("CreateVM_Task", folder, spec(field)), "InvalidRequest", "Missing xsi:type", base)
		valid := strings.NewReplacer("<crypto/>", `<crypto xsi:type="CryptoSpecNoOp"/>`, "<bootOrder/>", `<bootOrder xsi:type="VirtualMachineBootOptionsBootableCdromDevice"/>`).Replace(field)
		if a := r.Call("CreateVM_Task", folder, spec(valid)); a.Fault() == "InvalidRequest" {
			t.Fatal(a.Body)
		}
	}
	// The nearest valid one passes the parser: it fails later, over the pool.
	if a := r.Call("CreateVM_Task", folder, create(`<device xsi:type="VirtualPCIController"><key>-1</key><busNumber>0</busNumber></device>`)); a.Fault() == "InvalidRequest" {
		t.Fatal(a.Body)
	}
}

func TestUnknownType(t *testing.T) {
	vctest.Breaks(t, "wire.unknown-type")
	r := newRig(t)
	with := func(xt string) string {
		return `<config xsi:type="` + xt + `"><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>`
	}
	for _, bad := range []string{"NoSuchType", "VirtualMachineConfigSpec", "xsd:string", "nowhere:HostPciPassthruConfig"} {
		r.Refused(r.Call("UpdatePassthruConfig", r.sys, with(bad)), "InvalidRequest")
	}
	r.Must("UpdatePassthruConfig", r.sys, with("HostPciPassthruConfig"))
	r.Must("UpdatePassthruConfig", r.sys, `<config xmlns:v="urn:vim25" xsi:type="v:HostPciPassthruConfig"><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled></config>`)
}

func TestAnyTypeNeedsXsiType(t *testing.T) {
	vctest.Breaks(t, "wire.any-type")
	r := newRig(t)
	options := "OptionManager:VpxSettings"
	with := func(value string) string {
		return `<changedValue><key>config.vpxd.x</key>` + value + `</changedValue>`
	}
	r.pair("UpdateOptions", options, with("<value>1</value>"), with(`<value xsi:type="xsd:string">1</value>`), "Missing xsi:type")
}

func TestThePrefixXsdNeedsNoDeclaration(t *testing.T) {
	vctest.Breaks(t, "wire.xsd-prefix")
	r := newRig(t)
	doc := func(xt string) string {
		return `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><UpdateOptions xmlns="urn:vim25"><_this type="OptionManager">VpxSettings</_this>` +
			`<changedValue><key>config.vpxd.y</key><value xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="` + xt + `">1</value></changedValue></UpdateOptions></Body></Envelope>`
	}
	r.Refused(r.Raw(doc("xs:string")), "InvalidRequest", "xs:string")
	if a := r.Raw(doc("xsd:string")); a.Status != 200 {
		t.Fatal(a.Body)
	}
}

func TestEnum(t *testing.T) {
	vctest.Breaks(t, "wire.enum")
	r := newRig(t)
	host := r.Find("DC0/host")
	with := func(b string) string {
		return `<name>c-` + b + `</name><spec><drsConfig><defaultVmBehavior>` + b + `</defaultVmBehavior></drsConfig></spec>`
	}
	r.pair("CreateClusterEx", host, with("sometimes"), with("manual"), "sometimes")
}

func TestRanges(t *testing.T) {
	vctest.Breaks(t, "wire.range")
	r := newRig(t)
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, "<timeout>2147483648</timeout>"), "InvalidRequest", "xsd:int")
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, "<timeout>soon</timeout>"), "InvalidRequest", "xsd:int")
	r.Refused(r.Call("EnterMaintenanceMode_Task", r.host, "<timeout>0</timeout><evacuatePoweredOffVms>yes</evacuatePoweredOffVms>"), "InvalidRequest", "xsd:boolean")
	r.MustTask("EnterMaintenanceMode_Task", r.host, "<timeout>2147483647</timeout><evacuatePoweredOffVms>0</evacuatePoweredOffVms>")
	folder := r.Find(folderPath)
	vm := func(id string) string {
		return `<config><name>x</name><files><vmPathName>[ds-1]</vmPathName></files><deviceChange><operation>add</operation>` +
			`<device xsi:type="VirtualPCIPassthrough"><key>-1</key><backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><deviceName>a</deviceName>` +
			`<id>0000:3b:00.0</id><deviceId>20b5</deviceId><systemId>s</systemId><vendorId>` + id + `</vendorId></backing></device></deviceChange></config>` +
			vctest.Ref("pool", "ResourcePool:none")
	}
	r.Refused(r.Call("CreateVM_Task", folder, vm("34000")), "InvalidRequest", "xsd:short")
	if a := r.Call("CreateVM_Task", folder, vm("-31536")); a.Fault() == "InvalidRequest" {
		t.Fatal(a.Body)
	}
}

func TestNamespaceOfTheCall(t *testing.T) {
	vctest.Breaks(t, "wire.namespace")
	r := newRig(t)
	doc := func(ns string) string {
		return vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="` + ns + `">` + vctest.Ref("_this", "ServiceInstance:ServiceInstance") + `</CurrentTime></soapenv:Body>`)
	}
	r.Refused(r.Raw(doc("urn:nonsense")), "InvalidRequest")
	r.Refused(r.Raw(strings.Replace(doc(""), ` xmlns=""`, "", 1)), "InvalidRequest")
	if a := r.Raw(doc("urn:vim25")); a.Status != 200 {
		t.Fatal(a.Body)
	}
	prefixed := vctest.Envelope(`<soapenv:Body xmlns:v="urn:vim25"><v:CurrentTime><v:_this type="ServiceInstance">ServiceInstance</v:_this></v:CurrentTime></soapenv:Body>`)
	if a := r.Raw(prefixed); a.Status != 200 {
		t.Fatal(a.Body)
	}
}

func TestReferences(t *testing.T) {
	vctest.Breaks(t, "wire.reference-type")
	r := newRig(t)
	call := func(this string) vctest.Answer {
		return r.Raw(vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">` + this + `</CurrentTime></soapenv:Body>`))
	}
	r.Refused(call(`<_this>ServiceInstance</_this>`), "InvalidRequest")
	r.Refused(call(`<_this type="Nonsense">ServiceInstance</_this>`), "InvalidRequest", "Nonsense")
	r.Refused(call(`<_this type="ServiceInstance"></_this>`), "InvalidRequest")
	r.Refused(call(``), "InvalidRequest", "expecting &lt;_this&gt; tag")
	if a := call(`<_this type="ServiceInstance">ServiceInstance</_this>`); a.Status != 200 {
		t.Fatal(a.Body)
	}
}

func TestThisComesFirst(t *testing.T) {
	vctest.Breaks(t, "wire.this-first")
	r := newRig(t)
	call := func(inside string) vctest.Answer {
		return r.Raw(vctest.Envelope(`<soapenv:Body><FindByInventoryPath xmlns="urn:vim25">` + inside + `</FindByInventoryPath></soapenv:Body>`))
	}
	this, path := vctest.Ref("_this", "SearchIndex:SearchIndex"), "<inventoryPath>DC0</inventoryPath>"
	r.Refused(call(path+this), "InvalidRequest", "Got &lt;inventoryPath&gt; tag when expecting &lt;_this&gt; tag", "while parsing call information for method FindByInventoryPath")
	if a := call(this + path); a.Status != 200 {
		t.Fatal(a.Body)
	}
}

func TestAReferenceOfAnotherType(t *testing.T) {
	vctest.Breaks(t, "wire.reference-kind")
	r := newRig(t)
	cluster := r.Find("DC0/host/gpu-a")
	pool := "ResourcePool:" + r.Get(cluster, "resourcePool")["resourcePool"]
	create := func(name, pool string) vctest.Answer {
		return r.Call("CreateVM_Task", r.Find(folderPath), "<config><name>"+name+"</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
	}
	r.Refused(create("x", r.host), "InvalidType", "<argument>HostSystem</argument>", "a vim.ResourcePool is required")
	r.Refused(create("x", cluster), "InvalidType")
	if a := create("x", pool); a.Status != 200 {
		t.Fatal(a.Body)
	}
	// A field below a parameter, and a parameter that takes any entity.
	vm := ""
	vctest.Eventually(t, "the VM exists", func() bool {
		vm = r.Must("FindByInventoryPath", "SearchIndex:SearchIndex", "<inventoryPath>"+folderPath+"/x</inventoryPath>").Text("returnval")
		return vm != ""
	})
	vm = "VirtualMachine:" + vm
	move := func(host string) vctest.Answer {
		return r.Call("RelocateVM_Task", vm, "<spec>"+vctest.Ref("host", host)+"</spec>")
	}
	r.Refused(move(pool), "InvalidType", "while parsing serialized DataObject of type vim.vm.RelocateSpec")
	if a := move(r.host); a.Status != 200 {
		t.Fatal(a.Body)
	}
	view := func(in string) vctest.Answer {
		return r.Call("CreateContainerView", "ViewManager:ViewManager", vctest.Ref("container", in)+"<recursive>true</recursive>")
	}
	r.Refused(view("SessionManager:SessionManager"), "InvalidType")
	for _, in := range []string{cluster, pool, r.Find("DC0")} {
		if a := view(in); a.Status != 200 {
			t.Fatal(a.Body)
		}
	}
}

func TestUnknownMethod(t *testing.T) {
	vctest.Breaks(t, "wire.unknown-method", "wire.method-not-found")
	r := newRig(t)
	r.Refused(r.Call("MakeCoffee_Task", r.host, ""), "InvalidType", "The request refers to an unexpected or unknown type", "<argument>MakeCoffee_Task</argument>")
	r.Refused(r.Call("ManagedObjectReference", r.host, ""), "InvalidType")
	r.Refused(r.Call("rebootHost_Task", r.host, "<force>false</force>"), "InvalidType") // the name as the server's own code has it
	r.Refused(r.Call("RebootHost_Task", "HostSystem:host-99999", "<force>false</force>"), "ManagedObjectNotFound")
	r.Refused(r.Call("QueryConnectionInfo", "Datacenter:"+strings.TrimPrefix(r.Find("DC0"), "Datacenter:"), "<hostname>x</hostname><port>1</port><username>u</username><password>p</password>"), "MethodNotFound")
}

func TestSoapAction(t *testing.T) {
	vctest.Breaks(t, "wire.soap-action")
	r := newRig(t)
	doc := vctest.Envelope(`<soapenv:Body><CurrentTime xmlns="urn:vim25">` + vctest.Ref("_this", "ServiceInstance:ServiceInstance") + `</CurrentTime></soapenv:Body>`)
	for _, bad := range []string{"urn:nonsense/8.0.3.0", "\"urn:vim2/2.0\"", "urn:vim251/8.0.3.0", "8.0.3.0", "urn:urn:vim25/6.0"} {
		r.Refused(r.Post(t.Context(), doc, bad), "InvalidRequest", "Unsupported version URI")
	}
	for _, good := range []string{"urn:vim25/8.0.3.0", "\"urn:vim25/6.5\"", "urn:vim25/7.0.0.0", "urn:vim25/2.5", "/8.0.3.0", "\"/7.0\""} {
		if a := r.Post(t.Context(), doc, good); a.Status != 200 {
			t.Fatal(good, a.Body)
		}
	}
}

func TestBrokenDocuments(t *testing.T) {
	r := newRig(t)
	for _, bad := range []string{"", "hello", "<a>", "<a/>", vctest.Envelope(""), vctest.Envelope("<soapenv:Body/>"),
		`<!DOCTYPE x [<!ENTITY e "boom">]>` + vctest.Envelope("<soapenv:Body/>"),
		vctest.Envelope("<soapenv:Body>" + strings.Repeat("<a>", 500) + strings.Repeat("</a>", 500) + "</soapenv:Body>")} {
		r.Refused(r.Raw(bad), "InvalidRequest")
	}
	r.Must("CurrentTime", "ServiceInstance:ServiceInstance", "")
}

// govmomi's structs write these always; the schema lets them be left out.
func TestFieldsThatOnlyGovmomiRequires(t *testing.T) {
	r := newRig(t)
	for _, f := range []struct{ kind, field string }{{"OptionValue", "value"}, {"PerfInterval", "key"}, {"PerfInterval", "enabled"}, {"FileQueryFlags", "fileOwner"},
		{"VirtualMachineConfigInfo", "alternateGuestName"}, {"HostAssignableHardwareConfigAttributeOverride", "value"}} {
		rt, _ := wire.TypeByName(f.kind)
		if field, _ := wire.Of(rt).Field(f.field); field == nil || !field.Absent {
			t.Errorf("%s.%s is required", f.kind, f.field)
		}
	}
	rt, _ := wire.TypeByName("HostLowLevelProvisioningManagerDiskLayoutSpec")
	if field, _ := wire.Of(rt).Field("unitNumber"); field.Absent {
		t.Error("unitNumber is optional")
	}
	browser := "HostDatastoreBrowser:" + r.Get(r.Find("DC0/datastore/ds-1"), "browser")["browser"]
	search := func(details string) vctest.Answer {
		return r.Call("SearchDatastore_Task", browser, "<datastorePath>[ds-1]</datastorePath><searchSpec><details>"+details+"</details></searchSpec>")
	}
	r.Refused(search("<fileType>true</fileType><modification>true</modification>"), "InvalidRequest", "Required property fileSize is missing")
	if a := search("<fileType>true</fileType><fileSize>true</fileSize><modification>true</modification>"); a.Status != 200 {
		t.Fatal(a.Body)
	}
}
