package rest

// directpath.go: the DirectPath devices of a host, since vSphere 9.1.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/host"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
	"gpupt.test/vcenter/internal/task"
	"gpupt.test/vcenter/internal/wire"
)

const devicesSource = reference + "Vcenter Host Hardware DirectPathDevices "

var (
	_ = rules.Add(rules.Rule{ID: "rest.devices-version", Sure: "documented", As: "real", Source: devicesSource + "(added in vSphere API 9.1.0.0)",
		Text: "/api/vcenter/host/{host}/hardware/direct-path-devices is there since 9.1.0.0; an older server answers 404."})
	_ = rules.Add(rules.Rule{ID: "rest.devices-list", Sure: "documented", As: "real", Source: devicesSource + "ListResult, ListItem, Info, IterationSpec, FilterSpec, DirectPathDeviceMode; the parameters are not prefixed and need System.Read. None for the name of the marker in the result and for an unknown device in the filter",
		Text: "GET lists the devices of the host that can be given to VMs: name, current_mode (HOST, DIRECTPATH, VGPU_SAME_SIZE), configurable_modes, the running VM that has it; devices filters, page_size (default 256) and marker page. A device of another mode than configured keeps its current_mode until the change takes effect."})
	_ = rules.Add(rules.Rule{ID: "rest.devices-configure", Sure: "inferred", As: "inferred", Source: devicesSource + "ConfigureSpec {device, new_mode}, ConfigureResult {configure_impacts}; the 9.1 OpenAPI description: POST ?action=configure&vmw-task=true. That the body is one ConfigureSpec, and the privilege Host.Config.PciPassthru of UpdatePassthruConfig, are assumed",
		Text: "POST with action=configure and vmw-task=true and a ConfigureSpec is 202 with the id of a task, whose result is a ConfigureResult; without new_mode nothing changes (NONE). An unknown host or device is 404, a mode that is not among configurable_modes 400 INVALID_ARGUMENT; what UpdatePassthruConfig refuses (a device in use) fails the task."})
	_ = rules.Add(rules.Rule{ID: "rest.devices-impact", Sure: "inferred", As: "inferred", Source: devicesSource + "ConfigureImpact; HostCapability.deviceRebindWithoutRebootSupported. Which device needs what is not published",
		Text: "NONE: the host rebinds devices and the change is active at once. HOST_MAINTENANCE_MODE_REQUIRED: the driver for virtual GPUs has the device; it is active when the host has entered maintenance mode, or at once when the host is in it. HOST_REBOOT_REQUIRED: the host does not rebind; it is active after the next boot."})
)

func (r *service) known() bool { return !wire.ParseVersion("9.1.0.0").After(r.s.W.Version) }

// host finds the host of a path and checks the privilege on it; world lock held.
func (r *service) host(ses *session.Session, id, privilege string) (*host.Host, *answer) {
	var bad answer
	h := r.hosts.Get(types.ManagedObjectReference{Type: "HostSystem", Value: id})
	switch {
	case h == nil:
		bad = notFound("Host " + id)
	case !r.s.May(ses.User, privilege, h.Ref()):
		bad = fail(http.StatusForbidden, "UNAUTHORIZED", "com.vmware.vapi.std.errors.unauthorized", "Permission to perform this operation was denied: "+privilege+".", privilege)
	default:
		return h, nil
	}
	return nil, &bad
}

type info struct {
	Name         string   `json:"name"`
	Mode         string   `json:"current_mode"`
	Configurable []string `json:"configurable_modes"`
	VMs          []string `json:"vms,omitempty"`
}

type item struct {
	Device string `json:"device"`
	Info   info   `json:"info"`
}

type listed struct {
	Items  []item `json:"items"`
	Marker string `json:"marker,omitempty"`
}

