-- What the server serves. Read when it starts and when it is told to reload (kill -HUP); another
-- file goes with `serve.sh --config FILE`. Paths are seen from the file's folder.
return {
  models = {
    -- name (that of the file), path, tokenizer (beside the model),
    -- precision ("q8", "q4", "f32"), chat (the format of conversations, a name of lull.chat; by
    -- default the template that came with the model writes them)
    {path = os.getenv "LULL_MODEL" or "../models/lullaby.bin"},
  },
  strategies = "strategies", -- a folder; requests name its files

  streams = 64,      -- texts that are told at a time; more wait
  threads = tonumber(os.getenv "LULL_THREADS") or 1,
  -- length = 512,   -- of the context; by default the model's
  -- kv = "bf16",

  -- Put BOS before prompts of token ids that come without, as before texts: lm_eval sends such.
  bos_before_ids = false,

  -- What requests leave open; any option of lull.sampling.from.
  defaults = {},

  limits = {
    queue = 64,         -- texts that may wait; then 503
    per_client = 128,   -- texts of one address, told or waiting; then 429
    seconds = 600,      -- that a text is told
    wait_seconds = 30,  -- that a text waits for a place; then 503
    body_seconds = 30,  -- that a request's body may take to come; then 408
  },

  -- Needed where the server does not listen on loopback.
  api_key = os.getenv "LULL_API_KEY",
  -- Pages of other sites that may ask: {"https://example.org"}, or {"*"}.
  origins = {},
}
