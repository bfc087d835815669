package front

// control.go: the pages below /gpsim/, for tests and observers. No login.

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/sso"
	"gpupt.test/vcenter/internal/truth"
)

func (f *Front) control(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /gpsim/truth":
		f.W.RLock()
		data, err := json.MarshalIndent(f.W.Truth.Page(), "", " ")
		f.W.RUnlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data)
	case "GET /gpsim/journal":
		since, _ := strconv.Atoi(r.URL.Query().Get("since"))
		reply(w, f.Journal.Since(since))
	case "POST /gpsim/journal/clear":
		f.Journal.Clear()
		reply(w, map[string]any{"ok": true})
	case "GET /gpsim/sessions":
		out := map[string]any{"sessions": f.S.Sessions.Count(), "logins": f.S.Sessions.Total}
		f.statMu.Lock()
		for k, g := range f.stats {
			out[k] = g()
		}
		f.statMu.Unlock()
		reply(w, out)
	case "POST /gpsim/sessions/drop":
		f.S.Sessions.Drop()
		reply(w, map[string]any{"ok": true})
	case "POST /gpsim/restart":
		var wanted Restart
		d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		d.DisallowUnknownFields()
		err := d.Decode(&wanted)
		if err == nil {
			err = f.Restart(wanted)
		}
		if err != nil {
			refuseControl(w, err.Error())
			return
		}
		reply(w, map[string]any{"ok": true})
	case "POST /gpsim/speed":
		var wanted struct{ Speed float64 }
		err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&wanted)
		if err != nil || !(wanted.Speed > 0) {
			refuseControl(w, `send {"speed": N} with a number above 0`)
			return
		}
		f.W.Clock.SetSpeed(wanted.Speed)
		reply(w, map[string]any{"ok": true})
	case "POST /gpsim/token": // a SAML token for LoginByToken
		var wanted sso.Wanted
		d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		d.DisallowUnknownFields()
		err := d.Decode(&wanted)
		token := ""
		if err == nil {
			token, err = f.S.SSO.Issue(wanted)
		}
		if err != nil {
			refuseControl(w, err.Error())
			return
		}
		reply(w, map[string]any{"token": token})
	case "GET /gpsim/metrics":
		f.metrics(w)
	case "GET /gpsim/rules":
		reply(w, rules.All())
	case "POST /gpsim/trouble":
		f.addTrouble(w, r)
	case "GET /gpsim/trouble":
		reply(w, f.Trouble.List())
	case "DELETE /gpsim/trouble":
		f.Trouble.Clear()
		reply(w, map[string]any{"ok": true})
	case "POST /gpsim/set":
		change := map[string]any{}
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&change); err != nil {
			refuseControl(w, "not JSON: "+err.Error())
			return
		}
		f.W.Lock()
		account := f.W.Truth.By(&truth.Cause{T: time.Now(), Method: "POST /gpsim/set"})
		mine, err := f.S.Set(change)
		account()
		f.W.Unlock()
		if err != nil {
			refuseControl(w, err.Error())
		} else if !mine {
			refuseControl(w, "unknown change: see docs/test-vcenter.md for what /gpsim/set accepts")
		} else {
			reply(w, map[string]any{"ok": true})
		}
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuseControl(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": text})
}

func (f *Front) addTrouble(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = f.Trouble.Add(data)
	}
	if err != nil {
		refuseControl(w, err.Error())
		return
	}
	reply(w, map[string]any{"ok": true})
}
