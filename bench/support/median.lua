--- The median of a field of the passes of a benchmark.
return function(list, field)
  local values = {}
  for i, one in ipairs(list) do values[i] = one[field] end
  table.sort(values)
  return values[(#values + 1) // 2]
end
