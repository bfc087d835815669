--- The WS-Security header in which LoginByToken sends a SAML token (WS-Security SAML token profile 1.1).
-- A bearer token is sent unchanged, with a timestamp. A holder-of-key token needs a signature by the key of the
-- certificate in it, over the timestamp and the body. Both are written here in the form that exclusive
-- canonicalization gives them, so that their digests can be computed from the text.
local digest = require("gpupt.net").digest

local token = {}

local WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
local WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
local WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
local PROFILE = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#"
local EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

local LIFETIME = 300 -- seconds: the clocks of both sides differ

--- The assertion in a text, without a byte-order mark, XML declaration or blanks around it; nil when there is none, or
-- when there is anything else.
function token.assertion(text)
  local bare = text:gsub("^\xef\xbb\xbf", ""):gsub("^%s*<%?xml.-%?>", ""):match "^%s*(<.*>)%s*$"
  local name = bare and bare:match "^<([%w_.-]*:?Assertion)[%s>]"
  if not name or bare:find("<!", 1, true) or bare:find("<?", 1, true) then return nil end
  local finish = "</" .. name .. ">"
  if bare:sub(-#finish) ~= finish or bare:find(finish, 1, true) ~= #bare - #finish + 1 then return nil end
  return bare
end

--- Whether the caller has to prove that the token is its own.
function token.needs_key(assertion)
  return assertion:find("urn:oasis:names:tc:SAML:2.0:cm:holder-of-key", 1, true) ~= nil
end

--- The end of its validity, as written in the token; or nil.
function token.expiry(assertion)
  return assertion:match "Conditions%s[^>]*NotOnOrAfter%s*=%s*[\"']([%d:TZ.+-]+)[\"']"
end

local function new_id()
  return ("_%08x%08x%08x%08x"):format(math.random(0, 0xffffffff), math.random(0, 0xffffffff),
    math.random(0, 0xffffffff), math.random(0, 0xffffffff))
end

local function sha256(text)
  return digest.base64((digest.sha256(text):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)))
end

local function escape(text)
  return (text:gsub("[&<>\r]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\r"] = "&#xD;" }))
end

local function timestamp(id)
  local now = os.time()
  return ('<wsu:Timestamp xmlns:wsu="%s" wsu:Id="%s"><wsu:Created>%s</wsu:Created><wsu:Expires>%s</wsu:Expires>'
    .. "</wsu:Timestamp>"):format(WSU, id, os.date("!%Y-%m-%dT%H:%M:%S.000Z", now),
    os.date("!%Y-%m-%dT%H:%M:%S.000Z", now + LIFETIME))
end

-- The body that the encoder will write for LoginByToken without arguments, in its canonical form.
local function canonical_body(id, manager)
  return ('<soapenv:Body xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsu="%s" wsu:Id="%s">'
    .. '<LoginByToken xmlns="urn:vim25"><_this type="%s">%s</_this></LoginByToken></soapenv:Body>'):format(WSU, id,
    manager.type, escape(manager.value))
end

local function reference(id, text)
  return ('<ds:Reference URI="#%s"><ds:Transforms><ds:Transform Algorithm="%s"></ds:Transform></ds:Transforms>'
    .. '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
    .. "<ds:DigestValue>%s</ds:DigestValue></ds:Reference>"):format(id, EXCLUSIVE, sha256(text))
end

local function signature(assertion, key, references)
  local inside = ('<ds:CanonicalizationMethod Algorithm="%s"></ds:CanonicalizationMethod>'
    .. '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>%s')
    :format(EXCLUSIVE, references)
  local info = ('<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">%s</ds:SignedInfo>'):format(inside)
  local bytes, message, code = digest.sign(key, info)
  if not bytes then return nil, message, code end
  local id = assertion:match "^<[^>]*%sID%s*=%s*[\"']([^\"'<>&]+)[\"']"
  if not id then return nil, "the SAML token has no ID", "ENOLOGIN" end
  return ('<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">%s<ds:SignatureValue>%s</ds:SignatureValue>'
    .. '<ds:KeyInfo><wsse:SecurityTokenReference xmlns:wsse11="%s" wsse11:TokenType="%sSAMLV2.0">'
    .. '<wsse:KeyIdentifier ValueType="%sSAMLID">%s</wsse:KeyIdentifier></wsse:SecurityTokenReference></ds:KeyInfo>'
    .. "</ds:Signature>"):format((info:gsub(' xmlns:ds="[^"]*"', "", 1)), digest.base64(bytes), WSSE11, PROFILE,
    PROFILE, id)
end

--- The header for a LoginByToken on the session manager `manager`; with `key` (PEM) it is signed, and the body needs
-- the wsu:Id that is returned with it. nil, message, code on failure.
function token.header(assertion, key, manager)
  local stamp_id, body_id = new_id(), key and new_id() or nil
  local stamp = timestamp(stamp_id)
  local signed = ""
  if key then
    local message, code
    signed, message, code = signature(assertion, key,
      reference(stamp_id, stamp) .. reference(body_id, canonical_body(body_id, manager)))
    if not signed then return nil, message, code end
  end
  return ('<wsse:Security xmlns:wsse="%s">%s%s%s</wsse:Security>'):format(WSSE, stamp, assertion, signed), body_id
end

return token
