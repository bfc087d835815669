package bmc

// serve.go: HTTP: the login, the tree of resources, and errors as the specification has them.

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const root = "/redfish/v1"

// problem is an answer that reports no success.
type problem struct {
	status  int
	id      string
	text    string
	headers map[string]string
}

func bad(status int, id, format string, args ...any) *problem {
	return &problem{status: status, id: id, text: fmt.Sprintf(format, args...)}
}

func message(id, text string) map[string]any {
	return map[string]any{"MessageId": id, "Message": text, "Severity": "Warning", "Resolution": "None."}
}

func (b *BMC) fail(w http.ResponseWriter, p *problem) {
	for k, v := range p.headers {
		w.Header().Set(k, v)
	}
	id := "Base.1.12." + p.id
	if strings.HasPrefix(p.id, "SYS") {
		id = "IDRAC.2.8." + p.id
	}
	reply(w, p.status, map[string]any{"error": map[string]any{"code": "Base.1.12.GeneralError",
		"message": "A general error has occurred. See ExtendedInfo for more information.", "@Message.ExtendedInfo": []any{message(id, p.text)}}})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("OData-Version", "4.0")
	if v == nil {
		w.WriteHeader(status)
		return
	}
	data, _ := json.Marshal(v)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

func link(path string) map[string]any { return map[string]any{"@odata.id": path} }

func collection(path string, members ...string) map[string]any {
	list := []any{}
	for _, m := range members {
		list = append(list, link(m))
	}
	return map[string]any{"@odata.id": path, "Name": "Collection", "Members": list, "Members@odata.count": len(list)}
}

// user is the login of a request: whether it is valid. Callers hold the lock.
func (b *BMC) user(r *http.Request) bool {
	if t := r.Header.Get("X-Auth-Token"); t != "" {
		return b.sessions[t] != ""
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return false
	}
	if name != b.d.User || password != b.d.Password {
		b.refused++
		return false
	}
	return true
}

func (b *BMC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r.Method+" "+r.URL.Path)
	path := r.URL.Path
	open := path == "/redfish" || strings.TrimSuffix(path, "/") == root || path == b.sessionPath() && r.Method == "POST"
	if v := r.Header.Get("OData-Version"); v != "" && v != "4.0" {
		b.fail(w, bad(412, "GeneralError", "OData-Version %s is not supported.", v))
		return
	}
	if !open && !b.user(r) {
		b.fail(w, bad(401, "NoValidSession", "There is no valid session established with the implementation."))
		return
	}
	if b.trouble.Busy > 0 && !(strings.HasPrefix(path, b.sessionPath()) && r.Method == "DELETE") {
		b.trouble.Busy--
		p := bad(503, "ServiceTemporarilyUnavailable", "The service is temporarily unavailable.")
		if b.trouble.RetryAfter != "" {
			p.headers = map[string]string{"Retry-After": b.trouble.RetryAfter}
		}
		b.fail(w, p)
		return
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	body := map[string]any{}
	if r.Method == "POST" || r.Method == "PATCH" {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			b.fail(w, bad(415, "GeneralError", "The body must be application/json."))
			return
		}
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&body); err != nil {
			b.fail(w, bad(400, "MalformedJSON", "The request body submitted was malformed JSON."))
			return
		}
	}
	if b.trouble.Reset > 0 && r.Method == "PATCH" {
		b.trouble.Reset--
		_ = b.route(&lost{header: http.Header{}}, r, strings.TrimSuffix(path, "/"), body)
		panic(http.ErrAbortHandler)
	}
	if p := b.route(w, r, strings.TrimSuffix(path, "/"), body); p != nil {
		b.fail(w, p)
	}
}

// lost takes an answer that does not arrive.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(p []byte) (int, error) { return len(p), nil }
func (l *lost) WriteHeader(int)             {}

func (b *BMC) sessionPath() string { return root + "/SessionService/Sessions" }
func (b *BMC) systemPath() string  { return root + "/Systems/" + b.m.system }
func (b *BMC) managerPath() string { return root + "/Managers/" + b.m.manager }
func (b *BMC) biosPath() string    { return b.systemPath() + "/Bios" }
func (b *BMC) settingsPath() string {
	return b.biosPath() + "/" + b.m.settings
}

func unknown(path string) *problem {
	return bad(404, "ResourceMissingAtURI", "The resource at the URI %s was not found.", path)
}

func allow(r *http.Request, methods ...string) *problem {
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	return &problem{status: 405, id: "OperationNotAllowed", text: "The HTTP method is not allowed on this resource.",
		headers: map[string]string{"Allow": strings.Join(methods, ", ")}}
}

