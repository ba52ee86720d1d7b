--- Conversations: the formats that models expect, and conversations as token ids.
-- @module lull.chat
local conversation = require "lull.chat.conversation"
local formats = require "lull.chat.formats"

return {
  --- segments(format, messages, options), text(...), names(), detect(template): lull.chat.formats
  segments = formats.segments,
  text = formats.text,
  names = formats.names,
  detect = formats.detect,
  --- encode(model, messages, options), stop_ids(model): lull.chat.conversation
  encode = conversation.encode,
  stop_ids = conversation.stop_ids,
}
