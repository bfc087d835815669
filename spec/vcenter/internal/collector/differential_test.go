package collector_test

import (
	"math/rand"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
	"gpupt.test/vcenter/internal/wire"
)

// pathsOf returns the property paths of a managed object type, down to a depth, and whether
// each must have a value where what contains it has one.
func pathsOf(kind string, depth int) map[string]bool {
	out := map[string]bool{}
	var walk func(t reflect.Type, at string, left int, must bool)
	walk = func(t reflect.Type, at string, left int, must bool) {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		out[at] = must
		if left == 0 || t.Kind() != reflect.Struct || t == reflect.TypeOf(types.ManagedObjectReference{}) || t.String() == "time.Time" {
			return
		}
		info := wire.Of(t)
		for i := range info.Fields {
			fd := &info.Fields[i]
			walk(fd.Raw, at+"."+fd.Name, left-1, !fd.Optional && !fd.Omit && fd.Raw.Kind() != reflect.Slice)
		}
	}
	t, _ := wire.Managed(kind)
	var top func(t reflect.Type)
	top = func(t reflect.Type) {
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			if f.Anonymous {
				top(f.Type)
				continue
			}
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "self" {
				walk(f.Type, name, depth, false)
			}
		}
	}
	top(t)
	return out
}

var onePropSet = regexp.MustCompile(`(?s)<propSet><name>([^<]*)</name><val(?: type="\w+")? xsi:type="([^"]*)"[^>]*?(?:/>|>(.*?)</val></propSet>)`)

func propSets(body string) map[string]string {
	out := map[string]string{}
	for _, m := range onePropSet.FindAllStringSubmatch(body, -1) {
		out[m[1]] = m[2] + " " + typed.ReplaceAllString(m[3], "<$1$2>")
	}
	return out
}

// hollow is what the simulator returns for a value that is not set: nothing, zero or a
// structure of them. The real server leaves such a property out, as we do.
func hollow(value string) bool {
	_, inner, _ := strings.Cut(value, " ")
	return strings.Trim(tags.ReplaceAllString(inner, ""), "0") == ""
}

// typed are the items of arrays, which carry their type in our answers and not in the simulator's.
var typed = regexp.MustCompile(`<(\w+)( type="\w+")? xsi:type="(?:xsd:\w+|ManagedObjectReference|[A-Z]\w*)">`)

var tags = regexp.MustCompile(`<[^>]*>`)

// The same objects read by our collector through the wire and by the simulator's own in
// process, over random paths: both must agree, except where the real server is known
// to differ from the simulator.
func TestPathsReadAsTheSimulatorReadsThem(t *testing.T) {
	f := fleet.Demo()
	f.VMs = []fleet.VM{{Name: "v", Cluster: "gpu-a", Firmware: "efi", MemoryMB: 4096, DiskGB: 8, ExtraConfig: map[string]string{"a.b": "c"}}}
	s := vctest.Start(t, vcenter.Options{Fleet: f})
	c := s.Login(t)
	seed := rand.Int63()
	t.Log("seed ", seed)
	random := rand.New(rand.NewSource(seed))
	simulators := types.ManagedObjectReference{Type: "PropertyCollector", Value: s.W.Content.PropertyCollector.Value}
	compared, filled := 0, 0
	for _, kind := range []string{"HostSystem", "VirtualMachine", "ClusterComputeResource", "Folder", "Datacenter", "Datastore", "Network", "ResourcePool"} {
		ref := s.W.Reg.All(kind)[0].Reference()
		must := pathsOf(kind, 4)
		all := make([]string, 0, len(must))
		for p := range must {
			all = append(all, p)
		}
		sort.Strings(all)
		for round := 0; round < 12; round++ {
			pick := map[string]bool{}
			for len(pick) < min(25, len(all)) {
				p := all[random.Intn(len(all))]
				for pick[p] = true; strings.Contains(p, "."); pick[p] = true { // what contains it comes along
					p = p[:strings.LastIndexByte(p, '.')]
				}
			}
			req := &types.RetrievePropertiesEx{This: simulators, SpecSet: []types.PropertyFilterSpec{{
				PropSet: []types.PropertySpec{{Type: kind}}, ObjectSet: []types.ObjectSpec{{Obj: ref}}}}}
			inside := ""
			for p := range pick {
				req.SpecSet[0].PropSet[0].PathSet = append(req.SpecSet[0].PropSet[0].PathSet, p)
				inside += "<pathSet>" + p + "</pathSet>"
			}
			ours := c.Must("RetrievePropertiesEx", pc, "<specSet><propSet><type>"+kind+"</type>"+inside+"</propSet><objectSet>"+
				vctest.Ref("obj", kind+":"+ref.Value)+"</objectSet></specSet><options/>")
			s.W.Lock()
			res, e := s.W.Inner(simulators, "RetrievePropertiesEx", req)
			enc := &wire.Encoder{Version: wire.ParseVersion("8.0.3.0")}
			if e == nil {
				enc.Response("RetrievePropertiesEx", res)
			}
			s.W.Unlock()
			if e != nil {
				t.Fatal(e)
			}
			mine, theirs := propSets(ours.Body), propSets(enc.String())
			for p := range pick {
				if kind == "Datastore" && (p == "summary" || p == "summary.url" || strings.HasPrefix(p, "info")) {
					continue // the simulator shows the directory of this computer (datastore.go)
				}
				if root, _, _ := strings.Cut(p, "."); s.W.DerivedOf(kind, root) != nil || kind == "Datastore" && p == "host" {
					continue // worked out by this server when it is read
				}
				compared++
				if theirs[p] != "" {
					filled++
				}
				above := p[:max(0, strings.LastIndexByte(p, '.'))]
				if mine[p] == "" && hollow(theirs[p]) && !(must[p] && mine[above] != "") {
					continue
				}
				if theirs[p] == "" && strings.HasPrefix(mine[p], "ArrayOf") && strings.HasSuffix(mine[p], " ") && !strings.Contains(p, ".") {
					continue // an empty list is there, as recorded; the simulator leaves it out
				}
				if must[p] && theirs[p] == "" && mine[p] == "xsd:string " {
					continue // a text that must be there, and is empty: the simulator leaves it out
				}
				if mine[p] != theirs[p] {
					t.Errorf("%s.%s\n  ours   %.200q\n  theirs %.200q", kind, p, mine[p], theirs[p])
				}
			}
		}
	}
	t.Logf("%d paths compared, %d with a value", compared, filled)
}
