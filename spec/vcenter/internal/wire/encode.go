package wire

// encode.go writes answers. It leaves out fields newer than the client's version, writes
// signed bytes and shorts as the schema requires, xsi:type on every slot that takes
// derived types, and arrays in anyType as ArrayOfX.

import (
	"bytes"
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

var _ = rules.Add(rules.Rule{ID: "wire.array-items", Sure: "seen", As: "real", Source: "pyvmomi tests/fixtures/test_json_host_explode.yaml: ArrayOfCustomFieldDef recorded with `<CustomFieldDef xsi:type=\"CustomFieldDef\">`",
	Text: "The items of a list in a property's value carry xsi:type, as the value itself does."})

const head = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>
`
const tail = "\n</soapenv:Body>\n</soapenv:Envelope>"

// Encoder writes vim25 XML for one client version.
type Encoder struct {
	bytes.Buffer
	Version Version
}

// Response writes the whole envelope of an answer; body is a pointer to an XxxResponse.
func (e *Encoder) Response(method string, body any) {
	e.WriteString(head)
	v := reflect.ValueOf(body)
	e.WriteString("<" + method + `Response xmlns="urn:vim25">`)
	if v.IsValid() && v.Kind() == reflect.Pointer && !v.IsNil() {
		e.fields(v.Elem())
	}
	e.WriteString("</" + method + "Response>")
	e.WriteString(tail)
}

// Request writes a call as a client would; body is a pointer to a request struct.
func (e *Encoder) Request(method string, body any) {
	e.WriteString("<" + method + ` xmlns="urn:vim25">`)
	e.fields(reflect.ValueOf(body).Elem())
	e.WriteString("</" + method + ">")
}

// Fault writes the whole envelope of a SOAP fault.
func (e *Encoder) Fault(f *fault.Error) {
	name := fault.Name(f.Fault)
	e.WriteString(head)
	code := f.Code
	if code == "" {
		code = "ServerFaultCode"
	}
	e.WriteString("<soapenv:Fault><faultcode>" + code + "</faultcode><faultstring>")
	e.text(f.Message)
	e.WriteString("</faultstring><detail><" + name + `Fault xmlns="urn:vim25" xsi:type="` + name + `">`)
	e.fields(reflect.Indirect(reflect.ValueOf(f.Fault)))
	e.WriteString("</" + name + "Fault></detail></soapenv:Fault>")
	e.WriteString(tail)
}

// keepZero names optional numbers that a real server sends although they are 0.
var keepZero = map[string]func(reflect.Value) bool{
	"GuestProcessInfo.exitCode":    func(v reflect.Value) bool { return !v.FieldByName("EndTime").IsNil() },
	"ToolsConfigInfo.toolsVersion": func(reflect.Value) bool { return true }, // 0 without Tools, as guest.toolsVersion is "0"
}

// Present reports whether a field of a struct is sent.
func (i *Info) Present(f *Field, in reflect.Value) bool {
	if !f.Omit || !in.FieldByIndex(f.Index).IsZero() {
		return true
	}
	keep := keepZero[i.Name+"."+f.Name]
	return keep != nil && keep(in)
}

func (e *Encoder) fields(v reflect.Value) {
	info := Of(v.Type())
	for i := range info.Fields {
		f := &info.Fields[i]
		if f.Version.After(e.Version) {
			continue
		}
		if info.Present(f, v) {
			e.field(f.Name, f, v.FieldByIndex(f.Index))
		}
	}
	if more := newer[info.Name]; more != nil {
		more(e, v)
	}
}

func (e *Encoder) field(name string, f *Field, fv reflect.Value) {
	if f.List {
		if fv.Type() == sliceType {
			for _, b := range fv.Bytes() {
				e.WriteString("<" + name + ">" + strconv.Itoa(int(int8(b))) + "</" + name + ">")
			}
			return
		}
		for n := 0; n < fv.Len(); n++ {
			e.Value(name, f.Type, fv.Index(n))
		}
		return
	}
	e.Value(name, f.Type, fv)
}

// Value writes one element of static type t; a nil pointer or interface writes nothing.
func (e *Encoder) Value(name string, t reflect.Type, v reflect.Value) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if !v.IsValid() || (v.Kind() == reflect.String && v.Len() == 0 && v.Type().Name() != "string") {
		return // an enum without a value is left out: no client could read it
	}
	if t.Kind() == reflect.Interface {
		if t.NumMethod() == 0 {
			e.any(name, v)
			return
		}
		if v.Type() != refType {
			for typeSince[v.Type().Name()].After(e.Version) && v.NumField() > 0 && v.Type().Field(0).Anonymous {
				v = v.Field(0) // a client of that version has only the base
			}
			e.WriteString("<" + name + ` xsi:type="` + v.Type().Name() + `">`)
			e.fields(v)
			e.WriteString("</" + name + ">")
			return
		}
	}
	switch {
	case v.Type() == refType:
		e.ref(name, "", v)
	case v.Kind() == reflect.Struct && v.Type() != timeType:
		e.WriteString("<" + name + ">")
		e.fields(v)
		e.WriteString("</" + name + ">")
	default:
		e.WriteString("<" + name + ">")
		e.scalar(v)
		e.WriteString("</" + name + ">")
	}
}

func (e *Encoder) ref(name, attr string, v reflect.Value) {
	r := v.Interface().(types.ManagedObjectReference)
	e.WriteString("<" + name + ` type="`)
	e.text(r.Type)
	e.WriteString(`"` + attr + `>`)
	e.text(r.Value)
	e.WriteString("</" + name + ">")
}

