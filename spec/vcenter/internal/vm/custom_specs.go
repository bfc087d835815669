package vm

// custom_specs.go is the CustomizationSpecManager: specifications kept under names, for
// clients that clone with what is stored. A password that is stored comes back sealed, as
// from a server that keeps it encrypted: usable for a clone here, and nowhere else.

import (
	"bytes"
	"sort"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
)

var (
	_ = rule("vm.customization-specs", "documented", "real", "API reference: CustomizationSpecManager: AlreadyExists, NotFound, ConcurrentAccess, CustomizationFault",
		"Specifications are created, read, overwritten, duplicated, renamed and deleted by name; an overwrite with an old changeVersion is ConcurrentAccess; type is Linux or Windows, according to the identity.")
	_ = rule("vm.customization-passwords", "documented", "real", "API reference: CustomizationPassword.plainText, CustomizationSpec.encryptionKey", "A stored password comes back encrypted (plainText false).")
)

// customSpecs are the stored specifications. Guarded by the world lock.
type customSpecs struct {
	items  map[string]*types.CustomizationSpecItem
	sealed map[string]string // what a client sees of a password -> the password
}

func (r *Service) registerCustomSpecs() {
	r.specs = customSpecs{items: map[string]*types.CustomizationSpecItem{}, sealed: map[string]string{}}
	r.w.Lock()
	r.listSpecs() // the simulator brings examples; a server has none
	r.w.Unlock()
	h := r.s.Handle
	h("DoesCustomizationSpecExist", func(c *api.Call) (any, *fault.Error) {
		_, ok := r.specs.items[c.Req.(*types.DoesCustomizationSpecExist).Name]
		return &types.DoesCustomizationSpecExistResponse{Returnval: ok}, nil
	})
	h("GetCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		item, e := r.spec(c.Req.(*types.GetCustomizationSpec).Name)
		if e != nil {
			return nil, e
		}
		return &types.GetCustomizationSpecResponse{Returnval: *item}, nil
	})
	h("CreateCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		item := c.Req.(*types.CreateCustomizationSpec).Item
		if e := r.freeSpec(item.Info.Name); e != nil {
			return nil, e
		}
		return &types.CreateCustomizationSpecResponse{}, r.keepSpec(&item)
	})
	h("OverwriteCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		item := c.Req.(*types.OverwriteCustomizationSpec).Item
		old, e := r.spec(item.Info.Name)
		if e != nil {
			return nil, e
		}
		if v := item.Info.ChangeVersion; v != "" && v != old.Info.ChangeVersion {
			return nil, fault.New(&types.ConcurrentAccess{})
		}
		return &types.OverwriteCustomizationSpecResponse{}, r.keepSpec(&item)
	})
	h("DeleteCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		name := c.Req.(*types.DeleteCustomizationSpec).Name
		if _, e := r.spec(name); e != nil {
			return nil, e
		}
		delete(r.specs.items, name)
		r.listSpecs()
		return &types.DeleteCustomizationSpecResponse{}, nil
	})
	again := func(name, to string, keep bool) *fault.Error {
		old, e := r.spec(name)
		if e != nil {
			return e
		}
		if e := r.freeSpec(to); e != nil {
			return e
		}
		item := *old
		item.Info.Name = to
		if !keep {
			delete(r.specs.items, name)
		}
		return r.keepSpec(&item)
	}
	h("DuplicateCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.DuplicateCustomizationSpec)
		return &types.DuplicateCustomizationSpecResponse{}, again(q.Name, q.NewName, true)
	})
	h("RenameCustomizationSpec", func(c *api.Call) (any, *fault.Error) {
		q := c.Req.(*types.RenameCustomizationSpec)
		return &types.RenameCustomizationSpecResponse{}, again(q.Name, q.NewName, false)
	})
	h("CustomizationSpecItemToXml", func(c *api.Call) (any, *fault.Error) {
		item := c.Req.(*types.CustomizationSpecItemToXml).Item
		text, err := xml.Marshal(item)
		if err != nil {
			return nil, fault.From(err)
		}
		return &types.CustomizationSpecItemToXmlResponse{Returnval: string(text)}, nil
	})
	h("XmlToCustomizationSpecItem", func(c *api.Call) (any, *fault.Error) {
		d := xml.NewDecoder(bytes.NewReader([]byte(c.Req.(*types.XmlToCustomizationSpecItem).SpecItemXml)))
		d.TypeFunc = types.TypeFunc()
		var item types.CustomizationSpecItem
		if err := d.Decode(&item); err != nil {
			return nil, fault.New(&types.CustomizationFault{}, "The customization specification is not readable: %s", err)
		}
		return &types.XmlToCustomizationSpecItemResponse{Returnval: item}, nil
	})
	h("CheckCustomizationResources", func(c *api.Call) (any, *fault.Error) {
		// sysprep has been part of Windows since Vista: nothing is required on the server
		return &types.CheckCustomizationResourcesResponse{}, nil
	})
}

