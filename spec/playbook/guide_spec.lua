require "spec.support.guide"("docs/guide/secrets.md", _ENV)
require "spec.support.guide"("docs/guide/playbook.md", _ENV)
