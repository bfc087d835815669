--- What a client must not show when somebody prints it or walks through its fields: { password =, cookie =, refused =, refusal =, proxy = } by client.
return setmetatable({}, { __mode = "k" })
