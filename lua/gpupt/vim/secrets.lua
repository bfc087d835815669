--- What a client must not show when somebody prints it or walks through its fields, by client:
-- { way =, password =, token =, token_key =, ticket =, cookie =, refused =, refusal =, proxy = }.
return setmetatable({}, { __mode = "k" })
