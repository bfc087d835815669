package wire

// decode.go is the strict reader: it checks a request against the schema while it
// builds govmomi's request struct. What the real server refuses is refused here, in its
// words where these are known: "Unexpected element tag "X" seen", "Required property X
// is missing from data object of type Y", each followed by the trail of the
// parser's position.

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

const soapSource = "rbvmomi#132 quotes the fault with its trail; XSD sequence"

var (
	_ = rules.Add(rules.Rule{ID: "wire.element-order", Sure: "seen", As: "real", Source: soapSource,
		Text: "Child elements come in xsd:sequence order, base fields first; otherwise InvalidRequest `Unexpected element tag \"X\" seen`."})
	_ = rules.Add(rules.Rule{ID: "wire.unknown-element", Sure: "seen", As: "real", Source: soapSource,
		Text: "An element that the type does not have is refused with the same fault."})
	_ = rules.Add(rules.Rule{ID: "wire.too-new-field", Sure: "seen", As: "real", Source: "rbvmomi#132 is such a case",
		Text: "A field newer than the version in SOAPAction (or than the server) is an unknown element."})
	_ = rules.Add(rules.Rule{ID: "wire.too-new-type", Sure: "inferred", As: "inferred", Source: "the versions of types and methods in pyVmomi's tables",
		Text: "A type or a method newer than the version in SOAPAction is unknown; an answer carries the nearest older base type instead."})
	_ = rules.Add(rules.Rule{ID: "wire.required-property", Sure: "seen", As: "real", Source: "node-vsphere#3",
		Text: "A required field that is missing: `Required property X is missing from data object of type Y`."})
	_ = rules.Add(rules.Rule{ID: "wire.required-parameter", Sure: "inferred", As: "inferred", Source: "none for the wording; minOccurs in the WSDL",
		Text: "A required parameter of a method that is missing is InvalidRequest."})
	_ = rules.Add(rules.Rule{ID: "wire.abstract-type", Sure: "inferred", As: "inferred", Source: "the reference calls these types base types; a device without type cannot be built",
		Text: "A slot whose static type is abstract (VirtualDevice, its backing, GuestAuthentication...) needs xsi:type."})
	_ = rules.Add(rules.Rule{ID: "wire.unknown-type", Sure: "inferred", As: "inferred", Source: "none for the wording",
		Text: "An xsi:type that is unknown, in the wrong namespace, or not derived from the declared type is InvalidRequest."})
	_ = rules.Add(rules.Rule{ID: "wire.any-type", Sure: "inferred", As: "inferred", Source: "xsd:anyType carries no type of its own; rbvmomi and pyVmomi always send it",
		Text: "A value of type anyType needs xsi:type."})
	_ = rules.Add(rules.Rule{ID: "wire.xsd-prefix", Sure: "inferred", As: "inferred", Source: "govmomi never declares the prefix and works with real servers",
		Text: "The prefix xsd in xsi:type needs no declaration; any other prefix does."})
	_ = rules.Add(rules.Rule{ID: "wire.enum", Sure: "inferred", As: "inferred", Source: "enumeration facets of the WSDL",
		Text: "An enum takes only its listed values."})
	_ = rules.Add(rules.Rule{ID: "wire.range", Sure: "inferred", As: "inferred", Source: "xsd:byte, short, int, long are signed and bounded",
		Text: "Numbers outside the range of their xsd type are refused: byte -128..127, short -32768..32767, and so on."})
	_ = rules.Add(rules.Rule{ID: "wire.namespace", Sure: "inferred", As: "inferred", Source: "WSDL targetNamespace urn:vim25",
		Text: "Method and parameters are in the namespace urn:vim25."})
	_ = rules.Add(rules.Rule{ID: "wire.reference-type", Sure: "seen", As: "real", Source: "WSDL ManagedObjectReference; a moref without type is not found",
		Text: "A managed object reference has a type attribute that names a managed object type, and a value."})
	_ = rules.Add(rules.Rule{ID: "wire.unknown-method", Sure: "seen", As: "real", Source: "vsphere-automation-sdk-java#28: the sentence, and vpxd's log `Failed to resolve method createClusterEx`",
		Text: "A method name that is not in the WSDL is InvalidType `The request refers to an unexpected or unknown type` (a kind of InvalidRequest)."})
	_ = rules.Add(rules.Rule{ID: "wire.well-formed", Sure: "seen", As: "real", Source: "pyvmomi#586 quotes the sentence",
		Text: "A document that is not well-formed (a bare & or < in a password) is InvalidRequest `Error returned by expat parser: not well-formed`."})
	_ = rules.Add(rules.Rule{ID: "wire.time-fraction", Sure: "seen", As: "real", Source: "answers quoted in public issues show both forms",
		Text: "A dateTime in an answer has six digits of a second, or none when the second is whole; in a request any number of digits, a zone, an offset or neither."})
	_ = rules.Add(rules.Rule{ID: "wire.reference-kind", Sure: "inferred", As: "inferred", Source: "the parameters' managed types in pyVmomi's tables; none for the fault",
		Text: "A reference names an object of the type that its parameter or field is declared for (for example a host for a HostSystem), else InvalidType."})
	_ = rules.Add(rules.Rule{ID: "wire.this-first", Sure: "seen", As: "real", Source: "vsphere-connect#12 quotes the fault with its trail",
		Text: "_this is the first element of a call: `Got <X> tag when expecting <_this> tag`."})
)

