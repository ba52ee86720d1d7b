// A client that sees every byte: HTTP/1.1 over a socket, with the chunks of the answer as they come.
import {connect} from "node:net";

export const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

export const head = (path, body) => `POST ${path} HTTP/1.1\r\nHost: localhost\r\n`
  + `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;

// An answer taken apart: {status, headers, body}; nothing of a body that is cut.
const take = bytes => {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first, ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(lines.map(line => {
    const at = line.indexOf(":");
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
  }));
  let rest = text.slice(end + 4), body = "", whole = false;
  if (headers["transfer-encoding"] === "chunked") {
    for (;;) {
      const line = rest.match(/^([0-9a-f]+)\r\n/i);
      const size = line && parseInt(line[1], 16);
      if (!line || rest.length < line[0].length + size + 2) break;
      body += rest.slice(line[0].length, line[0].length + size);
      rest = rest.slice(line[0].length + size + 2);
      if (size === 0) { whole = true; break; }
    }
  } else {
    body = rest.slice(0, Number(headers["content-length"] ?? Infinity));
    whole = body.length === Number(headers["content-length"]);
  }
  return {status: Number(first.split(" ")[1]), headers, whole, body: Buffer.from(body, "latin1").toString()};
};

// A connection on which something was said. `answer` comes when the answer is whole or the other
// side has closed; `first` when any of its body is there.
export const say = (port, text) => {
  const socket = connect(port, "127.0.0.1");
  const chunks = [];
  let begun, ended;
  const first = new Promise(resolve => { begun = resolve; });
  const answer = new Promise(resolve => { ended = resolve; });
  const look = closed => {
    const got = take(Buffer.concat(chunks));
    if (got && got.body !== "") begun();
    if (got?.whole || closed) { begun(); ended(got); }
  };
  socket.setNoDelay(true);
  socket.write(text);
  socket.on("data", data => { chunks.push(data); look(false); });
  socket.on("close", () => look(true));
  socket.on("error", () => {});
  return {socket, first, answer};
};

// POST an object; the answer.
export const post = async (port, path, object) => {
  const body = JSON.stringify(object);
  const said = say(port, head(path, body) + body);
  const answer = await said.answer;
  said.socket.destroy();
  return answer;
};

export const get = async (port, path) => {
  const said = say(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const answer = await said.answer;
  said.socket.destroy();
  return answer;
};

// The objects of a stream, which must be framed to the byte.
export const events = answer => {
  const parts = answer.body.split("\n\n");
  if (parts.pop() !== "") throw new Error("the last event is cut");
  if (parts.pop() !== "data: [DONE]") throw new Error("no [DONE] at the end");
  return parts.map(part => {
    if (!part.startsWith("data: ") || part.includes("\n")) throw new Error("no event: " + part);
    return JSON.parse(part.slice(6));
  });
};

export const lines = answer => {
  const parts = answer.body.split("\n");
  if (parts.pop() !== "") throw new Error("the last line is cut");
  return parts.map(part => JSON.parse(part));
};
