--- busted's TAP, and after each file a line with its seconds, for build-support/test.lua.
--   busted -o build-support/tap.lua FILE...
return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.TAP"(options)
  busted.subscribe({ "file", "end" }, function(file)
    io.write(("# %.1f seconds in %s\n"):format(file.duration or 0, file.name))
    return nil, true
  end)
  return handler
end
