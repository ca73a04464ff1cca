import { afterEach, expect, test } from "bun:test";
import { type Listener, systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { frameBytes, HostileClient } from "../testing/hostile-client.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import type { ClusterSecrets } from "./handshake.ts";
import { serve } from "./serve.ts";
import { WireStats } from "./wire-stats.ts";

const SECRETS: ClusterSecrets = { clusterId: "a".repeat(32), clusterSecret: "s1", controlSecret: "s2" };
const ANSWER = Buffer.alloc(1 << 20);

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server whose handler waits until it is told, by default with room for one request at a time. */
async function slowServer(bounds = { inFlightMax: 1, queuedBytesMax: 1 << 20 }) {
  const clock = new ManualClock();
  const stats = new WireStats({ work: 16 });
  const gate = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const handler = async () => {
    began.resolve();
    await gate.promise;
    return { meta: "done", body: ANSWER };
  };
  const limits = { metaSizeMax: 1024, bodySizeMax: 1024 };
  const options = { limits, handler, ...bounds, stats };
  const env = { clock, net: systemNet, random: systemRandom };
  const listener: Listener = await serve(env, "127.0.0.1:0", SECRETS, options);
  ends.push(() => listener.close());
  const client = await HostileClient.authenticated(listener.address, SECRETS, "client");
  ends.push(() => client[Symbol.dispose]());
  return { clock, stats, client, began: began.promise, finish: gate.resolve };
}

test("a peer whose request waits for a slow disk is not blamed for it", async () => {
  const { clock, stats, client, began, finish } = await slowServer();
  client.send(frameBytes({ opcode: 16, requestId: 5 }));
  await began;
  for (let looks = 0; looks < 30; looks++) clock.advance(10_000);
  finish();
  expect((await client.answer(5))?.meta).toBe("done");
  expect(stats.refused.get("TIMEOUT")).toBe(0);
});

test("a peer that asks on and on and takes no answer is dropped", async () => {
  const { clock, stats, client, began, finish } = await slowServer();
  client.stopReading();
  for (let requestId = 2; requestId < 40; requestId++) client.send(frameBytes({ opcode: 16, requestId }));
  await began;
  finish();
  const answered = (): number => [...stats.byOperation()][0]![1].seconds.count;
  // Until the kernel takes no more and the answers wait here.
  let before = -1;
  while (before !== answered()) {
    before = answered();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(before).toBeLessThan(38);
  for (let looks = 0; looks < 3; looks++) clock.advance(10_000);
  expect(stats.refused.get("TIMEOUT")).toBe(1);
  expect(stats.peers).toBe(0);
});

test("a peer that asked for little and takes no answer is dropped too: what it does not take others wait for", async () => {
  const { clock, stats, client, began, finish } = await slowServer({
    inFlightMax: 256,
    queuedBytesMax: 1 << 30,
  });
  client.stopReading();
  for (let requestId = 2; requestId < 40; requestId++) client.send(frameBytes({ opcode: 16, requestId }));
  await began;
  finish();
  const answered = (): number => [...stats.byOperation()][0]?.[1].seconds.count ?? 0;
  while (answered() < 38) await new Promise((resolve) => setImmediate(resolve));
  for (let looks = 0; looks < 3; looks++) clock.advance(10_000);
  expect(stats.refused.get("TIMEOUT")).toBe(1);
});
