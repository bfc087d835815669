--- The long form of two specs: every version since 5.0, and large answers cut at 20,000 places.
package.loaded["spec.codec.soak"] = true
for _, name in ipairs { "roundtrip", "chunks" } do
  assert(loadfile("spec/codec/" .. name .. "_spec.lua", "t", _ENV))()
end
