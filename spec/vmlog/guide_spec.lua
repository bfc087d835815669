require "spec.support.guide"("docs/guide/log.md", _ENV)
