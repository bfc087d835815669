require "spec.support.guide"("docs/guide/evidence.md", _ENV)
