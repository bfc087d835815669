require "spec.support.guide"("docs/guide/bar.md", _ENV)
