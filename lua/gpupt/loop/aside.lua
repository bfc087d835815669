--- Runs a function in a coroutine of its own. A debug hook that raises (Ctrl-C in lua.c) belongs to one thread, the
-- program's main one: so it raises before the call or after it, never in the middle, where a fiber that was taken from
-- its queue would be lost.

--- `fn` takes at most two arguments, and does not yield. A call from inside fn runs in its place.
return function(fn)
  local co

  local function serve(one, two)
    while true do one, two = coroutine.yield(fn(one, two)) end
  end

  local function finish(ok, ...)
    if not ok then error((...), 0) end
    return ...
  end

  return function(one, two)
    local status = co and coroutine.status(co) or "dead"
    if status == "dead" then
      co = coroutine.create(serve)
    elseif status ~= "suspended" then
      return fn(one, two)
    end
    return finish(coroutine.resume(co, one, two))
  end
end
