// Streams of examples/server, many at once and beside clients that misbehave.
// usage: node streams.mjs PORT PID FOLDER CONFIG      PID of nginx; FOLDER for files
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {appendFileSync, readFileSync, writeFileSync} from "node:fs";
import {finish, holds as test} from "./cases.mjs";
import {events, get, head, lines, post, say, sleep} from "./client.mjs";

const [port, pid, folder, config] = process.argv.slice(2);
const alone = list => {
  writeFileSync(folder + "/asked", list.map(one => JSON.stringify(one) + "\n").join(""));
  return JSON.parse(execFileSync(process.env.LUA, ["tests/server/alone.lua", folder + "/asked"]));
};

const until = async (what, look) => {
  for (let i = 0; i < 500; i++) {
    if (await look()) return;
    await sleep(20);
  }
  throw new Error("never came: " + what);
};

const health = async () => JSON.parse((await get(port, "/health")).body);
const metric = async name => {
  const {body} = await get(port, "/metrics");
  return Number(body.split("\n").find(line => line.startsWith(name + " "))?.slice(name.length + 1) ?? 0);
};
const workers = () => execFileSync("pgrep", ["-P", pid]).toString().trim().split("\n");

const text = list => list.map(object => object.choices[0]?.text ?? "").join("");
const open = (path, object) => {
  const body = JSON.stringify(object);
  return say(port, head(path, body) + body);
};
const stream = (seed, more) => open("/v1/completions",
  {prompt: "Once upon a time", max_tokens: 200, seed, stream: true, ...more});
const long = {max_tokens: 500, ban_phrases: ["\n"], logit_bias: {1: -100, 2: -100}};
const longAlone = {max_tokens: 500, ban_phrases: ["\n"], ban: [1, 2]};

await test("server-sent events", async () => {
  const said = stream(3, {stream_options: {include_usage: true}, max_tokens: 50});
  const answer = await said.answer;
  said.socket.destroy();
  assert.equal(answer.status, 200);
  assert.match(answer.headers["content-type"], /^text\/event-stream/);
  const list = events(answer);
  const [expected] = alone([{prompt: "Once upon a time", options: {max_tokens: 50, seed: 3}}]);
  assert.equal(text(list), expected);
  const usage = list.pop();
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage.completion_tokens, 50);
  assert.deepEqual(list.map(object => object.choices[0].finish_reason),
    [...list.slice(1).map(() => null), "length"]);
  assert.equal(new Set(list.map(object => object.id)).size, 1);
});

await test("lines of JSON", async () => {
  const answer = await post(port, "/api/chat", {model: "lullaby",
    messages: [{role: "user", content: "Once upon a time"}], options: {seed: 3, num_predict: 50}});
  assert.match(answer.headers["content-type"], /^application\/x-ndjson/);
  const list = lines(answer), last = list.pop();
  assert.ok(list.length > 0 && list.every(object => object.done === false));
  assert.equal(last.done, true);
  assert.equal(last.eval_count, 50);
  const [expected] = alone([{prompt: "Once upon a time", options: {max_tokens: 50, seed: 3}}]);
  assert.equal(list.map(object => object.message.content).join(""), expected);
});

await test("64 streams at once are told as each alone", async () => {
  const asked = [];
  for (let i = 0; i < 64; i++) {
    const options = {seed: i, max_tokens: 60 + i, temperature: 0.5 + i / 64};
    if (i % 4 === 1) options.stop = [" the", "."];
    if (i % 4 === 2) Object.assign(options, {top_k: 5, repetition_penalty: 1.2});
    if (i % 4 === 3) options.ban_phrases = [" happy", " said"];
    asked.push({prompt: ["Once upon a time", "One day, Tom", "", "The cat"][i % 3], options});
  }
  const expected = alone(asked);
  const got = await Promise.all(asked.map(({prompt, options}, i) => i % 5 === 4
    ? post(port, "/v1/completions", {prompt, ...options}).then(answer => JSON.parse(answer.body).choices[0].text)
    : post(port, "/v1/completions", {prompt, ...options, stream: true, logprobs: i % 7 === 0 ? 2 : undefined})
      .then(answer => text(events(answer)))));
  got.forEach((one, i) => assert.equal(one, expected[i], "text " + i));
});

