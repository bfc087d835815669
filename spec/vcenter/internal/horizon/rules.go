package horizon

import "gpupt.test/vcenter/internal/rules"

const openAPI = "OpenAPI documents of Horizon Server 2606 (euc-dev/horizon-apis) and 2111 (umich-vci/gohorizon): "

func rule(id, sure, as, source, text string) string {
	return rules.Add(rules.Rule{ID: id, Sure: sure, As: as, Source: source, Text: text})
}

var (
	_ = rule("horizon.login", "documented", "real", openAPI+"AuthLogin, AuthTokens, RefreshToken, AccessToken",
		"A login has domain, username and password, all required; it gives an access and a refresh token; a refresh gives an access token only; a logout names the refresh token and ends both. Without a good access token every other request is 401.")
	_ = rule("horizon.unknown-member", "inferred", "stricter: whether unknown members of a body are refused is not documented", "none: not in the OpenAPI documents",
		"A body with a member that its shape does not have is refused (400).")
	_ = rule("horizon.versions", "documented", "real", openAPI+"paths; that 2312 reads and updates by version 8 is shown by a public client",
		"2111 reads pools by the versions 1 to 5 and updates by 1; 2312 up to 8, updates by 1 and 8; 2606 up to 13, updates by 1 and 8 to 13. Other versions are 404. The first two versions have another shape than an update.")
	_ = rule("horizon.update-shape", "documented", "real", openAPI+"DesktopPoolUpdateSpec to V8",
		"The members of an update have types, words and limits; cloud_assigned, cloud_managed, display_assigned_machine_name, display_machine_alias, display_name, enable_client_restrictions and enabled are always required, from version 12 on entra_sso_enabled too.")
	_ = rule("horizon.update-replaces", "documented", "inferred", openAPI+"updates are PUT requests of the whole object; what becomes of members that are left out is inferred",
		"An update replaces the pool: members that are left out are unset, and those that its version does not have are as in a new pool. A change is 204.")
	_ = rule("horizon.update-kind", "documented", "real", openAPI+"descriptions of access_group_id, session_type, transparent_page_sharing_scope, allow_multiple_user_assignments, allow_users_to_choose_machines, shortcut_locations_v2",
		"By its kind a pool requires access_group_id, session_type and transparent_page_sharing_scope (managed), allow_multiple_user_assignments (dedicated) or allow_users_to_choose_machines (floating), and shortcut_locations_v2 with category_folder_name.")
	_ = rule("horizon.not-applicable", "inferred", "stricter: what a server does with such members is not documented", openAPI+"\"Applicable To\" of the members",
		"Members that are applicable to automated pools or farms only are refused for a manual pool.")
	_ = rule("horizon.renderer3d", "documented", "real", openAPI+"renderer3d, max_number_of_monitors, vram_size_mb",
		"3D rendering needs PCOIP or BLAST as the default protocol and users that must not choose it; monitors and resolution are required unless vSphere manages 3D; an instant clone pool is always MANAGE_BY_VSPHERE_CLIENT.")
	_ = rule("horizon.list", "documented", "real", openAPI+"pagination and filters (page, size, filter; HAS_MORE_RECORDS)",
		"A list has pages and a filter; a page that is not the last has the header HAS_MORE_RECORDS. An unknown parameter or filter is refused (400).")
	_ = rule("horizon.rate-limit", "documented", "inferred", openAPI+"429 Too many requests; the header's name X-Rate-Limit-Retry-After-Seconds is seen",
		"Too many requests get 429 with X-Rate-Limit-Retry-After-Seconds.")
)
