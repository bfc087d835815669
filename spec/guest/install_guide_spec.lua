require "spec.support.guide"("docs/guide/install.md", _ENV, function(folder)
  assert(os.execute(("ln -s '%s/examples' '%s/examples'"):format(os.getenv "PWD", folder)))
  return ""
end)
