// Bodies of a real node:http server, whose sockets are to stay unread while nobody has room for what they bring.
import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { systemClock } from "../../../std/clock.ts";
import { IncomingBody } from "./incoming-body.ts";
import { ReadingBudget } from "./reading-budget.ts";

const CLIENTS = 12;
const BODY_SIZE = 3 << 20;
const BUDGET = 1 << 20;
/** What one `data` event may bring. */
const EVENT_MAX = 512 << 10;

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.closeAllConnections();
  server?.close();
});

async function uploads(budget: ReadingBudget) {
  const bodies: { request: IncomingMessage; body: IncomingBody }[] = [];
  server = createServer((request, response) => {
    request.on("error", () => {});
    bodies.push({ request, body: new IncomingBody(request, systemClock, () => {}, budget) });
    request.on("end", () => response.end("ok"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (let n = 0; n < CLIENTS; n++) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY_SIZE}\r\n\r\n`);
    socket.write(Buffer.alloc(BODY_SIZE, n));
    sockets.push(socket);
  }
  while (bodies.length < CLIENTS) await new Promise(setImmediate);
  return bodies;
}

test("many bodies hold no more than the budget and one event, and each arrives whole", async () => {
  const budget = new ReadingBudget(BUDGET);
  const bodies = await uploads(budget);
  const begun = new Set<IncomingMessage>();
  const reads = bodies.map(async ({ request, body }) => {
    const first = await body.next();
    begun.add(request);
    return first;
  });
  while (!budget.spent) await new Promise(setImmediate);
  // Long enough for every socket that is still read to bring more.
  for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
  expect(budget.held).toBeLessThanOrEqual(BUDGET + EVENT_MAX);
  expect(begun.size).toBeLessThan(CLIENTS);
  // What came together with the head of a request is in memory before anybody asks for it.
  for (const request of begun) expect(request.readableLength).toBe(0);

  const readWhole = async (index: number): Promise<number> => {
    let size = 0;
    for (let next = await reads[index]!; !next.done; next = await bodies[index]!.body.next()) {
      const { value } = next;
      if (value.some((byte) => byte !== value[0])) throw new Error("bodies are mixed up");
      size += value.length;
      expect(budget.held).toBeLessThanOrEqual(BUDGET + EVENT_MAX);
    }
    return size;
  };
  const sizes = await Promise.all(bodies.map((_, index) => readWhole(index)));
  expect(sizes).toEqual(Array.from({ length: CLIENTS }, () => BODY_SIZE));
  expect(budget.held).toBe(0);
});

test("a body that is left gives back what it has, and its connection goes on", async () => {
  const budget = new ReadingBudget(BUDGET);
  const bodies = await uploads(budget);
  await Promise.all(bodies.slice(0, 1).map(({ body }) => body.next()));
  for (const { body } of bodies.slice(1)) void body.next();
  while (!budget.spent) await new Promise(setImmediate);
  for (const { body } of bodies) {
    body.release();
    body.discard(BODY_SIZE, 5_000);
  }
  expect(budget.held).toBe(0);
  await Promise.all(sockets.map((socket) => once(socket, "data")));
});

test("a piece is gone once the next one is asked for", async () => {
  const [first] = await uploads(new ReadingBudget());
  let piece = (await first!.body.next()).value as Uint8Array;
  while (piece.length < EVENT_MAX / 8) piece = (await first!.body.next()).value;
  await first!.body.next();
  expect(piece.length).toBe(0);
});
