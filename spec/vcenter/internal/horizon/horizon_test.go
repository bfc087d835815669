package horizon_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/horizon"
	"gpupt.test/vcenter/internal/vctest"
)

func TestMain(m *testing.M) { os.Exit(vctest.Main(m, "horizon")) }

type kit struct {
	t       *testing.T
	url     string
	access  string
	refresh string
}

func start(t *testing.T, release string, pools ...map[string]any) *kit {
	s, err := horizon.New(horizon.Config{Release: release, Domain: "CORP", User: "vdi", Password: "pw-1", Pools: pools})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	k := &kit{t: t, url: h.URL}
	var out map[string]string
	if status := k.do("POST", "/rest/login", `{"domain":"CORP","username":"vdi","password":"pw-1"}`, &out); status != 200 {
		t.Fatal("login: ", status)
	}
	k.access, k.refresh = out["access_token"], out["refresh_token"]
	return k
}

func (k *kit) do(method, path, body string, out any) int {
	k.t.Helper()
	status, text, _ := k.raw(method, path, body)
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			k.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return status
}

func (k *kit) raw(method, path, body string) (int, string, http.Header) {
	k.t.Helper()
	q, _ := http.NewRequest(method, k.url+path, bytes.NewReader([]byte(body)))
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if k.access != "" {
		q.Header.Set("Authorization", "Bearer "+k.access)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		k.t.Fatal(err)
	}
	defer a.Body.Close()
	b, _ := io.ReadAll(a.Body)
	return a.StatusCode, string(b), a.Header
}

func (k *kit) is(want int, method, path, body, part string) {
	k.t.Helper()
	status, text, _ := k.raw(method, path, body)
	if status != want || !strings.Contains(text, part) {
		k.t.Errorf("%s %s %s: %d %s, not %d with %q", method, path, body, status, text, want, part)
	}
}

const first = "/0103796c-102b-4ed3-953f-000000000001"

func pools(version string) string { return "/rest/inventory/" + version + "/desktop-pools" }

