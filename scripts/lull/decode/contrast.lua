--- Stages that set the model against another view of the text: guidance, contrastive decoding,
-- DoLa. They go first in a chain, where the logits are the model's own.
-- @module lull.decode.contrast
local options = require "lull.options"
local shadow = require "lull.decode.shadow"
local strategy = require "lull.sampling.strategy"

local contrast = {}

local USER = 2 -- whom to blame for a mistake

-------------------------------------------------------------------------------- guidance

local GUIDANCE = options.merge(shadow.RULES, {
  scale = {type = "number", min = 0, max = 1000, default = 1.5},
})

--- Classifier-free guidance (Sanchez et al. 2023, arXiv:2306.17806): more of what the prompt makes
-- probable and a second prompt does not.
--
--     local sad = decode.guidance {prompt = "A sad story. One day, Lily", scale = 2}
--     model:generate("A happy story. One day, Lily", {sampler = {sad, sampling.sample()}})
--
-- value = scale * value + (1 - scale) * value after the second prompt; both followed by the same
-- told text. scale 1 changes nothing, 0 is the distribution of the second prompt (both exactly, but
-- for what is banned), above 1 moves away from it: 1.25 to 2 is usual, with a temperature. A second
-- prompt that says what is not wanted is a negative prompt; without one, "" lets the told text
-- stand alone, so that the prompt counts more. The paper's formula is of log-probabilities; with
-- logits all values differ by one constant, which no distribution shows.
--
-- Costs a second evaluation of every token, in the same pass where the context is shared. It may be
-- cloned, banned phrases may take the text back, and texts may follow each other; `close()` closes
-- what it has opened, else the garbage collector does. The told text is what follows the prompt of
-- the text at hand: seq:generate, called again, begins a new one.
-- @param given {scale = 1.5} and what the second sequence is (lull.decode.shadow): prompt = "",
--   last, model, seq, context, sequences
-- @return a strategy that chooses nothing
function contrast.guidance(given)
  local checked = options.check("guidance", given, GUIDANCE)
  local second = shadow.new(checked, "guidance", USER)
  if not (checked.prompt or checked.last or checked.seq) then
    checked.prompt = ""
  end
  return shadow.strategy({
    name = "guidance", scale = checked.scale, shown = {"scale"},
    apply = function(self, logits, seq)
      local other, message, code = self.second:logits(seq)
      if not other then
        return nil, message, code
      end
      logits:scale(self.scale):add_scaled(other, 1 - self.scale)
    end,
  }, second)
end

-------------------------------------------------------------------------------- an amateur

local CONTRASTIVE = options.merge(shadow.RULES, {
  alpha = {type = "number", min = 0, max = 1, default = 0.1},
  beta = {type = "number", min = 0, max = 1000},
  temperature = {type = "number", min = 1e-6, max = 1e6, default = 1},
})

--- Contrastive decoding (Li et al. 2022, arXiv:2210.15097): what the model knows better than an
-- amateur, a smaller model or the same one with a short context.
--
--     local small = decode.contrastive_decoding {model = small_model}
--     large_model:generate("One day, Lily", {sampler = {small, sampling.greedy()}})
--     decode.contrastive_decoding {last = 1}  -- the model without the prompt but its last token
--
-- Tokens less probable than alpha times the most probable one are banned; of the others
--
--     value = log p - log p_amateur                          without beta (Li et al.)
--     value = (1 + beta) log p - beta log p_amateur          with it (O'Brien and Lewis 2023,
--                                                            arXiv:2309.09117; 0.5 there)
--
-- up to a constant, and p_amateur at the given temperature. It takes off what is probable for being
-- general: repetition, stock phrases. Choose by greedy or with beams; or with beta and a
-- temperature by sampling. Costs and life as for guidance.
-- @param given {alpha = 0.1, beta = none, temperature = 1} and what the amateur is
--   (lull.decode.shadow): at least one of model, last, prompt and seq
-- @return a strategy that chooses nothing
function contrast.contrastive_decoding(given)
  local checked = options.check("contrastive_decoding", given, CONTRASTIVE)
  local second = shadow.new(checked, "contrastive_decoding", USER)
  if not (checked.model or checked.prompt or checked.last or checked.seq) then
    error("bad options to 'contrastive_decoding' (an amateur is needed: model, last, prompt or "
      .. "seq)", 2)
  end
  return shadow.strategy({
    name = "contrastive_decoding", alpha = checked.alpha, beta = checked.beta,
    temperature = checked.temperature, labelled = true, shown = {"alpha", "beta", "temperature"},
    apply = function(self, logits, seq)
      local amateur, message, code = self.second:logits(seq)
      if not amateur then
        return nil, message, code
      end
      local beta = self.beta
      logits:min_p(self.alpha):scale(beta and 1 + beta or 1)
      logits:add_scaled(amateur, -(beta or 1) / self.temperature)
    end,
  }, second)
