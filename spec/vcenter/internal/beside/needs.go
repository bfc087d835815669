package beside

// needs.go: which privilege a request needs, and what is refused of tags.

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

const tagging = "/rest/com/vmware/cis/tagging/"

// object is an inventory object as tagging names it.
type object struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func (o object) ref() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: o.Type, Value: o.ID}
}

// association is the body of a request of tag-association.
type association struct {
	Object  *object  `json:"object_id"`
	Objects []object `json:"object_ids"`
	Tags    []string `json:"tag_ids"`
}

func (a association) all() []object {
	if a.Object != nil {
		return append(slices.Clone(a.Objects), *a.Object)
	}
	return a.Objects
}

// needs is the privilege that a request needs beyond a session, and the object on which.
func needs(q *http.Request, body []byte) (string, *types.ManagedObjectReference) {
	if q.Method == http.MethodGet || q.Method == http.MethodHead {
		return "", nil
	}
	action := q.URL.Query().Get("~action")
	if action == "" {
		action = q.URL.Query().Get("action")
	}
	verb := map[string]string{http.MethodPost: "Create", http.MethodPatch: "Edit", http.MethodPut: "Edit", http.MethodDelete: "Delete"}[q.Method]
	path := q.URL.Path
	switch {
	case strings.HasPrefix(action, "list") || strings.HasPrefix(action, "get") || strings.HasPrefix(action, "find") || strings.HasPrefix(action, "filter"):
		return "", nil
	case strings.HasPrefix(path, tagging+"tag-association"):
		var a association
		_ = json.Unmarshal(body, &a)
		if all := a.all(); len(all) > 0 {
			ref := all[0].ref()
			return "InventoryService.Tagging.AttachTag", &ref
		}
		return "InventoryService.Tagging.AttachTag", nil
	case strings.HasPrefix(path, tagging+"category"):
		return "InventoryService.Tagging." + verb + "Category", nil
	case strings.HasPrefix(path, tagging+"tag"):
		return "InventoryService.Tagging." + verb + "Tag", nil
	case strings.HasPrefix(path, "/rest/com/vmware/content/local-library"):
		return "ContentLibrary." + library(verb, "LocalLibrary", action), nil
	case strings.HasPrefix(path, "/rest/com/vmware/content/subscribed-library"):
		return "ContentLibrary." + library(verb, "SubscribedLibrary", action), nil
	case strings.HasPrefix(path, "/rest/com/vmware/content/library/item/download"):
		return "ContentLibrary.DownloadSession", nil
	case strings.HasPrefix(path, "/rest/com/vmware/content/library/item/update"):
		return "ContentLibrary.UpdateSession", nil
	case strings.HasPrefix(path, "/rest/com/vmware/content/"):
		return "ContentLibrary." + library(verb, "LibraryItem", action), nil
	}
	return "Global.Settings", nil
}

func library(verb, what, action string) string {
	switch {
	case action != "":
		return "SyncLibrary"
	case verb == "Create":
		return map[string]string{"LibraryItem": "AddLibraryItem"}[what] + map[bool]string{true: "", false: "Create" + what}[what == "LibraryItem"]
	case verb == "Edit":
		return "Update" + what
	}
	return verb + what
}

// refuse says why a tag is not attached, "" = it is.
func (b *service) refuse(q *http.Request, body []byte) string {
	rest, is := strings.CutPrefix(q.URL.Path, tagging+"tag-association")
	action := q.URL.Query().Get("~action")
	if !is || !strings.HasPrefix(action, "attach") {
		return ""
	}
	var a association
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	tags := a.Tags
	if id := strings.TrimPrefix(rest, "/"); id != "" {
		tags = append(tags, strings.TrimPrefix(id, "id:"))
	}
	for _, o := range a.all() {
		if !b.there(o) {
			return "The object " + o.Type + ":" + o.ID + " is not in the inventory."
		}
		for _, id := range tags {
			if text := b.eligible(id, o); text != "" {
				return text
			}
		}
	}
	return ""
}

// there reports whether an object is in the inventory, or a library or an item of one.
func (b *service) there(o object) bool {
	if kind, is := strings.CutPrefix(o.Type, "com.vmware.content."); is {
		path := map[string]string{"Library": "library", "library.Item": "library/item"}[kind]
		return path != "" && b.inner(httptest.NewRequest(http.MethodGet, "/rest/com/vmware/content/"+path+"/id:"+url.PathEscape(o.ID), nil)).Code == http.StatusOK
	}
	b.s.W.RLock()
	defer b.s.W.RUnlock()
	return b.s.W.Get(o.ref()) != nil
}

// eligible says why a tag must not be attached to an object. An unknown tag is the simulator's to refuse.
func (b *service) eligible(id string, o object) string {
	type model struct {
		Name     string `json:"name"`
		Category string `json:"category_id"`
	}
	var tag model
	if !b.get(http.MethodGet, "tag/id:"+id, nil, &tag) {
		return ""
	}
	var c struct {
		Name        string   `json:"name"`
		Cardinality string   `json:"cardinality"`
		Types       []string `json:"associable_types"`
	}
	if !b.get(http.MethodGet, "category/id:"+tag.Category, nil, &c) {
		return ""
	}
	if len(c.Types) > 0 && !slices.Contains(c.Types, o.Type) {
		return "The tag " + tag.Name + " is not eligible for an object of the type " + o.Type + ": its category " + c.Name + " allows " + strings.Join(c.Types, ", ") + "."
	}
	if c.Cardinality != "SINGLE" {
		return ""
	}
	var held []string
	b.get(http.MethodPost, "tag-association?~action=list-attached-tags", association{Object: &o}, &held)
	for _, other := range held {
		var t model
		if other != id && b.get(http.MethodGet, "tag/id:"+other, nil, &t) && t.Category == tag.Category {
			return "The object " + o.ID + " has the tag " + t.Name + " of the category " + c.Name + " already, which allows one."
		}
	}
	return ""
}
