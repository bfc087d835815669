--- The transcripts of the guide are what the commands print.
for _, page in ipairs { "docs/guide/vmx.md", "docs/guide/doctor.md" } do require "spec.support.guide"(page, _ENV) end