func (r *Service) spec(name string) (*types.CustomizationSpecItem, *fault.Error) {
	if item := r.specs.items[name]; item != nil {
		return item, nil
	}
	return nil, fault.New(&types.NotFound{}, "The customization specification '%s' was not found.", name)
}

func (r *Service) freeSpec(name string) *fault.Error {
	if name == "" || len(name) > 80 {
		return fault.InvalidArgument("name")
	}
	if r.specs.items[name] != nil {
		return fault.New(&types.AlreadyExists{Name: name}, "The specified key, name, or identifier '%s' already exists.", name)
	}
	return nil
}

// keepSpec stores a specification, with a new version and its passwords sealed.
func (r *Service) keepSpec(item *types.CustomizationSpecItem) *fault.Error {
	kind := ""
	switch item.Spec.Identity.(type) {
	case *types.CustomizationLinuxPrep, *types.CustomizationCloudinitPrep:
		kind = "Linux"
	case *types.CustomizationSysprep, *types.CustomizationSysprepText:
		kind = "Windows"
	}
	if kind != item.Info.Type {
		return fault.InvalidArgument("item.info.type")
	}
	if id, ok := item.Spec.Identity.(*types.CustomizationSysprep); ok {
		own := *id
		own.GuiUnattended.Password = r.seal(id.GuiUnattended.Password)
		own.Identification.DomainAdminPassword = r.seal(id.Identification.DomainAdminPassword)
		item.Spec.Identity = &own
	}
	version := int64(0)
	if old := r.specs.items[item.Info.Name]; old != nil {
		version, _ = strconv.ParseInt(old.Info.ChangeVersion, 10, 64)
	}
	now := time.Now().UTC()
	version = max(version+1, now.UnixMilli())
	item.Info.ChangeVersion, item.Info.LastUpdateTime = strconv.FormatInt(version, 10), &now
	r.specs.items[item.Info.Name] = item
	r.listSpecs()
	return nil
}

// seal makes a password unreadable; a sealed one stays as it is.
func (r *Service) seal(p *types.CustomizationPassword) *types.CustomizationPassword {
	if p == nil || !p.PlainText {
		return p
	}
	token := "sealed:" + uuid.NewString()
	r.specs.sealed[token] = p.Value
	return &types.CustomizationPassword{Value: token, PlainText: false}
}

// unseal reads a password, stored here or plain.
func (r *Service) unseal(p *types.CustomizationPassword) (string, bool) {
	if p.PlainText {
		return p.Value, true
	}
	text, ok := r.specs.sealed[p.Value]
	return text, ok
}

// listSpecs shows them in the manager's property info.
func (r *Service) listSpecs() {
	if r.w.Content.CustomizationSpecManager == nil {
		return
	}
	m, ok := r.w.Reg.Get(*r.w.Content.CustomizationSpecManager).(*simulator.CustomizationSpecManager)
	if !ok {
		return
	}
	m.Info = nil
	for _, item := range r.specs.items {
		m.Info = append(m.Info, item.Info)
	}
	sort.Slice(m.Info, func(i, j int) bool { return m.Info[i].Name < m.Info[j].Name })
	r.w.Touch(m.Self)
}
