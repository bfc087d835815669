package front_test

import (
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// fill sets every required field of a request to a value that the schema allows and that
// makes no sense. Optional slots are filled when full is set.
func fill(v reflect.Value, this types.ManagedObjectReference, full bool, depth int) {
	info := wire.Of(v.Type())
	for i := range info.Fields {
		f := &info.Fields[i]
		x := v.FieldByIndex(f.Index)
		if f.Name == "_this" {
			x.Set(reflect.ValueOf(this))
			continue
		}
		if (f.Optional && !full) || depth > 3 {
			continue
		}
		value(x, this, full, depth)
	}
}

func value(x reflect.Value, this types.ManagedObjectReference, full bool, depth int) {
	switch x.Kind() {
	case reflect.Pointer:
		p := reflect.New(x.Type().Elem())
		value(p.Elem(), this, full, depth)
		x.Set(p)
	case reflect.Slice:
		if x.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		e := reflect.New(x.Type().Elem()).Elem()
		value(e, this, full, depth+1)
		if e.Kind() == reflect.Interface && e.IsNil() {
			return
		}
		x.Set(reflect.Append(x, e))
	case reflect.Struct:
		if x.Type() == reflect.TypeOf(this) {
			x.Set(reflect.ValueOf(this))
		} else if x.Type().String() != "time.Time" {
			fill(x, this, full, depth+1)
		}
	case reflect.String:
		if s := reflect.Zero(x.Type()); s.Type().Name() != "string" {
			if m := s.MethodByName("Strings"); m.IsValid() {
				x.SetString(m.Call(nil)[0].Index(0).String())
			}
			return
		}
		x.SetString("x")
	case reflect.Interface:
		if x.NumMethod() == 0 {
			x.Set(reflect.ValueOf("x"))
			return
		}
		if t, ok := types.TypeFunc()(strings.TrimPrefix(x.Type().Name(), "Base")); ok && depth < 3 {
			p := reflect.New(t)
			if p.Type().Implements(x.Type()) {
				fill(p.Elem(), this, full, depth+1)
				x.Set(p)
			}
		}
	}
}

// Nothing that a client may send ends the server: every method of every object is called
// with requests that are valid but make no sense. A panic in a goroutine of the simulator
// would end this test's process.
func TestNoRequestEndsTheServer(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		s := vctest.Start(t, vcenter.Options{Speed: 2000})
		c := s.Login(t)
		pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
		c.MustTask("CreateVM_Task", c.Find("DC0/vm"), "<config><name>x</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
		objects := map[string]types.ManagedObjectReference{}
		for _, o := range s.W.Reg.AllReference("") {
			ref := o.Reference()
			if old, ok := objects[ref.Type]; !ok || ref.Value < old.Value {
				objects[ref.Type] = ref
			}
		}
		kinds := make([]string, 0, len(objects))
		for k := range objects {
			kinds = append(kinds, k)
		}
		sort.Strings(kinds)
		called := 0
		for _, kind := range kinds {
			for _, method := range wire.MethodsOf(kind) {
				if skip[method] {
					continue
				}
				rt, ok := wire.TypeByName(method)
				if !ok {
					continue
				}
				req := reflect.New(rt)
				fill(req.Elem(), objects[kind], full, 0)
				enc := &wire.Encoder{Version: wire.ParseVersion("8.0.3.0")}
				enc.WriteString("<soapenv:Body>")
				enc.Request(method, req.Interface())
				enc.WriteString("</soapenv:Body>")
				t.Logf("%s %s", objects[kind], method)
				a := c.Raw(vctest.Envelope(enc.String()))
				if a.Err != nil || (a.Status != 200 && a.Status != 500) {
					t.Errorf("%s %s: %d %v", kind, method, a.Status, a.Err)
				}
				if a.Fault() == "NotAuthenticated" {
					c = s.Login(t)
				}
				called++
			}
		}
		time.Sleep(300 * time.Millisecond) // their tasks come to an end
		fresh := s.Login(t)
		fresh.Must("CurrentTime", si, "") // what they destroyed does not matter
		fresh.Get("Folder:group-d1", "name", "childEntity")
		if called < 500 {
			t.Fatalf("only %d methods called", called)
		}
	}
}

// skip are calls that end the session or wait for ever by design.
var skip = map[string]bool{"Logout": true, "Login": true, "WaitForUpdates": true, "WaitForUpdatesEx": true}

// Statistics are kept for so long and no longer: the simulator would create a sample for
// each second that a query names, and run out of memory.
func TestStatisticsAreLimited(t *testing.T) {
	s := vctest.Start(t, vcenter.Options{})
	c := s.Login(t)
	host := c.Find("DC0/host/gpu-a/esx-a-1")
	query := func(inside string) vctest.Answer {
		return c.Call("QueryPerf", "PerformanceManager:PerfMgr", "<querySpec>"+vctest.Ref("entity", host)+inside+"</querySpec>")
	}
	const metric = "<metricId><counterId>2</counterId><instance></instance></metricId>"
	for inside, property := range map[string]string{metric + "<intervalId>1</intervalId>": "querySpec.interval", metric + "<intervalId>-2147483648</intervalId>": "querySpec.interval",
		"<maxSample>-5</maxSample>" + metric + "<intervalId>20</intervalId>":                                                           "querySpec.maxSample",
		"<startTime>2024-01-02T00:00:00Z</startTime><endTime>2024-01-01T00:00:00Z</endTime>" + metric + "<intervalId>300</intervalId>": "querySpec.startTime"} {
		c.Refused(query(inside), "InvalidArgument", property)
	}
	for inside, most := range map[string]int{metric + "<intervalId>20</intervalId>": 181, "<startTime>1970-01-01T00:00:00Z</startTime>" + metric + "<intervalId>86400</intervalId>": 366,
		"<maxSample>3</maxSample>" + metric + "<intervalId>20</intervalId>": 3} {
		a := query(inside)
		if n := len(a.Texts("timestamp")); a.Status != 200 || n == 0 || n > most {
			t.Error(inside, a.Status, n)
		}
	}
}
