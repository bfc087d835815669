package front_test

import (
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// dice creates requests that the schema allows but that make no sense: optional fields or not,
// lists of none to three, derived types in slots, objects of the right type or of any, names
// that exist and names that do not, numbers at their bounds.
type dice struct {
	*rand.Rand
	objects map[string][]types.ManagedObjectReference
	all     []types.ManagedObjectReference
	derived map[reflect.Type][]reflect.Type
	budget  int // fields that a request may still get
}

var words = []string{"", "x", "esx-a-1", "gpu-a", "ds-1", "[ds-1]", "[ds-1] x/x.vmx", "[none] a/b", "[", "[ds-1] ../../etc/passwd", "/", "DC0/vm/x", "name", "config.hardware.device[4000]", "*",
	"key-1", "administrator@vsphere.local", strings.Repeat("long ", 200), "ünï¢ödé", "0000:3b:00.0", "-1", "true", "https://127.0.0.1/folder/x", "vmx-19", "guestinfo.x", "SET.config.template", "RUN.container", "\t\n "}

func (d *dice) ref(kind string) types.ManagedObjectReference {
	switch d.Intn(8) {
	case 0:
		if kind == "" {
			kind = "VirtualMachine"
		}
		return types.ManagedObjectReference{Type: kind, Value: "none-1"}
	case 1:
		// The right type and the identity of something else.
		other := d.all[d.Intn(len(d.all))]
		if kind != "" {
			other.Type = kind
		}
		return other
	}
	var list []types.ManagedObjectReference
	for k, refs := range d.objects {
		if kind == "" || wire.Derives(k, kind) {
			list = append(list, refs...)
		}
	}
	if len(list) == 0 {
		return types.ManagedObjectReference{Type: kind, Value: "none-1"}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].String() < list[j].String() })
	return list[d.Intn(len(list))]
}

func (d *dice) object(v reflect.Value, depth int) {
	info := wire.Of(v.Type())
	for i := range info.Fields {
		f := &info.Fields[i]
		d.budget--
		if f.Name == "_this" || (f.Absent && (d.budget < 0 || depth > 5 || d.Intn(3) > 0)) {
			continue
		}
		d.value(v.FieldByIndex(f.Index), f, depth)
	}
}