end

-------------------------------------------------------------------------------- early layers

-- The even layers of one half of the network, but not the last of all: "low" or "high".
local function bucket(name, n_layers)
  local half = math.floor(n_layers / 2)
  local first, last = 1, half
  if name == "high" then
    first, last = half + 1, n_layers - 1
  end
  local layers = {}
  for layer = first, last do
    if layer % 2 == 0 then
      layers[#layers + 1] = layer
    end
  end
  return #layers > 0 and layers or {math.max(1, half)}
end

local function is_layer_list(value, n_layers)
  for i = 1, #value do
    if not options.allows({type = "integer", min = 1, max = n_layers - 1}, value[i])
      or i > 1 and value[i] <= value[i - 1] then
      return false
    end
  end
  return #value > 0
end

--- DoLa, decoding by contrasting layers (Chuang et al. 2023, arXiv:2309.03883): what the last
-- layers have added to what earlier ones would have said.
--
--     local dola = decode.dola(model, {layers = "low"})
--     model:generate("The capital of France is", {sampler = {dola, sampling.greedy()}})
--
-- Of the candidate layers the one is taken whose distribution q differs most from the last one's,
-- p, by the Jensen-Shannon divergence; tokens less probable than alpha times the most probable one
-- are banned, and of the others value = log p - log q (up to a constant). Meant for facts in large
-- models: "low" for long answers, "high" for short ones; with a penalty against repetition (1.2
-- there). In small story tellers it is a curiosity.
--
-- Costs a product with the classifier for each candidate layer and token. Drafts do not help, as
-- guesses leave no layers.
-- @param model it is for
-- @param given {layers = "high": "low" or "high", the even layers of the lower or upper half of the
--   network, or an ascending list of layers, 1 being the first, without the last; alpha = 0.1}
-- @return a strategy that chooses nothing
function contrast.dola(model, given)
  options.argument("dola", 1, model, options.handle "model")
  local n_layers = model:info().n_layers
  local checked = options.check("dola", given, {
    alpha = {type = "number", min = 0, max = 1, default = 0.1},
    layers = {
      test = function(value)
        return value == "low" or value == "high"
          or type(value) == "table" and is_layer_list(value, n_layers)
      end,
      text = "'low', 'high' or an ascending list of layers in 1.." .. n_layers - 1,
      default = "high",
    },
  })
  if n_layers < 2 then
    error("dola: this model has one layer, and nothing to contrast it with", 2)
  end
  local layers = checked.layers
  if type(layers) == "string" then
    layers = bucket(layers, n_layers)
  end
  return strategy.new {
    name = "dola", layers = table.concat(layers, " "), alpha = checked.alpha,
    shown = {"layers", "alpha"}, labelled = true, feed = {layers = layers},
    apply = function(self, logits, seq)
      local premature, furthest
      for _, layer in ipairs(self.feed.layers) do
        local early, message, code = seq:logits(-1, layer)
        if not early then
          return nil, message, code
        end
        local divergence = logits:divergence(early)
        if not premature or divergence > furthest then
          premature, furthest = early, divergence
        end
      end
      logits:min_p(self.alpha):add_scaled(premature, -1)
    end,
  }
end

return contrast