// abstract are the static types that have no instances.
var abstract = map[string]bool{
	"VirtualDevice": true, "VirtualDeviceBackingInfo": true, "VirtualController": true,
	"GuestAuthentication": true, "CustomizationIdentitySettings": true, "CustomizationOptions": true,
	"CustomizationIpGenerator": true, "ClusterRuleInfo": true, "Event": true, "TaskReason": true, "MethodFault": true,
	"CryptoSpec": true, "VirtualMachineBootOptionsBootableDevice": true, "CustomizationName": true,
}

// simple are the names of the types that Go calls otherwise.
var simple = map[string]string{"AnyType": "anyType", "Time": "dateTime", "int8": "byte", "int16": "short", "int32": "int", "int64": "long",
	"float32": "float", "float64": "double", "bool": "boolean"}

// Request is a decoded call.
type Request struct {
	Method      string
	This        types.ManagedObjectReference
	Body        any // pointer to govmomi's request struct
	OperationID string
}

type decoder struct {
	version Version
	trail   []string
}

// request begins the trail with the method and the object that are being asked for.
func (d *decoder) request(call *Node) {
	this := call.First("_this")
	if this == nil {
		return
	}
	kind, _ := this.Attribute("", "type")
	name := call.Name
	if m, _ := MethodOf(kind, call.Name); m != nil {
		name = m.Server
	}
	d.trail = append(d.trail, fmt.Sprintf("while parsing HTTP request for method %s\non object of type %s\nat line 1, column 0", name, ServerName(kind)))
}

func (d *decoder) push(n *Node, format string, args ...any) {
	d.trail = append(d.trail, fmt.Sprintf(format, args...)+fmt.Sprintf("\nat line %d, column %d", n.Line, n.Col))
}

func (d *decoder) pop() { d.trail = d.trail[:len(d.trail)-1] }

func (d *decoder) fail(format string, args ...any) *fault.Error {
	text := "\n" + fmt.Sprintf(format, args...)
	for i := len(d.trail) - 1; i >= 0; i-- {
		text += "\n\n" + d.trail[i]
	}
	return fault.InvalidRequest("%s", text)
}