func (d *dice) value(x reflect.Value, f *wire.Field, depth int) {
	switch x.Kind() {
	case reflect.Pointer:
		p := reflect.New(x.Type().Elem())
		d.value(p.Elem(), f, depth)
		x.Set(p)
	case reflect.Slice:
		if x.Type().Elem().Kind() == reflect.Uint8 {
			x.SetBytes([]byte(words[d.Intn(len(words))]))
			return
		}
		for n := d.Intn(4); n > 0 && depth < 7 && d.budget > 0; n-- {
			e := reflect.New(x.Type().Elem()).Elem()
			d.value(e, f, depth+1)
			if e.Kind() != reflect.Interface || !e.IsNil() {
				x.Set(reflect.Append(x, e))
			}
		}
	case reflect.Struct:
		switch {
		case x.Type() == reflect.TypeOf(types.ManagedObjectReference{}):
			x.Set(reflect.ValueOf(d.ref(f.Refers)))
		case x.Type() == reflect.TypeOf(time.Time{}):
			x.Set(reflect.ValueOf([]time.Time{{}, time.Now(), time.Unix(0, 0), time.Now().AddDate(80, 0, 0)}[d.Intn(4)].UTC()))
		default:
			d.object(x, depth+1)
		}
	case reflect.String:
		if m := x.MethodByName("Strings"); m.IsValid() {
			if all := m.Call(nil)[0]; all.Len() > 0 {
				x.SetString(all.Index(d.Intn(all.Len())).String())
			}
			return
		}
		x.SetString(words[d.Intn(len(words))])
	case reflect.Bool:
		x.SetBool(d.Intn(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		top := int64(1)<<(x.Type().Bits()-1) - 1
		if n := []int64{0, 1, -1, 2, 100, 4000, top, -top - 1}[d.Intn(8)]; !x.OverflowInt(n) {
			x.SetInt(n)
		}
	case reflect.Float32, reflect.Float64:
		x.SetFloat([]float64{0, -1, 1e30, 0.5}[d.Intn(4)])
	case reflect.Interface:
		if x.NumMethod() == 0 {
			x.Set(reflect.ValueOf([]any{"x", int32(-1), int64(1) << 40, true, 1.5, types.ArrayOfString{String: []string{"a"}}, types.OptionValue{Key: "k", Value: "v"}}[d.Intn(7)]))
			return
		}
		list := d.derived[x.Type()]
		if list == nil {
			for _, name := range wire.DataTypes() {
				if t, ok := wire.TypeByName(name); ok && reflect.PointerTo(t).Implements(x.Type()) {
					list = append(list, t)
				}
			}
			d.derived[x.Type()] = list
		}
		if len(list) == 0 || depth > 7 {
			return
		}
		p := reflect.New(list[d.Intn(len(list))])
		d.object(p.Elem(), depth+1)
		x.Set(p)
	}
}

// Random requests get an answer or a fault in time, and no handler keeps a lock: GPUPT_FUZZ
// requests (2 without it) to each method of each kind of object, from a seed (GPUPT_SEED). When
// the process dies, run the test again with -v: the last line shows the request.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	rounds, seed := 2, int64(1)
	if n, err := strconv.Atoi(os.Getenv("GPUPT_FUZZ")); err == nil {
		rounds = n
	}
	if n, err := strconv.ParseInt(os.Getenv("GPUPT_SEED"), 10, 64); err == nil {
		seed = n
	}
	derived := map[reflect.Type][]reflect.Type{}
	only := os.Getenv("GPUPT_KIND")
	kinds := []string{}
	called, refused := 0, 0
	for at := -1; at < len(kinds); {
		s := vctest.Start(t, vcenter.Options{Speed: 5000})
		c := s.Login(t)
		c.HTTP.Timeout = 20 * time.Second
		pool := "ResourcePool:" + c.Get(c.Find("DC0/host/gpu-a"), "resourcePool")["resourcePool"]
		for _, name := range []string{"x", "y"} {
			c.MustTask("CreateVM_Task", c.Find("DC0/vm"), "<config><name>"+name+"</name><guestId>otherGuest64</guestId><files><vmPathName>[ds-1]</vmPathName></files></config>"+vctest.Ref("pool", pool))
		}
		c.MustTask("PowerOnVM_Task", c.Find("DC0/vm/y"), "")
		objects := map[string][]types.ManagedObjectReference{}
		var all []types.ManagedObjectReference
		s.W.RLock()
		for _, o := range s.W.Reg.AllReference("") {
			ref := o.Reference()
			objects[ref.Type] = append(objects[ref.Type], ref)
			all = append(all, ref)
		}
		s.W.RUnlock()
		for _, refs := range objects {
			sort.Slice(refs, func(i, j int) bool { return refs[i].Value < refs[j].Value })
		}
		sort.Slice(all, func(i, j int) bool { return all[i].String() < all[j].String() })
		if at < 0 {
			for k := range objects {
				if only == "" || only == k {
					kinds = append(kinds, k)
				}
			}
			sort.Strings(kinds)
			at = 0
		}
		// A few kinds a server: what they destroy is then missing for a few only.
		for last := min(at+6, len(kinds)); at < last; at++ {
			d := &dice{Rand: rand.New(rand.NewSource(seed + int64(at))), objects: objects, all: all, derived: derived}
			for _, method := range wire.MethodsOf(kinds[at]) {
				rt, ok := wire.TypeByName(method)
				if !ok || skip[method] {
					continue
				}
				for n := 0; n < rounds; n++ {
					req := reflect.New(rt)
					d.budget = 150
					d.object(req.Elem(), 0)
					this := objects[kinds[at]][d.Intn(len(objects[kinds[at]]))]
					if d.Intn(20) == 0 {
						this = d.ref(kinds[at])
					}
					if this.Value == "" || this.Type == "" {
						continue
					}
					req.Elem().FieldByName("This").Set(reflect.ValueOf(this))
					enc := &wire.Encoder{Version: wire.ParseVersion("8.0.3.0")}
					enc.WriteString("<soapenv:Body>")
					enc.Request(method, req.Interface())
					enc.WriteString("</soapenv:Body>")
					body := enc.String()
					if testing.Verbose() {
						fmt.Println(body)
					}
					a := c.Raw(vctest.Envelope(body))
					called++
					if a.Err != nil || (a.Status != 200 && a.Status != 500) {
						t.Fatalf("%s %s: %d %v %s\n%s", this, method, a.Status, a.Err, a.Body, body)
					}
					switch a.Fault() {
					case "NotAuthenticated":
						c = s.Login(t)
						c.HTTP.Timeout = 20 * time.Second
					case "InvalidRequest", "InvalidType":
						refused++
						if strings.Contains(a.Body, "Unexpected element tag") { // what is missing was too deep for the dice
							t.Errorf("a request that the schema allows was refused: %s\n%s", a.Body, body)
						}
					}
				}
			}
			fresh := s.Login(t) // no handler keeps a lock
			fresh.HTTP.Timeout = 20 * time.Second
			fresh.Must("CurrentTime", si, "")
			fresh.Get("Folder:group-d1", "name", "childEntity")
			fresh.Must("Logout", "SessionManager:SessionManager", "")
		}
	}
	if called < 500*rounds && only == "" {
		t.Fatalf("only %d requests", called)
	}
	t.Logf("%d requests at random, %d refused by the reader", called, refused)
}
