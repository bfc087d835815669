package rest

// appliance.go: the time zone of the appliance that vCenter runs in.

import (
	"net/http"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

const administers = "Authorization.ModifyPermissions"

var _ = rules.Add(rules.Rule{ID: "rest.timezone", Sure: "inferred", As: "inferred", Source: reference + "Appliance System Time Timezone get (since 6.5; the answer is a string): rubydoc vsphere-automation-appliance SystemTimeTimezoneApi, PowerCLI Invoke-GetSystemTimeTimezone. No source for who may read it: that it takes an administrator is assumed, as for the appliance's other settings",
	Text: "GET /api/appliance/system/time/timezone is the name of the appliance's time zone as a JSON string (time_zone of the fleet, default Etc/UTC); an account that is no administrator of vCenter gets UNAUTHORIZED (403)."})

func (r *service) timezone(q *http.Request, ses *session.Session) answer {
	if _, bad := query(q); bad != nil {
		return *bad
	}
	r.s.W.RLock()
	defer r.s.W.RUnlock()
	if !r.s.May(ses.User, administers, r.s.W.Content.RootFolder) {
		return fail(http.StatusForbidden, "UNAUTHORIZED", "com.vmware.vapi.std.errors.unauthorized", "Permission to perform this operation was denied.")
	}
	name := r.s.W.Fleet.TimeZone
	if name == "" {
		name = "Etc/UTC"
	}
	return answer{status: http.StatusOK, body: name}
}