func (r *service) list(q *http.Request, ses *session.Session, id string) answer {
	values, bad := query(q, "devices", "page_size", "marker", "vm_class")
	if bad != nil {
		return *bad
	}
	size, from := 256, 0
	if v := values.Get("page_size"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return invalid("page_size " + v)
		}
		size = min(n, size)
	}
	if v := values.Get("marker"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "after-"))
		if err != nil || n < 0 || !strings.HasPrefix(v, "after-") {
			return invalid("marker " + v)
		}
		from = n
	}
	if v := values.Get("vm_class"); v != "" && v != "true" && v != "false" {
		return invalid("vm_class " + v)
	}
	r.s.W.RLock()
	defer r.s.W.RUnlock()
	h, bad := r.host(ses, id, "System.Read")
	if bad != nil {
		return *bad
	}
	out := listed{Items: []item{}}
	for _, c := range h.DirectPath() {
		if values.Has("devices") && !slices.Contains(values["devices"], c.Address) {
			continue
		}
		one := item{c.Address, info{Name: c.Name, Mode: c.Mode(), Configurable: c.Modes()}}
		if vm := r.hosts.Holder(h, c.Address); vm != nil {
			one.Info.VMs = []string{vm.Self.Value}
		}
		out.Items = append(out.Items, one)
	}
	from = min(from, len(out.Items))
	if rest := out.Items[from:]; len(rest) > size {
		out.Items, out.Marker = rest[:size], fmt.Sprintf("after-%d", from+size)
	} else {
		out.Items = rest
	}
	return answer{status: http.StatusOK, body: out}
}

// maxBody bounds a request.
const maxBody = 1 << 20

func (r *service) configure(q *http.Request, ses *session.Session, id string) answer {
	values, bad := query(q, "action", "vmw-task")
	if bad != nil {
		return *bad
	}
	if values.Get("action") != "configure" || values.Get("vmw-task") != "true" {
		return notFound("Operation " + q.URL.RawQuery)
	}
	var spec struct {
		Device *string `json:"device"`
		Mode   *string `json:"new_mode"`
	}
	d := json.NewDecoder(io.LimitReader(q.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&spec); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return unexpected(strings.TrimPrefix(err.Error(), "json: "))
		}
		return invalid("the body is no ConfigureSpec: " + err.Error())
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("the body goes on after the ConfigureSpec")
	}
	if spec.Device == nil {
		return invalid("device is missing")
	}
	mode := ""
	if spec.Mode != nil {
		if mode = *spec.Mode; mode == "" {
			return invalid("new_mode is empty")
		}
	}
	r.s.W.Lock()
	defer r.s.W.Unlock()
	h, bad := r.host(ses, id, "Host.Config.PciPassthru")
	if bad != nil {
		return *bad
	}
	i := slices.IndexFunc(h.DirectPath(), func(c *host.Card) bool { return c.Address == *spec.Device })
	if i < 0 {
		return notFound("Device " + *spec.Device)
	}
	card := h.DirectPath()[i]
	if mode != "" && !slices.Contains(card.Modes(), mode) {
		return invalid(fmt.Sprintf("new_mode %s of device %s: it can be configured to %s", mode, card.Address, strings.Join(card.Modes(), ", ")))
	}
	return answer{status: http.StatusAccepted, body: r.start(ses, h, func() (any, *fault.Error) {
		if e := h.Reachable(); e != nil {
			return nil, e
		}
		impact, e := r.hosts.SetMode(h, card, mode)
		if e != nil {
			return nil, e
		}
		return map[string][]string{"configure_impacts": {impact}}, nil
	})}
}

// start runs a change of a host as a task.
func (r *service) start(ses *session.Session, h *host.Host, do func() (any, *fault.Error)) string {
	job := &work{user: ses.UserName, host: h.Ref().Value}
	ref := r.s.Tasks.Start(task.Origin{User: ses.UserName}, task.Spec{Method: service9 + ".configure",
		Entity: h.Ref(), Work: time.Second, Do: func(*task.Task) (any, *fault.Error) {
			result, e := do()
			job.result = result
			return nil, e
		}})
	return r.tasks.add(ref.Value, job, func(key string) bool {
		return r.s.W.Get(types.ManagedObjectReference{Type: "Task", Value: key}) == nil
	})
}
