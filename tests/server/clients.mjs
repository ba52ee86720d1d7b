// The real clients, asking as their manuals do.
// usage: node clients.mjs URL URL-WITH-A-KEY KEY FILE     FILE has what 'Once upon a time' becomes
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import OpenAI from "openai";
import {Ollama} from "ollama";
import {finish, holds as test} from "./cases.mjs";

const [url, keyedUrl, key, file] = process.argv.slice(2);
const expected = readFileSync(file, "utf8");
const openai = new OpenAI({baseURL: url + "/v1", apiKey: "none", maxRetries: 0});
const ollama = new Ollama({host: url});
const prompt = "Once upon a time", model = "lullaby";
const messages = [{role: "user", content: prompt}];
const options = {seed: 7, num_predict: 40};


await test("openai: models", async () => {
  const list = [];
  for await (const one of await openai.models.list()) list.push(one.id);
  assert.deepEqual(list, [model]);
  assert.equal((await openai.models.retrieve(model)).id, model);
});

await test("openai: a completion", async () => {
  const answer = await openai.completions.create({model, prompt, max_tokens: 40, seed: 7, logprobs: 2});
  assert.equal(answer.choices[0].text, expected);
  assert.equal(answer.usage.completion_tokens, 40);
  assert.equal(answer.choices[0].logprobs.tokens.join(""), expected);
});

await test("openai: a completion as a stream", async () => {
  let text = "", usage;
  for await (const chunk of await openai.completions.create(
    {model, prompt, max_tokens: 40, seed: 7, stream: true, stream_options: {include_usage: true}})) {
    text += chunk.choices[0]?.text ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, expected);
  assert.equal(usage.total_tokens, 45);
});

await test("openai: a chat", async () => {
  const answer = await openai.chat.completions.create({model, messages, max_tokens: 40, seed: 7, n: 2});
  assert.equal(answer.choices[0].message.content, expected);
  assert.notEqual(answer.choices[1].message.content, expected);
  assert.equal(answer.choices[0].finish_reason, "length");
});

await test("openai: a chat as a stream", async () => {
  let text = "";
  const stream = openai.chat.completions.stream({model, messages, max_tokens: 40, seed: 7});
  stream.on("content", piece => { text += piece; });
  const whole = await stream.finalChatCompletion();
  assert.equal(text, expected);
  assert.equal(whole.choices[0].message.content, expected);
});

await test("openai: a stream that is broken off", async () => {
  let count = 0;
  const stream = await openai.completions.create({model, prompt, max_tokens: 400, stream: true, n: 8});
  for await (const _ of stream) if (++count === 3) break;
  assert.equal(count, 3);
});

await test("openai: mistakes", async () => {
  await assert.rejects(openai.completions.create({model, prompt, temperature: "hot"}),
    error => error instanceof OpenAI.BadRequestError && error.param === "temperature");
  await assert.rejects(openai.completions.create({model: "gpt-7", prompt}),
    error => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
});

await test("openai: a key", async () => {
  const ask = apiKey => new OpenAI({baseURL: keyedUrl + "/v1", apiKey, maxRetries: 0})
    .completions.create({model, prompt, max_tokens: 40, seed: 7});
  assert.equal((await ask(key)).choices[0].text, expected);
  await assert.rejects(ask("wrong"), OpenAI.AuthenticationError);
});

await test("ollama: models", async () => {
  assert.deepEqual((await ollama.list()).models.map(one => one.name), [model + ":latest"]);
  assert.equal((await ollama.ps()).models[0].context_length, 512);
  assert.deepEqual((await ollama.show({model})).capabilities, ["completion"]);
  assert.match((await ollama.version()).version, /^\d/);
});

await test("ollama: generate", async () => {
  const answer = await ollama.generate({model, prompt, options});
  assert.equal(answer.response, expected);
  assert.equal(answer.eval_count, 40);
  let text = "";
  for await (const part of await ollama.generate({model, prompt, options, stream: true})) text += part.response;
  assert.equal(text, expected);
});

await test("ollama: chat", async () => {
  assert.equal((await ollama.chat({model, messages, options})).message.content, expected);
  let text = "", last;
  for await (const part of await ollama.chat({model, messages, options, stream: true})) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, expected);
  assert.equal(last.done_reason, "length");
});

await test("ollama: an object by schema", async () => {
  const format = {type: "object", properties: {name: {type: "string", maxLength: 8}}, required: ["name"],
    additionalProperties: false};
  const answer = await ollama.chat({model, messages, format, options: {seed: 7}});
  assert.equal(typeof JSON.parse(answer.message.content).name, "string");
});

await test("ollama: a stream that is broken off", async () => {
  let count = 0;
  await assert.rejects(async () => {
    for await (const _ of await ollama.generate(
      {model, prompt, options: {num_predict: 500, min_tokens: 500}, stream: true}))
      if (++count === 1) ollama.abort();
  }, {name: "AbortError"});
});

await test("ollama: mistakes", async () => {
  await assert.rejects(ollama.generate({model: "llama3", prompt}), /model 'llama3' not found/);
});

finish();