// whole is an update that version 13 takes for a manual pool.
func whole(change func(m map[string]any)) string {
	m := map[string]any{"access_group_id": "6fd4638a-381f-4518-aed6-042aa3d9f14c", "allow_users_to_choose_machines": false, "cloud_assigned": false,
		"cloud_managed": false, "display_assigned_machine_name": false, "display_machine_alias": false, "display_name": "GPU", "enable_client_restrictions": false,
		"enabled": true, "entra_sso_enabled": false, "session_type": "DESKTOP", "transparent_page_sharing_scope": "VM",
		"display_protocol_settings": map[string]any{"allow_users_to_choose_protocol": false, "default_display_protocol": "BLAST",
			"pcoip_ultra_protocol_enabled": false, "renderer3d": "MANAGE_BY_VSPHERE_CLIENT"}}
	if change != nil {
		change(m)
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func display(m map[string]any) map[string]any { return m["display_protocol_settings"].(map[string]any) }

func TestTheLogin(t *testing.T) {
	vctest.Breaks(t, "horizon.login", "horizon.unknown-member")
	k := start(t, "2606", map[string]any{"name": "p"})
	good := k.access
	k.access = ""
	k.is(401, "GET", pools("v5"), "", "not authenticated")
	k.is(400, "POST", "/rest/login", `{"username":"vdi","password":"pw-1"}`, "domain must not be null")
	k.is(401, "POST", "/rest/login", `{"domain":"CORP","username":"vdi@corp.example","password":"pw-1"}`, "Authentication failed")
	k.is(401, "POST", "/rest/login", `{"domain":"CORP","username":"vdi","password":"PW-1"}`, "")
	k.is(400, "POST", "/rest/login", `{"domain":"CORP","username":"vdi","password":"pw-1","upn":"x"}`, "unknown property")
	k.is(401, "POST", "/rest/refresh", `{"refresh_token":"x"}`, "")
	k.access = good
	k.do("POST", "/gpsim/expire", "", nil)
	k.is(401, "GET", pools("v5"), "", "")
	var out map[string]string
	if status := k.do("POST", "/rest/refresh", `{"refresh_token":"`+k.refresh+`"}`, &out); status != 200 || out["refresh_token"] != "" || out["access_token"] == good {
		t.Errorf("refresh: %d %v", status, out)
	}
	k.access = out["access_token"]
	k.is(200, "GET", pools("v5"), "", "")
	k.is(200, "POST", "/rest/logout", `{"refresh_token":"`+k.refresh+`"}`, "")
	k.is(401, "GET", pools("v5"), "", "")
	k.is(401, "POST", "/rest/refresh", `{"refresh_token":"`+k.refresh+`"}`, "")
}

func TestTheVersions(t *testing.T) {
	vctest.Breaks(t, "horizon.versions")
	for _, x := range []struct {
		release      string
		reads, takes []string
		not          []string
	}{
		{"2111", []string{"v1", "v5"}, []string{"v1"}, []string{"v6", "v8", "v13"}},
		{"2312", []string{"v1", "v8"}, []string{"v1", "v8"}, []string{"v9", "v13"}},
		{"2606", []string{"v1", "v13"}, []string{"v1", "v8", "v13"}, []string{"v14", "vx"}},
	} {
		k := start(t, x.release, map[string]any{"name": "p"})
		for _, v := range x.reads {
			k.is(200, "GET", pools(v)+first, "", "")
		}
		for _, v := range x.not {
			k.is(404, "GET", pools(v), "", "")
			k.is(404, "PUT", pools(v)+first, whole(nil), "")
		}
		for _, v := range x.takes {
			k.is(400, "PUT", pools(v)+first, "{}", "must not be null")
		}
	}
	k := start(t, "2606", map[string]any{"name": "p"})
	k.is(405, "PUT", pools("v5")+first, whole(nil), "")
	k.is(405, "POST", pools("v5"), "{}", "")
	k.is(404, "GET", pools("v5")+"/none", "", "does not exist")
	k.is(404, "GET", "/rest/inventory/v5/farms", "", "")
	k.is(404, "GET", "/view-vlsi/sdk", "", "")
	var nested, flat map[string]any
	k.do("GET", pools("v1")+first, "", &nested)
	k.do("GET", pools("v5")+first, "", &flat)
	if nested["settings"] == nil || flat["settings"] != nil || flat["display_protocol_settings"] == nil || flat["require_strong_auth"] != nil {
		t.Errorf("shapes: %v %v", nested, flat)
	}
}

func TestTheUpdate(t *testing.T) {
	vctest.Breaks(t, "horizon.update-shape", "horizon.update-replaces", "horizon.update-kind", "horizon.not-applicable", "horizon.renderer3d")
	k := start(t, "2606", map[string]any{"name": "p", "description": "for the designers", "require_strong_auth": true},
		map[string]any{"name": "d", "user_assignment": "DEDICATED"}, map[string]any{"name": "ic", "type": "AUTOMATED", "source": "INSTANT_CLONE"})
	refuse := func(part string, change func(m map[string]any)) {
		t.Helper()
		k.is(400, "PUT", pools("v13")+first, whole(change), part)
	}
	for _, name := range []string{"cloud_assigned", "cloud_managed", "display_assigned_machine_name", "display_machine_alias", "display_name",
		"enable_client_restrictions", "enabled", "entra_sso_enabled", "access_group_id", "session_type", "transparent_page_sharing_scope", "allow_users_to_choose_machines"} {
		refuse(name, func(m map[string]any) { delete(m, name) })
	}
	refuse("unknown property", func(m map[string]any) { m["id"] = "x" })
	refuse("unknown property", func(m map[string]any) { display(m)["grid_vgpus_enabled"] = false })
	refuse("enabled has an invalid value", func(m map[string]any) { m["enabled"] = "true" })
	refuse("renderer3d has an invalid value", func(m map[string]any) { display(m)["renderer3d"] = "true" })
	refuse("max_number_of_monitors has an invalid value", func(m map[string]any) { display(m)["max_number_of_monitors"] = 5 })
	refuse("is not an object", func(m map[string]any) { m["session_settings"] = "x" })
	refuse("pcoip_ultra_protocol_enabled must not be null", func(m map[string]any) { delete(display(m), "pcoip_ultra_protocol_enabled") })
	refuse("shortcut_locations_v2 is required", func(m map[string]any) { m["category_folder_name"] = "apps" })
	refuse("nics is not applicable", func(m map[string]any) { m["nics"] = []any{} })
	refuse("cloud_brokered is not applicable", func(m map[string]any) { m["cloud_brokered"] = false })
	refuse("allow_users_to_choose_protocol must be false", func(m map[string]any) { display(m)["allow_users_to_choose_protocol"] = true })
	refuse("must be PCOIP or BLAST", func(m map[string]any) { display(m)["default_display_protocol"] = "RDP" })
	refuse("max_number_of_monitors and", func(m map[string]any) { display(m)["renderer3d"] = "DISABLED" })
	refuse("vram_size_mb is required", func(m map[string]any) {
		display(m)["renderer3d"], display(m)["max_number_of_monitors"], display(m)["max_resolution_of_any_one_monitor"] = "HARDWARE", 2, "WUXGA"
	})
	k.is(400, "PUT", pools("v13")+first, "{", "JSON parse error")
	k.is(400, "PUT", pools("v13")+first[:len(first)-1]+"2", whole(nil), "allow_multiple_user_assignments is required")
	k.is(400, "PUT", pools("v13")+first[:len(first)-1]+"3", whole(func(m map[string]any) {
		m["enable_provisioning"], m["stop_provisioning_on_error"] = true, true
		display(m)["renderer3d"], display(m)["max_number_of_monitors"], display(m)["max_resolution_of_any_one_monitor"] = "DISABLED", 2, "WUXGA"
	}), "of an instant clone pool")

	k.is(204, "PUT", pools("v13")+first, whole(nil), "")
	var now map[string]any
	k.do("GET", pools("v13")+first, "", &now)
	d := display(now)
	if now["display_name"] != "GPU" || d["renderer3d"] != "MANAGE_BY_VSPHERE_CLIENT" || d["html_access_enabled"] != true || now["name"] != "p" {
		t.Errorf("after the update: %v", now)
	}
	if now["description"] != nil || now["require_strong_auth"] != nil || d["vram_size_mb"] != nil || now["session_settings"] != nil {
		t.Errorf("what was left out is still there: %v", now)
	}
	// a version that cannot set a member resets it
	k.is(204, "PUT", pools("v13")+first, whole(func(m map[string]any) { m["require_strong_auth"] = true }), "")
	k.is(204, "PUT", pools("v8")+first, whole(func(m map[string]any) {
		delete(m, "entra_sso_enabled")
		delete(display(m), "pcoip_ultra_protocol_enabled")
	}), "")
	now = nil
	k.do("GET", pools("v13")+first, "", &now)
	if now["require_strong_auth"] != false {
		t.Errorf("after an update of version 8: %v", now["require_strong_auth"])
	}
}

func TestLists(t *testing.T) {
	vctest.Breaks(t, "horizon.list", "horizon.rate-limit")
	k := start(t, "2606", map[string]any{"name": "a"}, map[string]any{"name": "b"}, map[string]any{"name": "c"})
	count := func(query string) (int, http.Header) {
		t.Helper()
		status, text, header := k.raw("GET", pools("v5")+query, "")
		var out []map[string]any
		if err := json.Unmarshal([]byte(text), &out); status != 200 || err != nil {
			t.Fatal(status, text)
		}
		return len(out), header
	}
	if n, h := count(""); n != 3 || h.Get("HAS_MORE_RECORDS") != "" {
		t.Error(n, h)
	}
	if n, h := count("?page=1&size=2"); n != 2 || h.Get("HAS_MORE_RECORDS") != "TRUE" {
		t.Error(n, h)
	}
	if n, _ := count("?page=2&size=2"); n != 1 {
		t.Error(n)
	}
	if n, _ := count("?filter=" + url.QueryEscape(`{"type":"Equals","name":"name","value":"b"}`)); n != 1 {
		t.Error(n)
	}
	k.is(400, "GET", pools("v5")+"?name=b", "", "unknown parameter")
	k.is(400, "GET", pools("v5")+"?size=0", "", "if passed should be")
	k.is(400, "GET", pools("v5")+"?filter=name", "", "not supported")
	k.do("POST", "/gpsim/busy?times=1", "", nil)
	if status, _, h := k.raw("GET", pools("v5"), ""); status != 429 || h.Get("X-Rate-Limit-Retry-After-Seconds") != "1" {
		t.Error(status, h)
	}
	k.is(200, "GET", pools("v5"), "", "")
}

func TestConfigurations(t *testing.T) {
	for want, c := range map[string]horizon.Config{"is not one of 2111, 2312, 2606": {Release: "7.13"}, "has no name": {Pools: []map[string]any{{}}}} {
		if _, err := horizon.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