// Decode reads a SOAP request, strictly, for a client that speaks the given version.
// On failure the Request holds what was known by then (method, object).
func Decode(data []byte, version Version) (*Request, *fault.Error) {
	req := &Request{}
	d := &decoder{version: version}
	root, err := parse(data)
	if err != nil {
		return req, fault.InvalidRequest("\nError returned by expat parser: not well-formed (%s)\n\nwhile reading from HTTP stream", err)
	}
	if root.Name != "Envelope" || root.Space != nsEnvelope {
		return req, d.fail("Unexpected element tag \"%s\" seen", root.Name)
	}
	if body := root.First("Body"); body != nil && len(body.Child) == 1 {
		d.request(body.Child[0])
	}
	d.push(root, "while parsing SOAP envelope")
	var body *Node
	for _, c := range root.Child {
		switch {
		case c.Space != nsEnvelope:
			return req, d.fail("Unexpected element tag \"%s\" seen", c.Name)
		case c.Name == "Header" && body == nil:
			if op := c.First("operationID"); op != nil {
				req.OperationID = strings.TrimSpace(op.Text)
			}
		case c.Name == "Body" && body == nil:
			body = c
		default:
			return req, d.fail("Unexpected element tag \"%s\" seen", c.Name)
		}
	}
	if body == nil || len(body.Child) != 1 {
		return req, d.fail("The SOAP body must hold exactly one call")
	}
	d.push(body, "while parsing SOAP body")
	call := body.Child[0]
	req.Method = call.Name
	if call.Space == "" && call.Name == "LoginByToken" { // token.no-namespace
		call.adopt(nsVim)
	}
	if call.Space != nsVim {
		return req, d.fail("Method %s is not in the namespace %s but in \"%s\"", call.Name, nsVim, call.Space)
	}
	d.push(call, "while parsing call information for method %s", call.Name)
	t, ok := TypeByName(call.Name)
	if since, has := oldest(call.Name); has && since.After(d.version) {
		ok = false
	}
	if !ok || t.Kind() != reflect.Struct || !isRequest(t) {
		return req, d.unknownType(call.Name, "Unable to resolve WSDL method name %s", call.Name)
	}
	if len(call.Child) == 0 || call.Child[0].Name != "_this" {
		got := "/" + call.Name
		if len(call.Child) > 0 {
			got = call.Child[0].Name
		}
		return req, d.fail("Got <%s> tag when expecting <_this> tag", got)
	}
	out := reflect.New(t)
	if e := d.object(call, out.Elem(), true); e != nil {
		return req, e
	}
	req.Body = out.Interface()
	req.This = out.Elem().FieldByName("This").Interface().(types.ManagedObjectReference)
	return req, nil
}

func isRequest(t reflect.Type) bool {
	f, ok := t.FieldByName("This")
	return ok && f.Type == refType
}

// object fills a struct from the children of n: a data object, or the parameters of a call.
func (d *decoder) object(n *Node, v reflect.Value, call bool) *fault.Error {
	info := Of(v.Type())
	if !call {
		d.push(n, "while parsing serialized DataObject of type %s", ServerName(info.Name))
		defer d.pop()
	}
	seen := make([]bool, len(info.Fields))
	at := -1
	for _, c := range n.Child {
		f, i := info.Field(c.Name)
		if f == nil || c.Space != nsVim || i < at || (i == at && !f.List) || f.Version.After(d.version) {
			return d.fail("Unexpected element tag \"%s\" seen", c.Name)
		}
		at, seen[i] = i, true
		if e := d.property(c, f, info, v.FieldByIndex(f.Index), call); e != nil {
			return e
		}
	}
	for i, f := range info.Fields {
		if seen[i] || f.Absent || f.List || f.Version.After(d.version) {
			continue
		}
		if call {
			return d.fail("Required parameter %s is missing", f.Name)
		}
		return d.fail("Required property %s is missing from data object of type %s", f.Name, info.Name)
	}
	if len(n.Child) > 0 && strings.TrimSpace(n.Text) != "" {
		return d.fail("Unexpected text \"%s\" between elements of %s", strings.TrimSpace(n.Text), n.Name)
	}
	return nil
}

// property reads one child; the trail names those of data objects, not parameters.
func (d *decoder) property(c *Node, f *Field, info *Info, v reflect.Value, call bool) *fault.Error {
	if !call {
		static := info.Name
		if t := f.Type; t.Kind() == reflect.Interface && t.NumMethod() > 0 {
			static = strings.TrimPrefix(t.Name(), "Base")
		} else if t.Name() != "" {
			static = t.Name()
			if n, ok := simple[static]; ok {
				static = n
			}
		}
		if f.List {
			static = "ArrayOf" + strings.ToUpper(static[:1]) + static[1:]
		}
		d.trail = append(d.trail, fmt.Sprintf("while parsing property \"%s\" of static type %s", f.Name, static))
		defer d.pop()
	}
	return d.field(c, f, v)
}

