package horizon

// update.go: the update of a pool replaces all of it: what the body does not have is unset or the default.

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sort"
	"strings"
)

func (s *Server) update(q *http.Request, pool map[string]any, spec *shape) (int, any, *failure) {
	if t := q.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		return 0, nil, &failure{415, "unsupported.media.type", "Content type '" + t + "' not supported"}
	}
	var in map[string]any
	if err := json.NewDecoder(io.LimitReader(q.Body, 1<<20)).Decode(&in); err != nil {
		return 0, nil, bad("invalid.json", "JSON parse error: %v", err)
	}
	if f := spec.check("", in); f != nil {
		return 0, nil, f
	}
	if f := allowed(pool, in, spec); f != nil {
		return 0, nil, f
	}
	fresh := newPool(pool["id"].(string))
	for k, v := range fresh {
		switch _, updatable := updateV7.fields[k]; {
		case !updatable: // the pool's own
			keep(pool, fresh, k)
		case spec.fields[k].kind == "": // this version cannot set it: it is as in a new pool
		case in[k] == nil:
			delete(fresh, k)
		case spec.fields[k].kind == "object":
			inner := v.(map[string]any)
			for name := range inner {
				if _, can := spec.fields[k].inner.fields[name]; can {
					delete(inner, name)
				} else if was, ok := pool[k].(map[string]any); ok && updateV7.fields[k].inner.fields[name].kind == "" {
					keep(was, inner, name) // no update has it
				}
			}
		}
	}
	keep(pool, fresh, "name")
	merge(fresh, in)
	clear(pool)
	merge(pool, fresh)
	return 204, nil, nil
}

func keep(from, to map[string]any, name string) {
	if v, ok := from[name]; ok {
		to[name] = v
	} else {
		delete(to, name)
	}
}

// check compares a body with a shape: the first problem, in the order of the names.
func (s *shape) check(at string, in map[string]any) *failure {
	for _, name := range s.required {
		if in[name] == nil {
			return bad("null.value", "%s%s must not be null", at, name)
		}
	}
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f, known := s.fields[name]
		if !known {
			return bad("unknown.property", "unknown property %q", at+name)
		}
		if in[name] == nil {
			continue
		}
		if f.kind == "object" {
			inner, ok := in[name].(map[string]any)
			if !ok {
				return bad("invalid.type", "%s%s is not an object", at, name)
			}
			if x := f.inner.check(at+name+".", inner); x != nil {
				return x
			}
			continue
		}
		if !f.holds(in[name]) {
			return bad("invalid.value", "%s%s has an invalid value", at, name)
		}
	}
	return nil
}

func (f field) holds(v any) bool {
	switch f.kind {
	case "bool":
		_, ok := v.(bool)
		return ok
	case "text":
		_, ok := v.(string)
		return ok
	case "word":
		t, ok := v.(string)
		return ok && slices.Contains(f.words, t)
	case "int":
		n, ok := v.(float64)
		return ok && n == float64(int64(n)) && n >= f.least && n <= f.most
	case "list":
		_, ok := v.([]any)
		return ok
	}
	return true
}

// members of an update that are for pools whose machines Horizon makes, and for farms
var automatedOnly = []string{"customization_settings", "enable_provisioning", "nics", "pattern_naming_settings", "provisioning_settings",
	"specific_naming_settings", "stop_provisioning_on_error", "storage_settings"}
var farmOnly = []string{"allow_rds_pool_multi_session_per_user", "cloud_brokered"}

// allowed are the conditions that the shapes' descriptions name.
func allowed(pool, in map[string]any, spec *shape) *failure {
	text := func(m map[string]any, k string) string { s, _ := m[k].(string); return s }
	kind, source := text(pool, "type"), text(pool, "source")
	managed := source != "RDS" && source != "UNMANAGED"
	need := func(names ...string) *failure {
		for _, n := range names {
			if in[n] == nil && spec.fields[n].kind != "" {
				return bad("null.value", "%s is required for this pool", n)
			}
		}
		return nil
	}
	var f *failure
	if kind != "RDS" {
		f = need("access_group_id")
	}
	if f == nil && managed {
		f = need("session_type", "transparent_page_sharing_scope")
	}
	if f == nil && kind == "AUTOMATED" {
		f = need("enable_provisioning", "stop_provisioning_on_error")
	}
	switch {
	case f != nil:
	case text(pool, "user_assignment") == "DEDICATED":
		f = need("allow_multiple_user_assignments")
	case kind != "RDS":
		f = need("allow_users_to_choose_machines")
	}
	if f == nil && in["category_folder_name"] != nil {
		f = need("shortcut_locations_v2")
	}
	if f != nil {
		return f
	}
	for names, no := range map[*[]string]bool{&automatedOnly: kind != "AUTOMATED", &farmOnly: kind != "RDS"} {
		for _, n := range *names {
			if no && in[n] != nil {
				return bad("not.applicable", "%s is not applicable to this pool", n)
			}
		}
	}
	display, _ := in["display_protocol_settings"].(map[string]any)
	session, _ := in["session_settings"].(map[string]any)
	if display == nil {
		return nil
	}
	r, protocol, choose := text(display, "renderer3d"), text(display, "default_display_protocol"), display["allow_users_to_choose_protocol"] == true
	switch {
	case source == "INSTANT_CLONE" && r != "MANAGE_BY_VSPHERE_CLIENT":
		return bad("invalid.value", "renderer3d of an instant clone pool is MANAGE_BY_VSPHERE_CLIENT")
	case r != "" && r != "DISABLED" && (choose || protocol != "PCOIP" && protocol != "BLAST"):
		return bad("invalid.value", "renderer3d %s: default_display_protocol must be PCOIP or BLAST and allow_users_to_choose_protocol must be false", r)
	case r != "" && r != "MANAGE_BY_VSPHERE_CLIENT" && (display["max_number_of_monitors"] == nil || display["max_resolution_of_any_one_monitor"] == nil):
		return bad("null.value", "max_number_of_monitors and max_resolution_of_any_one_monitor are required for renderer3d %s", r)
	case (r == "AUTOMATIC" || r == "SOFTWARE" || r == "HARDWARE") && display["vram_size_mb"] == nil:
		return bad("null.value", "vram_size_mb is required for renderer3d %s", r)
	case session != nil && text(session, "disconnected_session_timeout_policy") == "AFTER" && session["disconnected_session_timeout_minutes"] == nil:
		return bad("null.value", "disconnected_session_timeout_minutes is required for AFTER")
	}
	return nil
}
