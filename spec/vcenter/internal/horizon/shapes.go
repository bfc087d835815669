package horizon

// shapes.go: the shapes of a desktop pool, as its endpoints read it and as they take its update. Sources:
// the OpenAPI documents of Horizon Server 2606 and of 2111 (github.com/euc-dev/horizon-apis, umich-vci/gohorizon).

// newPool is a manual pool of vCenter VMs as Horizon makes it.
func newPool(id string) map[string]any {
	return map[string]any{
		"id": id, "type": "MANUAL", "source": "VIRTUAL_CENTER", "user_assignment": "FLOATING", "display_name": "", "enabled": true,
		"access_group_id": "6fd4638a-381f-4518-aed6-042aa3d9f14c", "vcenter_id": "f148f3e8-db0e-4abb-9c33-7e5205ccd360",
		"cloud_assigned": false, "cloud_managed": false, "delete_in_progress": false, "display_assigned_machine_name": false,
		"display_machine_alias": false, "enable_client_restrictions": false, "session_type": "DESKTOP", "transparent_page_sharing_scope": "VM",
		"allow_users_to_choose_machines": false, "allowed_access_path": "BOTH", "require_strong_auth": false, "entra_sso_enabled": false,
		"created_at": 1582181947320.0, "user_group_count": 0.0,
		"display_protocol_settings": map[string]any{"allow_users_to_choose_protocol": true, "default_display_protocol": "PCOIP",
			"display_protocols": []any{"PCOIP", "RDP", "BLAST"}, "grid_vgpus_enabled": false, "html_access_enabled": true, "max_number_of_monitors": 2.0,
			"max_resolution_of_any_one_monitor": "WUXGA", "pcoip_ultra_protocol_enabled": false, "renderer3d": "DISABLED",
			"session_collaboration_enabled": false, "vram_size_mb": 96.0},
		"session_settings": map[string]any{"allow_multiple_sessions_per_user": false, "allow_users_to_reset_machines": false,
			"delete_or_refresh_machine_after_logoff": "NEVER", "disconnected_session_timeout_policy": "NEVER", "power_policy": "TAKE_NO_POWER_ACTION"},
		"view_storage_accelerator_settings": map[string]any{"use_view_storage_accelerator": false},
	}
}

// since is the first version whose answer has a field; the others are there from the third on.
var since = map[string]int{"cloud_brokered": 4, "naming_method": 5, "user_group_count": 5, "shortcut_locations_v2": 5, "created_at": 8,
	"allow_users_to_choose_machines": 8, "pcoip_ultra_protocol_enabled": 9, "allowed_access_path": 11, "require_strong_auth": 11,
	"entra_sso_enabled": 12, "uem_server_id": 12}

// project is a pool as a version of the endpoint shows it. The first two are nested otherwise.
func project(pool map[string]any, version int) map[string]any {
	if version < 3 {
		inner := map[string]any{}
		for k, v := range pool {
			inner[k] = v
		}
		return map[string]any{"id": pool["id"], "name": pool["name"], "display_name": pool["display_name"], "enabled": pool["enabled"],
			"type": pool["type"], "source": pool["source"], "settings": inner}
	}
	out := map[string]any{}
	for k, v := range pool {
		if since[k] > version {
			continue
		}
		if m, ok := v.(map[string]any); ok {
			v = project(m, version)
		}
		out[k] = v
	}
	if at, ok := pool["shortcut_locations_v2"]; ok && version < 5 {
		out["shortcut_locations"] = at
	}
	return out
}

// field is the type of a member of an update: bool, text, int, list, any, or the words that it may be; least
// and most of a number.
type field struct {
	kind        string
	words       []string
	least, most float64
	inner       *shape
}

// shape of an object: its members, and those that are required.
type shape struct {
	fields   map[string]field
	required []string
}

func words(list ...string) field       { return field{kind: "word", words: list} }
func number(least, most float64) field { return field{kind: "int", least: least, most: most} }

var (
	flag, text, list = field{kind: "bool"}, field{kind: "text"}, field{kind: "list"}
	anything         = field{kind: "any"}
)

// with is a shape with more members.
func (s *shape) with(required []string, more map[string]field) *shape {
	out := &shape{fields: map[string]field{}, required: append(append([]string{}, s.required...), required...)}
	for k, v := range s.fields {
		out.fields[k] = v
	}
	for k, v := range more {
		out.fields[k] = v
	}
	return out
}

func inside(s *shape) field { return field{kind: "object", inner: s} }

