--- What a client must not show when somebody prints it or walks through its fields, by client:
-- { password =, cookie =, proxy = }.
return setmetatable({}, { __mode = "k" })