// Any writes a value as an anyType element.
func (e *Encoder) Any(name string, v reflect.Value) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	e.any(name, v)
}

// any writes a value in an anyType slot, with its type.
func (e *Encoder) any(name string, v reflect.Value) {
	t := v.Type()
	switch {
	case t == refType:
		e.ref(name, ` xsi:type="ManagedObjectReference"`, v)
	case t == timeType || t == bytesType || (t.Kind() != reflect.Struct && t.Kind() != reflect.Slice):
		e.WriteString("<" + name + ` xsi:type="` + xsdName(t) + `">`)
		e.scalar(v)
		e.WriteString("</" + name + ">")
	case t.Kind() == reflect.Struct:
		e.WriteString("<" + name + ` xsi:type="` + t.Name() + `">`)
		e.fields(v)
		e.WriteString("</" + name + ">")
	default:
		e.array(name, v)
	}
}

func (e *Encoder) array(name string, v reflect.Value) {
	et := v.Type().Elem()
	item := elementName(et)
	e.WriteString("<" + name + ` xsi:type="ArrayOf` + strings.ToUpper(item[:1]) + item[1:] + `">`)
	for n := 0; n < v.Len(); n++ {
		if v.Type() == sliceType {
			e.WriteString(`<byte xsi:type="xsd:byte">` + strconv.Itoa(int(int8(v.Index(n).Uint()))) + "</byte>")
			continue
		}
		if et.Kind() == reflect.Interface {
			e.Value(item, et, v.Index(n))
			continue
		}
		e.Any(item, v.Index(n))
	}
	e.WriteString("</" + name + ">")
}

// elementName is the child name in an ArrayOfX: X, or the xsd name of a scalar.
func elementName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		return "anyType"
	case t.Kind() == reflect.Interface:
		return strings.TrimPrefix(t.Name(), "Base")
	case t.Kind() == reflect.Struct && t != timeType:
		return t.Name()
	}
	return strings.TrimPrefix(xsdName(t), "xsd:")
}

func xsdName(t reflect.Type) string {
	switch {
	case t == timeType:
		return "xsd:dateTime"
	case t == bytesType:
		return "xsd:base64Binary"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "xsd:boolean"
	case reflect.Int8, reflect.Uint8:
		return "xsd:byte"
	case reflect.Int16:
		return "xsd:short"
	case reflect.Int32, reflect.Int:
		return "xsd:int"
	case reflect.Int64:
		return "xsd:long"
	case reflect.Float32:
		return "xsd:float"
	case reflect.Float64:
		return "xsd:double"
	}
	if t.Name() == "string" {
		return "xsd:string"
	}
	return t.Name() // an enum
}

func (e *Encoder) scalar(v reflect.Value) {
	switch t := v.Type(); {
	case t == timeType:
		e.WriteString(stamp(v.Interface().(time.Time)))
		return
	case t == bytesType:
		e.WriteString(base64.StdEncoding.EncodeToString(v.Bytes()))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		e.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Uint8:
		e.WriteString(strconv.Itoa(int(int8(v.Uint()))))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		e.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Float32, reflect.Float64:
		e.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()))
	case reflect.String:
		e.text(v.String())
	default:
		panic(fmt.Sprintf("wire: cannot write a %s", v.Type()))
	}
}

func (e *Encoder) text(s string) {
	last := 0
	for i := 0; i < len(s); i++ {
		var r string
		switch c := s[i]; {
		case c == '&':
			r = "&amp;"
		case c == '<':
			r = "&lt;"
		case c == '>':
			r = "&gt;"
		case c == '"':
			r = "&quot;"
		case c == '\r':
			r = "&#xD;"
		case c < 0x20 && c != '\n' && c != '\t':
			r = "?"
		default:
			continue
		}
		e.WriteString(s[last:i])
		e.WriteString(r)
		last = i + 1
	}
	e.WriteString(s[last:])
}

// stamp writes a time as servers do: six digits of a second, or none when it is whole.
func stamp(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000000Z")
}