func (b *BMC) route(w http.ResponseWriter, r *http.Request, path string, body map[string]any) *problem {
	get := map[string]func() any{
		"/redfish":                             func() any { return map[string]any{"v1": root + "/"} },
		root:                                   b.serviceRoot,
		root + "/Systems":                      func() any { return collection(root+"/Systems", b.systemPath()) },
		b.systemPath():                         b.system,
		root + "/Managers":                     func() any { return collection(root+"/Managers", b.managerPath()) },
		b.managerPath():                        func() any { return map[string]any{"@odata.id": b.managerPath(), "Id": b.m.manager} },
		root + "/Registries":                   b.registries,
		root + "/Registries/" + b.m.registryID: b.registryFile,
		b.m.registryAt:                         func() any { return b.document() },
	}
	if f := get[path]; f != nil {
		if p := allow(r, "GET"); p != nil {
			return p
		}
		reply(w, 200, f())
		return nil
	}
	switch {
	case strings.HasPrefix(path, b.sessionPath()) && !b.d.BasicOnly:
		return b.session(w, r, path, body)
	case path == b.biosPath():
		if p := allow(r, "GET"); p != nil {
			return p
		}
		return b.bios(w)
	case path == strings.TrimSuffix(b.settingsPath(), "/"):
		return b.settings(w, r, body)
	case b.m.jobs:
		return b.idrac(w, r, path, body)
	}
	return unknown(path)
}

func (b *BMC) serviceRoot() any {
	v := map[string]any{"@odata.id": root + "/", "@odata.type": "#ServiceRoot.v1_11_0.ServiceRoot", "Id": "RootService", "RedfishVersion": "1.11.0",
		"Vendor": b.m.vendor, "Systems": link(root + "/Systems"), "Managers": link(root + "/Managers"), "Registries": link(root + "/Registries"),
		"Oem": map[string]any{b.m.vendor: map[string]any{}}}
	if b.m.jobs && b.m.applyTimes {
		v["ProtocolFeaturesSupported"] = map[string]any{"ExpandQuery": map[string]any{"ExpandAll": true, "Levels": true, "MaxLevels": 1}}
	}
	if !b.d.BasicOnly {
		v["SessionService"] = link(root + "/SessionService")
		v["Links"] = map[string]any{"Sessions": link(b.sessionPath())}
	}
	return v
}

func (b *BMC) system() any {
	return map[string]any{"@odata.id": b.systemPath(), "Id": b.m.system, "Manufacturer": b.m.maker, "Model": b.m.model, "UUID": b.h.UUID(),
		"SerialNumber": "SN-" + b.h.Name(), "BiosVersion": "2.1.5", "PowerState": "On", "Bios": link(b.biosPath()),
		"Links": map[string]any{"ManagedBy": []any{link(b.managerPath())}}}
}

func (b *BMC) registries() any {
	return collection(root+"/Registries", root+"/Registries/Base.1.12.0", root+"/Registries/"+b.m.registryID)
}

func (b *BMC) registryFile() any {
	var uri any = b.m.registryAt
	if b.m.flat {
		uri = map[string]any{"extref": b.m.registryAt}
	}
	return map[string]any{"@odata.id": root + "/Registries/" + b.m.registryID, "Registry": b.m.registry, "Languages": []any{"ja", "en"},
		"Location": []any{map[string]any{"Language": "ja", "Uri": b.m.registryAt + ".ja"}, map[string]any{"Language": "en", "Uri": uri}}}
}

// ---- sessions

func (b *BMC) session(w http.ResponseWriter, r *http.Request, path string, body map[string]any) *problem {
	if path == b.sessionPath() {
		if p := allow(r, "POST", "GET"); p != nil {
			return p
		}
		if r.Method == "GET" {
			reply(w, 200, collection(b.sessionPath()))
			return nil
		}
		for k := range body {
			if k != "UserName" && k != "Password" {
				return bad(400, "PropertyUnknown", "The property %s is not in the list of valid properties for the resource.", k)
			}
		}
		if body["UserName"] != b.d.User || body["Password"] != b.d.Password {
			b.refused++
			if b.m.vendor == "HPE" {
				return bad(400, "UnauthorizedLoginAttempt", "The login was not successful, because the supplied credentials could not be authorized.")
			}
			return bad(401, "ResourceAtUriUnauthorized", "While accessing the resource, the service received an authorization error.")
		}
		random := make([]byte, 16)
		_, _ = rand.Read(random)
		b.made++
		token, id := hex.EncodeToString(random), fmt.Sprint(b.made)
		b.sessions[token] = id
		place := b.sessionPath() + "/" + id
		w.Header().Set("X-Auth-Token", token)
		w.Header().Set("Location", b.location(place))
		reply(w, 201, map[string]any{"@odata.id": place, "Id": id, "Name": "User Session", "UserName": b.d.User})
		return nil
	}
	for token, id := range b.sessions {
		if path == b.sessionPath()+"/"+id {
			if p := allow(r, "DELETE"); p != nil {
				return p
			}
			delete(b.sessions, token)
			reply(w, 204, nil)
			return nil
		}
	}
	return unknown(path)
}

func (b *BMC) location(path string) string {
	if b.trouble.Absolute {
		return "https://bmc.invalid" + path
	}
	return path
}

// ---- the BIOS

func (b *BMC) shown(v map[string]any, attributes map[string]any) map[string]any {
	if b.m.flat {
		for k, x := range attributes {
			v[k] = x
		}
		return v
	}
	v["Attributes"] = attributes
	return v
}

