package bmc

// rules.go: what this BMC enforces, with the source of each rule.

import "gpupt.test/vcenter/internal/rules"

const (
	dsp   = "DSP0266, Redfish Specification 1.20"
	dell  = "dell/iDRAC-Redfish-Scripting (SetBiosAttributesREDFISH, DeleteJobQueueREDFISH); captures in NVIDIA/libredfish"
	hpe   = "HPE iLO REST API documents: Managing HPE BIOS resources"
	other = "captures in NVIDIA/libredfish"
)

func seen(id, source, text string) string {
	return rules.Add(rules.Rule{ID: id, Text: text, Source: source, Sure: "seen", As: "real"})
}

func documented(id, source, text string) string {
	return rules.Add(rules.Rule{ID: id, Text: text, Source: source, Sure: "documented", As: "real"})
}

var (
	_ = documented("bmc.login-first", dsp+", Authentication", "Without a login only /redfish, the service root and the creation of a session answer; anything else is 401.")
	_ = documented("bmc.session", dsp+", Redfish session login authentication", "A session is created by POST of UserName and Password: 201 with X-Auth-Token and Location; DELETE of it ends it. A wrong password is 401.")
	_ = documented("bmc.session-expires", dsp+", Session lifetime", "A request with the token of a session that has ended is 401.")
	_ = documented("bmc.basic", dsp+", HTTP Basic authentication", "Basic authentication is accepted; a service that has no sessions answers their creation with 404.")
	_ = documented("bmc.not-found", dsp+", Error responses", "An unknown resource is 404, a method that it does not have 405 with Allow, both with an error of extended information.")
	_ = documented("bmc.busy", dsp+", Table of status codes (503)", "A service that is busy answers 503 with Retry-After, and does nothing.")
	_ = documented("bmc.if-match", dsp+", ETags, PATCH", "A PATCH with an If-Match that is not the resource's ETag is 412 and changes nothing.")
	_ = documented("bmc.if-match-needed", dsp+", status code 428; seen with AMI in "+other, "The service of manner ami answers a PATCH without If-Match with 428.")
	_ = documented("bmc.pending", dsp+", Settings resource", "Attributes set in the settings resource are in force after the next boot; the BIOS resource itself takes no PATCH.")
	_ = documented("bmc.registry", "DSP8010: AttributeRegistry; "+dsp+", attribute registries", "Values that the attribute registry does not allow, attributes that are not in it, and read-only ones are refused with 400, and nothing of the request is set.")
	_ = documented("bmc.expand", dsp+", Query parameters, Resource collections", "A collection has pages with Members@odata.nextLink; $expand gives whole members where the service root offers it, and is 400 elsewhere.")
	_ = documented("bmc.apply-time", dsp+", Settings apply time", "An ApplyTime that SupportedApplyTimes does not list is 400.")
	_ = seen("bmc.dell-needs-apply-time", dell, "An iDRAC that lists apply times keeps a PATCH without one as pending (200) and never applies it; with OnReset it answers 202 with the Location of a job, and 200 without a job when nothing changes.")
	_ = seen("bmc.dell-job", dell, "Of an older iDRAC pending values are applied by a job (POST Jobs with TargetSettingsURI); a job is New, then Scheduled (JCP001), and a boot before that applies nothing.")
	_ = seen("bmc.dell-busy", dell, "While an iDRAC has a job for the BIOS, a PATCH of its settings and a second job are 400 with SYS011.")
	_ = seen("bmc.dell-delete", dell, "DellJobService.DeleteJobQueue removes a job, and DellManager.ClearPending what is pending without one.")
	_ = rules.Add(rules.Rule{ID: "bmc.hpe-login", Sure: "memory", As: "inferred", Source: "none: as HPE's own clients expect it",
		Text: "An iLO answers a wrong password with 400 and UnauthorizedLoginAttempt."})
	_ = seen("bmc.dell-paths", "module tests of dellemc.openmanage (Oem/Dell/Jobs); "+dell, "Since iDRAC 9 the job queue is below Oem/Dell of the manager; before, it is the manager's Jobs.")
	_ = seen("bmc.hpe-verdict", hpe, "An iLO accepts any value with 200; its verdict is in @Redfish.Settings.Messages after the boot.")
	_ = seen("bmc.hpe-flat", hpe+" (iLO 4)", "iLO 4 has the attributes in the resource itself and ignores Attributes.")
	_ = seen("bmc.hpe-bios-password", "HPE: migrating from iLO 4 to iLO 5, BIOS Password Authentication HTTP Header; message registry of iLO: TokenRequired (that its status is 400 is from memory)",
		"iLO 4 refuses a PATCH of the BIOS without the header X-HPRESTFULAPI-AuthToken (a digest of the BIOS administrator password) if there is such a password; iLO 5 and later take the account's privilege.")
	_ = seen("bmc.lenovo-custom", "pubs.lenovo.com; "+other, "Processors_* values are dropped at the boot outside of the custom operating mode.")
	_ = seen("bmc.pending-lists", other, "The settings resource of HPE and Lenovo lists all attributes, that of Dell and Supermicro only changes.")
	_ = seen("bmc.supermicro-text", other, "A Supermicro registry has the values \"0\" and \"1\", and the BIOS resource shows their text, which a PATCH takes too.")
)
