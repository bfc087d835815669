package front

// localization.go: the message catalogs of LocalizationManager: what TaskManager and PerformanceManager say of their
// keys, as files for clients that put messages into words themselves.

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"sort"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/world"
)

var _ = rules.Add(rules.Rule{ID: "wire.catalogs", Sure: "documented", As: "laxer: a vCenter has a catalog for each kind of message, in several languages", Source: "API reference: LocalizationManager.catalog, LocalizationManagerMessageCatalog: an empty moduleName for the core catalogs, catalogUri relative to the server's address; KEY = \"TEXT\" lines",
	Text: "LocalizationManager lists the catalogs task and perf, and each can be downloaded from its catalogUri; md5sum is that of the file."})

// catalogs are the texts by the catalogs' names. World lock held.
func (f *Front) catalogs() map[string]string {
	lines := map[string][]string{}
	add := func(catalog, key, text string) {
		lines[catalog] = append(lines[catalog], fmt.Sprintf("%s = %q", key, text))
	}
	if tm, ok := world.MO(f.W.Reg.Get(*f.W.Content.TaskManager)).Interface().(mo.TaskManager); ok {
		for _, d := range tm.Description.MethodInfo {
			e := d.GetElementDescription()
			add("task", e.Key+".label", e.Label)
			add("task", e.Key+".summary", e.Summary)
		}
	}
	if pm, ok := f.W.Reg.Get(*f.W.Content.PerfManager).(*simulator.PerformanceManager); ok {
		for _, c := range pm.PerfCounter {
			name := c.GroupInfo.GetElementDescription().Key + "." + c.NameInfo.GetElementDescription().Key
			add("perf", "counter."+name+".label", c.NameInfo.GetElementDescription().Label)
			add("perf", "counter."+name+".summary", c.NameInfo.GetElementDescription().Summary)
		}
	}
	out := map[string]string{}
	for name, list := range lines {
		sort.Strings(list)
		out[name] = strings.Join(list, "\n") + "\n"
	}
	return out
}

func (f *Front) registerLocalization() {
	if f.W.Content.LocalizationManager == nil {
		return
	}
	m, ok := f.W.Reg.Get(*f.W.Content.LocalizationManager).(*mo.LocalizationManager)
	if !ok {
		return
	}
	texts, when := f.catalogs(), f.since
	for _, name := range []string{"perf", "task"} {
		if texts[name] == "" {
			continue
		}
		sum := md5.Sum([]byte(texts[name]))
		m.Catalog = append(m.Catalog, types.LocalizationManagerMessageCatalog{CatalogName: name, Locale: "en", CatalogUri: "/locale/en/" + name + ".vmsg",
			LastModified: &when, Md5sum: hex.EncodeToString(sum[:]), Version: f.W.Content.About.Version})
	}
	f.S.HTTP("/locale/", func(w http.ResponseWriter, r *http.Request, _ *session.Session) {
		name, isFile := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/locale/en/"), ".vmsg")
		if !isFile || texts[name] == "" || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(texts[name]))
	})
}