func (b *BMC) bios(w http.ResponseWriter) *problem {
	if b.hostile(w) {
		return nil
	}
	current, _ := b.shows()
	settings := map[string]any{"@odata.type": "#Settings.v1_3_3.Settings", "SettingsObject": link(b.settingsPath())}
	if b.m.applyTimes {
		settings["SupportedApplyTimes"] = []any{"OnReset", "AtMaintenanceWindowStart", "InMaintenanceWindowOnReset"}
	}
	if b.messages != nil {
		settings["Messages"] = b.messages
	}
	reply(w, 200, b.shown(map[string]any{"@odata.id": b.biosPath(), "@odata.type": "#Bios.v1_2_0.Bios", "Id": "Bios", "Name": "BIOS",
		"AttributeRegistry": b.m.registry, "@Redfish.Settings": settings}, current))
	return nil
}

func (b *BMC) etag() string { return fmt.Sprintf(`W/"%d"`, 1000+b.tag) }

func (b *BMC) settings(w http.ResponseWriter, r *http.Request, body map[string]any) *problem {
	if p := allow(r, "GET", "PATCH"); p != nil {
		return p
	}
	w.Header().Set("ETag", b.etag())
	if r.Method == "GET" {
		list, pending := b.shows()
		if !b.m.full {
			list = pending
		}
		for k, v := range pending {
			list[k] = v
		}
		v := b.shown(map[string]any{"@odata.id": b.settingsPath(), "Id": "Settings", "Name": "BIOS pending settings", "AttributeRegistry": b.m.registry}, list)
		if b.m.jobs {
			v["Actions"] = map[string]any{"Oem": map[string]any{"#DellManager.ClearPending": map[string]any{"target": b.clearPath()}}}
		}
		reply(w, 200, v)
		return nil
	}
	if b.trouble.Locked && b.m.flat && r.Header.Get("X-HPRESTFULAPI-AuthToken") == "" {
		return bad(400, "TokenRequired", "Proper 'X-HPRESTFULAPI-AuthToken' authorization token not provided.")
	}
	match := r.Header.Get("If-Match")
	if match == "" && b.m.needsMatch {
		return bad(428, "PreconditionRequired", "If-Match is needed.")
	}
	if match != "" && match != b.etag() && match != "*" {
		return bad(412, "PreconditionFailed", "The ETag supplied did not match the ETag required to change this resource.")
	}
	given, when := map[string]any{}, ""
	if b.m.flat {
		delete(body, "Attributes")
		given = body
	} else {
		for k, v := range body {
			switch k {
			case "Attributes":
				given, _ = v.(map[string]any)
			case "@Redfish.SettingsApplyTime":
				m, _ := v.(map[string]any)
				when, _ = m["ApplyTime"].(string)
				if !b.m.applyTimes || when != "OnReset" {
					return bad(400, "ActionParameterNotSupported", "The apply time %v is not supported.", m["ApplyTime"])
				}
			default:
				return bad(400, "PropertyUnknown", "The property %s is not in the list of valid properties for the resource.", k)
			}
		}
	}
	if b.m.jobs && b.waiting() {
		return bad(400, "SYS011", "Pending configuration values are already committed, unable to perform another set operation.")
	}
	if p := b.put(given); p != nil {
		return p
	}
	if b.m.jobs && when != "" && len(b.pending) > 0 {
		j := b.addJob()
		w.Header().Set("Location", b.location(root+"/TaskService/Tasks/"+j.id))
		reply(w, 202, nil)
		return nil
	}
	reply(w, 200, map[string]any{"@Message.ExtendedInfo": []any{message("Base.1.12.Success", "The request completed successfully.")}})
	return nil
}

// hostile answers with something else, if it is to.
func (b *BMC) hostile(w http.ResponseWriter) bool {
	json := func(s string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, s)
	}
	switch b.trouble.Hostile {
	case "":
		return false
	case "deep":
		json(strings.Repeat(`{"a":`, 100000) + "1" + strings.Repeat("}", 100000))
	case "large":
		json(`{"Attributes": {"a": "` + strings.Repeat("x", 20<<20) + `"}}`)
	case "redirect":
		w.Header().Set("Location", "https://bmc.invalid/redfish/v1/Systems/1/Bios")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "loop":
		w.Header().Set("Location", b.biosPath())
		w.WriteHeader(http.StatusPermanentRedirect)
	case "elsewhere":
		json(`{"Attributes": {"MmioAbove4Gb": "Disabled"}, "@Redfish.Settings": {"SettingsObject": {"@odata.id": "https://bmc.invalid/settings"}}}`)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Please log in</body></html>")
	case "truncated":
		json(`{"Attributes": {"MmioAbove4Gb": "Disa`)
	case "list":
		json(`[1, 2, 3]`)
	case "token": // repeats what it was sent
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		for t := range b.sessions {
			_, _ = io.WriteString(w, `{"error": {"message": "unknown token `+t+` of `+b.d.Password+`"}}`)
		}
	}
	return true
}