var displayV1 = &shape{required: []string{"allow_users_to_choose_protocol", "default_display_protocol"}, fields: map[string]field{
	"allow_users_to_choose_protocol": flag, "default_display_protocol": words("BLAST", "PCOIP", "RDP", "ULTRA"), "max_number_of_monitors": number(1, 4),
	"max_resolution_of_any_one_monitor": words("UHD", "UHD_5K", "UHD_8K", "WQXGA", "WSXGA_PLUS", "WUXGA"),
	"renderer3d":                        words("AUTOMATIC", "DISABLED", "HARDWARE", "MANAGE_BY_VSPHERE_CLIENT", "SOFTWARE"),
	"session_collaboration_enabled":     flag, "vram_size_mb": number(64, 512)}}

var displayV2 = displayV1.with([]string{"pcoip_ultra_protocol_enabled"}, map[string]field{"pcoip_ultra_protocol_enabled": flag})

var sessionV1 = &shape{required: []string{"allow_multiple_sessions_per_user", "disconnected_session_timeout_policy"}, fields: map[string]field{
	"allow_multiple_sessions_per_user": flag, "allow_users_to_reset_machines": flag,
	"delete_or_refresh_machine_after_logoff": words("DELETE", "NEVER", "REFRESH"), "disconnected_session_timeout_minutes": number(1, 1e6),
	"disconnected_session_timeout_policy": words("AFTER", "IMMEDIATELY", "NEVER"), "empty_session_timeout_minutes": number(1, 1e6),
	"empty_session_timeout_policy": words("AFTER", "IMMEDIATE", "NEVER"), "logoff_after_timeout": flag,
	"power_policy":                       words("ALWAYS_POWERED_ON", "POWER_OFF", "SUSPEND", "TAKE_NO_POWER_ACTION"),
	"pre_launch_session_timeout_minutes": number(10, 1e6), "pre_launch_session_timeout_policy": words("AFTER", "NEVER"),
	"refresh_os_disk_after_logoff":            words("ALWAYS", "AT_SIZE", "EVERY", "NEVER"),
	"refresh_period_days_for_replica_os_disk": number(1, 1e6), "refresh_threshold_percentage_for_replica_os_disk": number(1, 100),
	"session_timeout_policy": words("DEFAULT", "NEVER")}}

var sessionV2 = sessionV1.with(nil, map[string]field{"used_vm_policy": words("ALLOW_WITHOUT_REFRESH", "AUTO_REFRESH", "BLOCK_ACCESS")})

var accelerator = &shape{required: []string{"use_view_storage_accelerator"}, fields: map[string]field{"use_view_storage_accelerator": flag,
	"regenerate_view_storage_accelerator_days": number(1, 999), "blackout_times": list}}

var updateV1 = &shape{
	required: []string{"cloud_assigned", "cloud_managed", "display_assigned_machine_name", "display_machine_alias", "display_name", "enable_client_restrictions", "enabled"},
	fields: map[string]field{
		"access_group_id": text, "allow_multiple_user_assignments": flag, "allow_rds_pool_multi_session_per_user": flag, "automatic_user_assignment": flag,
		"category_folder_name": text, "cloud_assigned": flag, "cloud_brokered": flag, "cloud_managed": flag, "cs_restriction_tags": list,
		"customization_settings": anything, "description": text, "display_assigned_machine_name": flag, "display_machine_alias": flag, "display_name": text,
		"display_protocol_settings": inside(displayV1), "enable_client_restrictions": flag, "enable_provisioning": flag, "enabled": flag, "nics": list,
		"pattern_naming_settings": anything, "provisioning_settings": anything, "session_settings": inside(sessionV1),
		"session_type": words("APPLICATION", "DESKTOP", "DESKTOP_AND_APPLICATION"), "shortcut_locations_v2": list, "specific_naming_settings": anything,
		"stop_provisioning_on_error": flag, "storage_settings": anything, "transparent_page_sharing_scope": words("DESKTOP_POOL", "GLOBAL", "POD", "VM"),
		"view_storage_accelerator_settings": inside(accelerator)}}

var updateV3 = updateV1.with(nil, map[string]field{"allow_users_to_choose_machines": flag, "session_settings": inside(sessionV2)})
var updateV4 = updateV3.with(nil, map[string]field{"display_protocol_settings": inside(displayV2)})
var updateV5 = updateV4.with(nil, map[string]field{"aws_core_desktop_settings": anything})
var updateV6 = updateV5.with(nil, map[string]field{"allowed_access_path": words("BOTH", "INTERNAL", "EXTERNAL"), "require_strong_auth": flag})
var updateV7 = updateV6.with([]string{"entra_sso_enabled"}, map[string]field{"entra_sso_enabled": flag, "uem_server_id": text})

// specOf is the shape that a version of the endpoint takes: 11, 12 and 13 by the document of 2606, 1 by that
// of 2111, 8 by a public client; 9 and 10 are inferred.
var specOf = map[int]*shape{1: updateV1, 8: updateV3, 9: updateV4, 10: updateV5, 11: updateV6, 12: updateV7, 13: updateV7}