func (d *decoder) field(n *Node, f *Field, v reflect.Value) *fault.Error {
	if nilled, ok := n.Attribute(nsXSI, "nil"); ok && (nilled == "true" || nilled == "1") {
		return d.fail("Unexpected xsi:nil in element %s", n.Name)
	}
	if f.List {
		if v.Type() == sliceType {
			i, err := strconv.ParseInt(strings.TrimSpace(n.Text), 10, 8)
			if err != nil {
				return d.badValue(n, "xsd:byte")
			}
			v.SetBytes(append(v.Bytes(), byte(i)))
			return nil
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if e := d.value(n, f.Type, item); e != nil {
			return e
		}
		v.Set(reflect.Append(v, item))
		return d.refers(n, f, item)
	}
	if e := d.value(n, f.Type, v); e != nil {
		return e
	}
	return d.refers(n, f, v)
}

// refers refuses a reference to an object of a type that is not declared there.
func (d *decoder) refers(n *Node, f *Field, v reflect.Value) *fault.Error {
	if f.Refers == "" {
		return nil
	}
	ref, ok := reflect.Indirect(v).Interface().(types.ManagedObjectReference)
	if !ok || Derives(ref.Type, f.Refers) {
		return nil
	}
	return d.unknownType(ref.Type, "Element %s refers to a %s, but a %s is required", n.Name, ServerName(ref.Type), ServerName(f.Refers))
}

// unknownType is InvalidType, the InvalidRequest of a wrong or unknown type or method.
func (d *decoder) unknownType(argument, format string, args ...any) *fault.Error {
	e := d.fail("The request refers to an unexpected or unknown type.\n"+format, args...)
	e.Fault = &types.InvalidType{Argument: argument}
	return e
}

// value reads one value of static type t into v (a t, a *t or an interface).
func (d *decoder) value(n *Node, t reflect.Type, v reflect.Value) *fault.Error {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if e := d.value(n, t, p.Elem()); e != nil {
			return e
		}
		v.Set(p)
		return nil
	}
	if t.Kind() == reflect.Interface {
		return d.slot(n, t, v)
	}
	if t.Kind() == reflect.Struct && t != timeType && t != refType {
		if xt, has := n.Attribute(nsXSI, "type"); has {
			dyn, e := d.dataType(n, xt)
			if e != nil {
				return e
			}
			if dyn != t {
				if IsKind(dyn, t) {
					return d.object(n, v, false) // a derived type in a slot that Go keeps flat: base fields only
				}
				return d.fail("Type %s is not a %s", dyn.Name(), t.Name())
			}
		}
		return d.object(n, v, false)
	}
	if len(n.Child) > 0 {
		return d.fail("Unexpected element tag \"%s\" seen", n.Child[0].Name)
	}
	return d.scalar(n, t, v)
}

// slot reads an interface: anyType, or a base type with derived ones.
func (d *decoder) slot(n *Node, t reflect.Type, v reflect.Value) *fault.Error {
	xt, has := n.Attribute(nsXSI, "type")
	if t.NumMethod() == 0 {
		if !has {
			return d.fail("Missing xsi:type on element %s of type xsd:anyType", n.Name)
		}
		val, e := d.any(n, xt)
		if e != nil {
			return e
		}
		v.Set(reflect.ValueOf(val))
		return nil
	}
	base, ok := baseOf(t)
	if !ok {
		return d.fail("No static type for element %s", n.Name)
	}
	dyn := base
	if has {
		var e *fault.Error
		if dyn, e = d.dataType(n, xt); e != nil {
			return e
		}
	} else if abstract[base.Name()] {
		return d.fail("Missing xsi:type on element %s: %s is an abstract type", n.Name, base.Name())
	}
	p := reflect.New(dyn)
	if !p.Type().Implements(t) || (abstract[dyn.Name()] && !has) {
		return d.fail("Type %s is not a %s", dyn.Name(), base.Name())
	}
	if e := d.object(n, p.Elem(), false); e != nil {
		return e
	}
	v.Set(p)
	return nil
}

