require "spec.support.guide"("docs/guide/pci.md", _ENV)
