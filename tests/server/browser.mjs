// A headless Chromium, told what to do over its debugging pipe: no package is needed for it.
//
//     const page = await open(program, {width, height, dark, folder});
//     await page.go("http://127.0.0.1:8080/");
//     await page.until("document.title !== ''");
//     await page.click("#tell");
//     await page.screenshot("/tmp/page.png");
//     await page.close();
import {spawn} from "node:child_process";
import {writeFileSync} from "node:fs";

const PATIENCE = 20000; // milliseconds that something may take

export async function open(program, {width, height, dark, touch, folder}) {
  const child = spawn(program, ["--headless", "--no-sandbox", "--disable-gpu",
    "--disable-dev-shm-usage", "--hide-scrollbars", `--user-data-dir=${folder}`,
    "--remote-debugging-pipe", "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], env: {...process.env, HOME: folder},
  });
  const waiting = new Map(), complaints = [];
  let count = 0, rest = "", session;

  child.stdio[4].on("data", data => {
    const parts = (rest + data).split("\0");
    rest = parts.pop();
    for (const message of parts.map(part => JSON.parse(part))) {
      if (message.id) {
        const {resolve, reject} = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.error) reject(new Error(message.error.message));
        else resolve(message.result);
      } else if (message.method === "Runtime.exceptionThrown") {
        complaints.push(message.params.exceptionDetails.exception.description);
      } else if (message.method === "Log.entryAdded" && message.params.entry.level === "error") {
        complaints.push(message.params.entry.text);
      }
    }
  });

  const send = (method, params = {}, sessionId = session) => new Promise((resolve, reject) => {
    waiting.set(++count, {resolve, reject});
    child.stdio[3].write(JSON.stringify({id: count, method, params, sessionId}) + "\0");
  });

  const {targetInfos} = await send("Target.getTargets", {}, undefined);
  const {targetId} = targetInfos.find(target => target.type === "page");
  ({sessionId: session} = await send("Target.attachToTarget", {targetId, flatten: true}, undefined));
  await send("Page.enable");
  await send("Runtime.enable");
  await send("Log.enable");
  await send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: !!touch});
  await send("Emulation.setTouchEmulationEnabled", {enabled: !!touch});
  await send("Emulation.setEmulatedMedia",
    {features: [{name: "prefers-color-scheme", value: dark ? "dark" : "light"}]});

  const page = {
    complaints,
    async get(expression) {
      const {result, exceptionDetails} = await send("Runtime.evaluate",
        {expression, returnByValue: true, awaitPromise: true});
      if (exceptionDetails) throw new Error(expression + ": " + exceptionDetails.exception.description);
      return result.value;
    },
    async until(expression) {
      const start = Date.now();
      while (!await page.get(expression)) {
        if (Date.now() - start > PATIENCE) throw new Error("never came: " + expression);
        await new Promise(resolve => setTimeout(resolve, 20));
      }
    },
    async go(url) {
      await send("Page.navigate", {url});
      await page.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    },
    // The middle of an element, which must be where a finger can reach it.
    async place(selector, index = 0) {
      return page.get(`(() => {
        const element = document.querySelectorAll(${JSON.stringify(selector)})[${index}];
        element.scrollIntoView({block: "nearest"});
        const box = element.getClientRects()[0], x = box.left + box.width / 2, y = box.top + box.height / 2;
        const there = document.elementFromPoint(x, y);
        if (there === null || !(element.contains(there) || there.contains(element)))
          throw new Error("covered: " + ${JSON.stringify(selector)});
        return {x, y};
      })()`);
    },
    async hover(selector, index) {
      await send("Input.dispatchMouseEvent", {type: "mouseMoved", ...await page.place(selector, index)});
    },
    async click(selector, index) {
      const at = await page.place(selector, index);
      if (touch) {
        await send("Input.dispatchTouchEvent", {type: "touchStart", touchPoints: [at]});
        await send("Input.dispatchTouchEvent", {type: "touchEnd", touchPoints: []});
        return;
      }
      await send("Input.dispatchMouseEvent", {type: "mouseMoved", ...at});
      for (const type of ["mousePressed", "mouseReleased"])
        await send("Input.dispatchMouseEvent", {type, button: "left", clickCount: 1, ...at});
    },
    async press(key, modifiers = 0) {
      const codes = {Enter: 13, Escape: 27, Tab: 9, ArrowRight: 39, ArrowLeft: 37, Home: 36, End: 35};
      const event = {key, code: key, windowsVirtualKeyCode: codes[key], modifiers,
        text: key === "Enter" ? "\r" : undefined};
      await send("Input.dispatchKeyEvent", {type: "keyDown", ...event});
      await send("Input.dispatchKeyEvent", {type: "keyUp", ...event, text: undefined});
    },
    async type(text) {
      await send("Input.insertText", {text});
    },
    async screenshot(path) {
      const {data} = await send("Page.captureScreenshot", {format: "png"});
      writeFileSync(path, Buffer.from(data, "base64"));
    },
    async close() {
      const gone = new Promise(resolve => child.once("exit", resolve));
      await send("Browser.close", {}, undefined).catch(() => {});
      await gone;
    },
  };
  return page;
}