func (d *decoder) dataType(n *Node, xt string) (reflect.Type, *fault.Error) {
	space, local, ok := n.qname(xt)
	if !ok || space != nsVim {
		return nil, d.fail("Unable to resolve WSDL type name %s", xt)
	}
	dyn, ok := TypeByName(local)
	if !ok || dyn.Kind() != reflect.Struct || isRequest(dyn) || typeSince[local].After(d.version) {
		return nil, d.fail("Unable to resolve WSDL type name %s", xt)
	}
	return dyn, nil
}

var xsdKinds = map[string]reflect.Type{
	"string": reflect.TypeOf(""), "boolean": reflect.TypeOf(false), "int": reflect.TypeOf(int32(0)),
	"long": reflect.TypeOf(int64(0)), "short": reflect.TypeOf(int16(0)), "byte": reflect.TypeOf(int8(0)),
	"float": reflect.TypeOf(float32(0)), "double": reflect.TypeOf(float64(0)), "dateTime": timeType,
	"base64Binary": bytesType, "anyURI": reflect.TypeOf(""),
}

func (d *decoder) any(n *Node, xt string) (any, *fault.Error) {
	space, local, ok := n.qname(xt)
	if !ok {
		return nil, d.fail("Unable to resolve WSDL type name %s", xt)
	}
	if space == nsXSD {
		t, known := xsdKinds[local]
		if !known {
			return nil, d.fail("Unable to resolve WSDL type name %s", xt)
		}
		v := reflect.New(t).Elem()
		if e := d.scalar(n, t, v); e != nil {
			return nil, e
		}
		return v.Interface(), nil
	}
	t, known := TypeByName(local)
	if !known || space != nsVim {
		return nil, d.fail("Unable to resolve WSDL type name %s", xt)
	}
	v := reflect.New(t).Elem()
	var e *fault.Error
	if t.Kind() == reflect.Struct && t != refType && t != timeType {
		e = d.object(n, v, false)
	} else {
		e = d.scalar(n, t, v)
	}
	return v.Interface(), e
}

func (d *decoder) badValue(n *Node, kind string) *fault.Error {
	return d.fail("Value \"%s\" of element %s is not a valid %s", strings.TrimSpace(n.Text), n.Name, kind)
}

func (d *decoder) scalar(n *Node, t reflect.Type, v reflect.Value) *fault.Error {
	text := strings.TrimSpace(n.Text)
	switch {
	case t == timeType:
		ts, err := parseTime(text)
		if err != nil {
			return d.badValue(n, "xsd:dateTime")
		}
		v.Set(reflect.ValueOf(ts))
		return nil
	case t == refType:
		kind, has := n.Attribute("", "type")
		if !has || text == "" {
			return d.fail("Element %s is not a managed object reference: type attribute or value missing", n.Name)
		}
		if !IsManaged(kind) {
			return d.fail("Unable to resolve WSDL managed object type name %s", kind)
		}
		v.Set(reflect.ValueOf(types.ManagedObjectReference{Type: kind, Value: text}))
		return nil
	case t == bytesType:
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return d.badValue(n, "xsd:base64Binary")
		}
		v.SetBytes(b)
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		switch text {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			return d.badValue(n, "xsd:boolean")
		}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, t.Bits())
		if err != nil {
			return d.badValue(n, map[int]string{8: "xsd:byte", 16: "xsd:short", 32: "xsd:int", 64: "xsd:long"}[t.Bits()])
		}
		v.SetInt(i)
	case reflect.Uint8:
		i, err := strconv.ParseInt(text, 10, 8)
		if err != nil {
			return d.badValue(n, "xsd:byte")
		}
		v.SetUint(uint64(uint8(i)))
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(text, t.Bits())
		if err != nil || strings.ContainsAny(text, "xX_pP") || (strings.ContainsAny(text, "nfNF") && text != "INF" && text != "-INF" && text != "NaN") {
			return d.badValue(n, "xsd:double")
		}
		v.SetFloat(x)
	case reflect.String:
		if values := enumValues(t); values != nil {
			for _, ok := range values {
				if ok == text {
					v.SetString(text)
					return nil
				}
			}
			return d.badValue(n, t.Name())
		}
		v.SetString(n.Text)
	default:
		return d.fail("Element %s has a type that cannot be read", n.Name)
	}
	return nil
}

func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05.999999999", s) // without zone: taken as UTC
}
