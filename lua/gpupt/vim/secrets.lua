--- What a client must not show when it is printed or its fields are listed, by client:
-- { way =, password =, token =, token_key =, ticket =, cookie =, refused =, refusal =, proxy = }.
return setmetatable({}, { __mode = "k" })
