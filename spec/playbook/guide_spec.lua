require "spec.support.guide"("docs/guide/secrets.md", _ENV)
