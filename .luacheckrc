std = "lua54"
max_line_length = 120
exclude_files = { "build/", "lua/gpupt/meta/" }
files["spec/"] = { std = "+busted", max_line_length = 160 }
files["spec/vcenter/"] = { std = "lua54" }
-- A to-be-closed local is used by being closed.
ignore = { "211/.*<close>.*" }