await test("log-probabilities cover the text of a stream", async () => {
  const said = stream(5, {logprobs: 3, stop: [" day"], max_tokens: 100});
  const list = events(await said.answer);
  said.socket.destroy();
  const tokens = list.flatMap(object => object.choices[0].logprobs.tokens);
  const offsets = list.flatMap(object => object.choices[0].logprobs.text_offset);
  assert.ok(tokens.join("").startsWith(text(list)));
  assert.ok(text(list).length > 0 && offsets.at(-1) < text(list).length);
  tokens.forEach((token, i) => assert.equal(text(list).slice(offsets[i], offsets[i + 1]), token));
});

await test("the texts of one stream, each with its prompt, also those that had to wait", async () => {
  const asked = {prompt: "Tom said, \"a/b\\c\"\u0001 é", max_tokens: 12, seed: 2, n: 70, echo: true, logprobs: 1};
  const whole = JSON.parse((await post(port, "/v1/completions", asked)).body).choices;
  const list = events(await post(port, "/v1/completions", {...asked, stream: true}));
  for (const {index, text: told, logprobs, finish_reason: reason} of whole) {
    const parts = list.map(object => object.choices[0]).filter(choice => choice.index === index);
    assert.equal(parts.map(part => part.text).join(""), told);
    assert.ok(told.startsWith(asked.prompt));
    for (const name of Object.keys(logprobs))
      assert.deepEqual(parts.flatMap(part => part.logprobs[name]), logprobs[name]);
    assert.deepEqual(parts.map(part => part.finish_reason), [...parts.slice(1).map(() => null), reason]);
  }
});

await test("scores are those of lull, as the evaluation harness asks for them", async () => {
  const tokenize = async prompt => JSON.parse(
    (await post(port, "/tokenize", {prompt, add_special_tokens: false})).body).tokens;
  const endings = [" dog in the park.", " zebra", " big red ball. He was"];
  const prompts = await Promise.all(endings.map(ending => tokenize("One day, Tom saw a" + ending)));
  const context = await tokenize("One day, Tom saw a");
  prompts.forEach(ids => assert.deepEqual(ids.slice(0, context.length), context));
  const answer = await post(port, "/v1/completions", {model: "lullaby", prompt: prompts, max_tokens: 1,
    logprobs: 1, echo: true, temperature: 0, seed: 1234});
  const expected = alone(prompts.map(score => ({score})));
  let likely = 0;
  for (const [i, choice] of JSON.parse(answer.body).choices.entries()) {
    const {token_logprobs: logprobs, top_logprobs: tops, tokens} = choice.logprobs;
    assert.equal(logprobs.length, prompts[i].length + 1); // and the one that was told
    assert.deepEqual(logprobs.slice(0, -1), expected[i]);
    // Whether a token was the likeliest is seen by comparing the numbers.
    logprobs.slice(1).forEach((logprob, k) => {
      const [[likeliest, best]] = Object.entries(tops[k + 1]);
      assert.ok(likeliest === tokens[k + 1] ? best === logprob : best > logprob, `${best} ${logprob}`);
      likely += best === logprob;
    });
  }
  assert.ok(likely > 3);
});

await test("a connection is kept for the next request", async () => {
  const body = JSON.stringify({prompt: "x", max_tokens: 3, seed: 1, stream: true});
  const said = say(port, head("/v1/completions", body) + body);
  const first = await said.answer;
  const again = new Promise(resolve => said.socket.once("data", resolve));
  said.socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match((await again).toString(), /^HTTP\/1\.1 200/);
  assert.equal(first.status, 200);
  said.socket.destroy();
});

await test("clients that go away end their texts, and only theirs", async () => {
  const closed = await metric('lull_texts_total{end="closed"}');
  const seeds = Array.from({length: 8}, (_, i) => 200 + i);
  const expected = alone(seeds.map(seed => ({prompt: "Once upon a time", options: {...longAlone, seed}})));
  const leaving = Array.from({length: 24}, (_, i) => stream(100 + i, long));
  const staying = seeds.map(seed => stream(seed, long));
  await Promise.all(leaving.map(said => said.first));
  leaving.forEach((said, i) => i % 2 ? said.socket.destroy() : said.socket.end()); // half of them half
  for (const [i, said] of staying.entries()) {
    assert.equal(text(events(await said.answer)), expected[i]);
    said.socket.destroy();
  }
  await until("an idle server", async () => (await health()).telling === 0);
  const ended = await metric('lull_texts_total{end="closed"}') - closed;
  assert.ok(ended >= 20 && ended <= 24, ended + " were closed");
});

