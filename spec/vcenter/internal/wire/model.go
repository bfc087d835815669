package wire

// model.go knows what govmomi's structs do not say: the version in which a type or a
// method came, the server's own names for them, and the privilege of a method. The table
// is model.txt, made by gen_model.py.

import (
	_ "embed"
	"reflect"
	"sort"
	"strings"
)

//go:embed model.txt
var modelText string

// Method is a method of a managed object type.
type Method struct {
	Kind, Name, Server string // HostSystem, RebootHost_Task, reboot
	Since              Version
	Privilege          string
}

var (
	typeSince  = map[string]Version{} // data types and enums
	fieldSince = map[string]Version{} // Type.field, Method.parameter
	serverName = map[string]string{}  // wsdl name -> vim.vm.ConfigSpec
	bases      = map[string]string{}  // managed object types
	methods    = map[string]map[string]*Method{}
)

func init() {
	for _, line := range strings.Split(modelText, "\n") {
		f := strings.Fields(line)
		switch {
		case modelLine(f):
		case len(f) == 4 && (f[0] == "T" || f[0] == "E"):
			typeSince[f[1]] = ParseVersion(f[3])
			serverName[f[1]] = f[2]
		case len(f) == 4 && f[0] == "F":
			fieldSince[f[1]+"."+f[2]] = ParseVersion(f[3])
		case len(f) == 5 && f[0] == "O":
			serverName[f[1]], bases[f[1]] = f[2], f[3]
		case len(f) == 6 && f[0] == "M":
			m := &Method{Kind: f[1], Name: f[2], Server: f[3], Since: ParseVersion(f[4]), Privilege: strings.TrimPrefix(f[5], "-")}
			if methods[m.Name] == nil {
				methods[m.Name] = map[string]*Method{}
			}
			methods[m.Name][m.Kind] = m
		}
	}
}

// MethodOf finds a method on a type or its bases. known is false for a name that no type
// has (pyVmomi's Fetch is one).
func MethodOf(kind, name string) (m *Method, known bool) {
	by := methods[name]
	for k := kind; k != "" && k != "-"; k = bases[k] {
		if m := by[k]; m != nil {
			return m, true
		}
	}
	return nil, by != nil
}

// Privileges lists every privilege that some method, parameter or property names.
func Privileges() []string {
	seen := map[string]bool{}
	for _, by := range methods {
		for _, m := range by {
			if m.Privilege != "" {
				seen[m.Privilege] = true
			}
		}
	}
	for _, by := range paramNeeds {
		for _, p := range by {
			seen[p] = true
		}
	}
	for _, p := range readNeeds {
		if p != "" {
			seen[p] = true
		}
	}
	out := make([]string, 0, len(seen))
	for p := range seen {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}

// IsMethod tells whether a name is that of a request.
func IsMethod(name string) bool {
	t, ok := TypeByName(name)
	return ok && t.Kind() == reflect.Struct && isRequest(t)
}

// MethodsOf lists the methods of a managed object type, those of its bases included.
func MethodsOf(kind string) []string {
	out := []string{}
	for name := range methods {
		if m, _ := MethodOf(kind, name); m != nil {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// ServerName is the server's own name of a type in its messages.
func ServerName(name string) string {
	if s := serverName[name]; s != "" {
		return s
	}
	return name
}

// oldest is the version in which a method name first appeared.
func oldest(name string) (v Version, ok bool) {
	for _, m := range methods[name] {
		if !ok || v.After(m.Since) {
			v, ok = m.Since, true
		}
	}
	return v, ok
}

// DataTypes lists the data object types of the model.
func DataTypes() []string {
	out := []string{}
	for name := range typeSince {
		if t, ok := TypeByName(name); ok && t.Kind() == reflect.Struct && !isRequest(t) {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}
