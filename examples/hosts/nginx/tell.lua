-- /tell?prompt=TEXT&seed=N&tokens=N: a story as it comes. A client that goes away ends it.
local async = require "lull.async"
local arguments = ngx.req.get_uri_args()
local gone = false

ngx.on_abort(function() gone = true end)

-- ngx.sleep(0) would not let other requests in; a millisecond does.
async.use(function()
  ngx.sleep(0.001)
  return gone and "cancel" or nil
end)

local next_piece, facts = model:stream(arguments.prompt or "", {
  seed = tonumber(arguments.seed), max_tokens = math.min(tonumber(arguments.tokens) or 200, 500),
})
if not next_piece then
  ngx.status = 400
  return ngx.say(facts) -- the message
end

ngx.header.content_type = "text/plain; charset=utf-8"
local piece = next_piece()
while piece do
  ngx.print(piece)
  ngx.flush()
  piece = next_piece()
end
ngx.log(ngx.NOTICE, facts.tokens, " tokens", gone and ", then the client went" or "")
