--- The REST interface of a Horizon Connection Server, as far as pools of GPU desktops need it.
-- Sources: the OpenAPI documents of Horizon Server 2606 (github.com/euc-dev/horizon-apis,
-- docs/horizon-server/versions/2606) and of 2111 (github.com/umich-vci/gohorizon); for version 8 a public client of it.
local rest = {}

--- Versions of /rest/inventory/vN/desktop-pools, newest first: `read` and `update` are the N for GET and PUT of the
-- same shape, `spec` which members an update takes, `release` the first Horizon that is known to have them. Rows with
-- "sure = false" are inferred. An update replaces the whole pool, so the newest version that a server has is used: an
-- older one would reset what it does not have.
rest.versions = {
  { read = 13, update = 13, spec = 8, release = "2606", sure = true },
  { read = 12, update = 12, spec = 7, release = "2606", sure = true },
  { read = 11, update = 11, spec = 6, release = "2606", sure = true },
  { read = 10, update = 10, spec = 5, sure = false },
  { read = 9, update = 9, spec = 4, sure = false },
  { read = 8, update = 8, spec = 3, release = "2312", sure = true },
  { read = 5, update = 1, spec = 1, release = "2111", sure = true },
}

-- name -> the first update spec that has it
local display = { allow_users_to_choose_protocol = 1, default_display_protocol = 1, max_number_of_monitors = 1,
  max_resolution_of_any_one_monitor = 1, pcoip_ultra_protocol_enabled = 4, renderer3d = 1,
  session_collaboration_enabled = 1, vram_size_mb = 1 }
local session = { allow_multiple_sessions_per_user = 1, allow_users_to_reset_machines = 1,
  delete_or_refresh_machine_after_logoff = 1, disconnected_session_timeout_minutes = 1,
  disconnected_session_timeout_policy = 1, empty_session_timeout_minutes = 1, empty_session_timeout_policy = 1,
  logoff_after_timeout = 1, power_policy = 1, pre_launch_session_timeout_minutes = 1,
  pre_launch_session_timeout_policy = 1, refresh_os_disk_after_logoff = 1, refresh_period_days_for_replica_os_disk = 1,
  refresh_threshold_percentage_for_replica_os_disk = 1, session_timeout_policy = 1, used_vm_policy = 3 }
local accelerator = { blackout_times = 1, regenerate_view_storage_accelerator_days = 1,
  use_view_storage_accelerator = 1 }

--- The members of an update of a manual pool: the first spec that has it, or a table of the members inside.
rest.members = {
  access_group_id = 1, allow_multiple_user_assignments = 1, allow_users_to_choose_machines = 3, allowed_access_path = 6,
  automatic_user_assignment = 1, category_folder_name = 1, cloud_assigned = 1, cloud_managed = 1,
  cs_restriction_tags = 1, description = 1, display_assigned_machine_name = 1, display_machine_alias = 1,
  display_name = 1, display_protocol_settings = display, enable_client_restrictions = 1, enabled = 1,
  entra_sso_enabled = 7, require_strong_auth = 6, session_settings = session, session_type = 1,
  shortcut_locations_v2 = 1, transparent_page_sharing_scope = 1, uem_server_id = 7,
  view_storage_accelerator_settings = accelerator,
}

--- Members that only pools have whose machines Horizon makes, and those of farms. An update of such a pool needs them,
-- with members of their own.
rest.not_manual = { "aws_core_desktop_settings", "customization_settings", "nics", "pattern_naming_settings",
  "provisioning_settings", "specific_naming_settings", "storage_settings" }

--- Who renders 3D: words of renderer3d, and whether Horizon itself then sets the video card of the VMs.
rest.renderers = { MANAGE_BY_VSPHERE_CLIENT = "vSphere's settings of each VM", AUTOMATIC = "Horizon",
  SOFTWARE = "Horizon", HARDWARE = "Horizon", DISABLED = "nothing" }

return rest