await test("a client that does not read holds nobody up, and gets all in the end", async () => {
  const [expected] = alone([{prompt: "Once upon a time", options: {...longAlone, seed: 300}}]);
  const [quick] = alone([{prompt: "Once upon a time", options: {max_tokens: 200, seed: 301}}]);
  const slow = stream(300, {n: 16, logprobs: 20, ...long});
  slow.socket.pause();
  await sleep(50);
  const other = stream(301);
  assert.equal(text(events(await other.answer)), quick);
  other.socket.destroy();
  await until("an idle server", async () => (await health()).telling === 0);
  slow.socket.resume();
  const list = events(await slow.answer);
  assert.equal(text(list.filter(object => object.choices[0].index === 0)), expected);
  slow.socket.destroy();
});

await test("a request that stops halfway is told so, and nobody else waits for it", async () => {
  const [expected] = alone([{prompt: "Once upon a time", options: {...longAlone, seed: 310}}]);
  const half = head("/v1/completions", "{}".padEnd(100)) + "{";
  const stalled = [half, half.replace("/v1/completions", "/api/chat"),
    head("/v1/completions", "{}").replace("Content-Length: 2", "Transfer-Encoding: chunked") + "1\r\n{\r\n"]
    .map(bytes => say(port, bytes));
  const other = stream(310, long);
  assert.equal(text(events(await other.answer)), expected);
  other.socket.destroy();
  for (const [i, said] of stalled.entries()) {
    const {status, headers, body} = await said.answer;
    assert.equal(status, 408);
    assert.equal(headers.connection, "close");
    const {error} = JSON.parse(body);
    assert.match(i === 1 ? error : error.message, /did not come within 1 s/);
  }
});

await test("what is no HTTP gets an answer", async () => {
  for (const bytes of ["\x00\x01\x02\r\n\r\n", "POST /v1/completions HTTP/1.1\r\n\r\n", "NONSENSE\r\n\r\n",
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    `GET /${"a".repeat(40000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(40000)}\r\n\r\n`,
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"]) {
    const said = say(port, bytes);
    const answer = await said.answer;
    said.socket.destroy();
    assert.ok(answer.status >= 400 && answer.status < 506, bytes.slice(0, 20) + answer.status);
    assert.equal(JSON.parse(answer.body).error.type, "invalid_request_error");
  }
});

await test("a reload lets streams end, and the next ones begin", async () => {
  const [before] = workers();
  const told = await metric("lull_generated_tokens_total");
  const seeds = Array.from({length: 8}, (_, i) => 400 + i);
  const expected = alone(seeds.map(seed => ({prompt: "Once upon a time", options: {...longAlone, seed}})));
  const [fresh] = alone([{prompt: "Once upon a time", options: {max_tokens: 200, seed: 500}}]);
  const running = seeds.map(seed => stream(seed, long));
  await Promise.all(running.map(said => said.first));
  process.kill(Number(pid), "SIGHUP");
  await until("a new worker", () => workers().some(one => one !== before));
  const next = stream(500);
  assert.equal(text(events(await next.answer)), fresh);
  next.socket.destroy();
  for (const [i, said] of running.entries()) {
    assert.equal(text(events(await said.answer)), expected[i]);
    said.socket.destroy();
  }
  await until("the end of the old worker", () => !workers().includes(before));
  assert.ok(await metric("lull_generated_tokens_total") > told);
});

await test("a reload that cannot be leaves everything as it was", async () => {
  const [before] = workers(), whole = readFileSync(config, "utf8");
  appendFileSync(config, "\nthis is no Lua\n");
  process.kill(Number(pid), "SIGHUP");
  await sleep(300);
  writeFileSync(config, whole);
  assert.deepEqual(workers(), [before]);
  assert.equal((await post(port, "/v1/completions", {prompt: "x", max_tokens: 1})).status, 200);
});

finish();
