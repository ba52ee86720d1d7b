--- Conversations: the formats that models expect, and conversations as token ids.
-- @module lull.chat
local conversation = require "lull.chat.conversation"
local formats = require "lull.chat.formats"

return {
  --- segments(format, messages, options), text(...), stops(format), names(), detect(template):
  -- lull.chat.formats
  segments = formats.segments,
  text = formats.text,
  stops = formats.stops,
  names = formats.names,
  detect = formats.detect,
  --- encode(model, messages, options), ending(model, options, wanted): lull.chat.conversation
  encode = conversation.encode,
  ending = conversation.ending,
}
