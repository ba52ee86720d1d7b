// A click through the page, on a desk in the light and in the dark, and on a telephone.
// usage: node page.mjs BROWSER URL URL-WITH-A-KEY KEY FOLDER
//
// Screenshots go to $LULL_SCREENSHOTS, where that is a folder.
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {open} from "./browser.mjs";
import {finish, holds} from "./cases.mjs";

const [browser, url, keyedUrl, key, folder] = process.argv.slice(2);
const expected = readFileSync(folder + "/expected", "utf8");
const shots = process.env.LULL_SCREENSHOTS;

const test = async (name, look, address, run) => {
  const page = await open(browser, {...look, folder: `${folder}/${name.replace(/\W+/g, "-")}`});
  const held = await holds(name, async () => {
    await page.go(address);
    await run(page);
    assert.equal(await page.get("document.documentElement.scrollWidth <= innerWidth"), true, "too wide");
    assert.deepEqual(page.complaints, []);
  });
  if (shots) await page.screenshot(`${shots}/${held ? "" : "failed-"}${name.replace(/\W+/g, "-")}.png`);
  await page.close();
};

const desk = {width: 1280, height: 800}, phone = {width: 375, height: 667, touch: true};
const story = "$('story').textContent";
const idle = "busy === null";

const tell = async page => {
  await page.until("$('model').value === 'lullaby'");
  await page.get("inputs.seed.value = 7");
  await page.click("#tell");
  await page.until(idle + " && " + story + ".length > 100");
};

for (const [name, look] of Object.entries({"a story": desk, "a story in the dark": {...desk, dark: true}}))
  await test(name, look, url, async page => {
    await tell(page);
    assert.equal(await page.get(story), "Once upon a time" + expected);
    await page.hover("#story .token", 5);
    await page.until("!$('card').hidden");
    assert.equal(await page.get("$('card').querySelectorAll('button').length"), 5);
    assert.match(await page.get("$('card').textContent"), /^␣boy had 31 %/);
    const dark = await page.get("getComputedStyle(document.body).backgroundColor");
    assert.equal(dark === "rgb(22, 24, 29)", look.dark === true);
  });

await test("another way", desk, url, async page => {
  await tell(page);
  await page.click("#story .token", 5);
  await page.hover("#story .token", 20); // which changes nothing
  await page.click("#card button", 0); // the likeliest
  await page.until(idle + " && " + story + ".length > 100");
  assert.ok((await page.get(story)).startsWith("Once upon a time, there was a little girl"));
});

await test("stop, continue, and a new one", desk, url, async page => {
  await page.until("$('model').value === 'lullaby'");
  await page.get("inputs.seed.value = 7; inputs.max_tokens.value = 8");
  await page.click("#tell");
  await page.until(idle + " && " + story + ".length > 20");
  const begun = await page.get(story);
  assert.ok(("Once upon a time" + expected).startsWith(begun));
  await page.get("inputs.max_tokens.value = 480; inputs.stop.value = 'zebra'");
  await page.click("#again");
  await page.click("#stop");
  await page.until(idle);
  const stopped = await page.get(story);
  assert.ok(stopped.startsWith(begun) && ("Once upon a time" + expected).startsWith(stopped));
  assert.match(await page.get("$('state').textContent"), /tokens/);
  await page.click("#clear");
  assert.equal(await page.get(story), "");
  assert.equal(await page.get("$('again').hidden"), true);
});

await test("settings", desk, url, async page => {
  await page.until("$('model').value === 'lullaby'");
  await page.click("#gear");
  await page.get("inputs.temperature.value = 0; inputs.temperature.dispatchEvent(new Event('input'))");
  assert.equal(await page.get("inputs.temperature.parentElement.querySelector('output').value"), "0");
  await page.click("#tint");
  await page.click("#tell");
  await page.until(idle + " && " + story + ".length > 100");
  const first = await page.get(story);
  await page.click("#tell");
  await page.until(idle + " && " + story + ".length > 100");
  assert.equal(await page.get(story), first); // greedy needs no seed
  assert.ok(await page.get("inputs.strategy.options.length") >= 3);
});

await test("with the keyboard", desk, url, async page => {
  await page.until("$('model').value === 'lullaby'");
  await page.get("inputs.seed.value = 7; $('prompt').focus()");
  await page.press("Enter", 2); // with Control
  await page.until(idle + " && " + story + ".length > 100");
  await page.get("sheet.focus()");
  await page.press("ArrowRight");
  await page.press("ArrowRight");
  assert.equal(await page.get("[...sheet.querySelectorAll('.token')].indexOf(current)"), 1);
  await page.press("End");
  assert.equal(await page.get("current.nextSibling"), null);
  await page.press("Escape");
  assert.equal(await page.get("$('card').hidden"), true);
  await page.press("Home");
  for (let i = 0; i < 5; i++) await page.press("ArrowRight");
  await page.press("Enter");
  assert.match(await page.get("document.activeElement.textContent"), /^␣girl/);
  await page.press("ArrowDown");
  await page.press("ArrowUp");
  await page.press("Enter");
  await page.until(idle + " && " + story + ".length > 100");
  assert.ok((await page.get(story)).startsWith("Once upon a time, there was a little girl"));
});

for (const [name, look] of Object.entries({"a chat": desk, "a chat on a telephone": phone}))
  await test(name, look, url, async page => {
    await page.until("$('model').value === 'lullaby'");
    await page.click(".switch span", 1);
    await page.get("$('prompt').value = ''; inputs.seed.value = 3; inputs.max_tokens.value = 48; $('prompt').focus()");
    await page.type("One day, <b>Tom</b>");
    await page.press("Enter");
    await page.until(idle + " && messages.length === 2");
    await page.type(" Then he");
    await page.press("Enter");
    await page.until(idle + " && messages.length === 4");
    assert.equal(await page.get("document.querySelectorAll('.message b').length"), 0);
    assert.equal(await page.get("document.querySelectorAll('.message').length"), 4);
    await page.click(".message:last-child .token", 2);
    assert.equal(await page.get("$('card').hidden"), false);
  });

await test("a story on a telephone", phone, url, async page => {
  await tell(page);
  await page.click("#story .token", 30);
  await page.until("!$('card').hidden");
  const box = await page.get("(({left, right, top, bottom}) => ({left, right, top, bottom}))($('card').getBoundingClientRect())");
  assert.ok(box.left >= 0 && box.right <= 375 && box.top >= 0 && box.bottom <= 667, JSON.stringify(box));
  await page.click("#gear");
  await page.until("!$('settings').hidden");
});

await test("a key", desk, keyedUrl, async page => {
  await page.until("$('error').textContent !== ''");
  assert.match(await page.get("$('error').textContent"), /API key/);
  await page.get(`inputs.key.value = ${JSON.stringify(key)}; inputs.key.dispatchEvent(new Event("change"))`);
  await tell(page);
  assert.equal(await page.get("$('error').textContent"), "");
  page.complaints.length = 0; // the browser's own about 401
});

finish();
