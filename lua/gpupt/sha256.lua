--- SHA-256 of a string as 64 lower-case hexadecimal digits, by OpenSSL: hashes of playbooks, plans, certificates.
return require("gpupt.net").digest.sha256
