-- How many cards of each model are free, and where? For a scheduler, a ticket system, a dashboard.
-- The server and the account come from GOVC_URL, GOVC_USERNAME and GOVC_PASSWORD.
--   lua5.4 examples/free_cards.lua [PATH]
local gpupt = require "gpupt"

local vc <close> = gpupt.check(gpupt.vim.connect {})
local seen = gpupt.check(gpupt.fleet.cards(vc, { path = arg[1] }))

local free, models = {}, {}
for _, card in ipairs(seen.cards) do
  if not free[card.model] then
    free[card.model] = {}
    models[#models + 1] = card.model
  end
  if card.free then table.insert(free[card.model], card.host .. " " .. card.address) end
end
table.sort(models)
for _, model in ipairs(models) do
  local where = table.concat(free[model], ", ")
  print(("%s: %d free%s"):format(model, #free[model], where ~= "" and ": " .. where or ""))
end
