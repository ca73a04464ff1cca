import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "../../std/clock.ts";
import { type Listener, type Socket, systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { type Connection, dial, type Handler } from "./connection.ts";
import { RemoteError } from "./errors.ts";
import type { ClusterSecrets } from "./handshake.ts";
import { serve } from "./serve.ts";

const env = { clock: systemClock, net: systemNet, random: systemRandom };
const secrets: ClusterSecrets = { clusterId: "a".repeat(32), clusterSecret: "s1", controlSecret: "s2" };
const limits = { metaSizeMax: 1 << 20, bodySizeMax: 2 << 20 };
const self = { role: "client", id: "test" } as const;

const opened: (Connection | Listener)[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
});

const echo: Handler = (opcode, meta, body) => {
  if (opcode === 99) throw new RemoteError("NO_SUCH_CHUNK", "gone", { handle: 7 });
  return { meta, body };
};

async function start(handler: Handler = echo, theirs = secrets): Promise<Listener> {
  const listener = await serve(env, "127.0.0.1:0", theirs, { limits, handler });
  opened.push(listener);
  return listener;
}

async function connect(
  listener: Listener,
  ours = secrets,
  as: typeof self | { role: "master"; id: string } = self,
) {
  const connection = await dial(env, { address: listener.address, role: "chunkserver" }, ours, as, {
    limits,
  });
  opened.push(connection);
  return connection;
}

describe("connection", () => {
  test("answers many calls in flight, small and large, each with its own answer", async () => {
    const connection = await connect(await start());
    const calls = Array.from({ length: 300 }, (_, i) =>
      connection.call(20, { i }, Buffer.alloc(i % 7 === 0 ? 1 << 20 : i, i)),
    );
    const replies = await Promise.all(calls);
    for (const [i, { meta, body }] of replies.entries()) {
      expect(meta).toEqual({ i });
      expect(body.length).toBe(i % 7 === 0 ? 1 << 20 : i);
      expect(body.every((byte) => byte === i % 256)).toBe(true);
    }
  });

  test("gives binary meta as bytes of its own, not as a view of all that the socket brought", async () => {
    const connection = await connect(await start());
    const { meta } = await connection.call(20, { capability: Buffer.alloc(32, 7) });
    const { capability } = meta as { capability: Uint8Array };
    expect([...capability]).toEqual([...Buffer.alloc(32, 7)]);
    expect(capability.buffer.byteLength).toBe(32);
  });

  test("packs small metas as before behind one that was large", async () => {
    const connection = await connect(await start());
    const large = "x".repeat(300_000);
    const metas = [{ i: 1 }, large, { i: 2 }, large, undefined];
    const replies = await Promise.all(metas.map((meta) => connection.call(20, meta)));
    expect(replies.map(({ meta }) => meta)).toEqual(metas);
  });

  test("hands a handler's error to the caller with its code and detail", async () => {
    const connection = await connect(await start());
    const error = await connection.call(99, {}).catch((e) => e);
    expect(error).toBeInstanceOf(RemoteError);
    expect({ code: error.code, message: error.message, detail: error.detail }).toEqual({
      code: "NO_SUCH_CHUNK",
      message: "gone",
      detail: { handle: 7 },
    });
  });

  test("S15: refuses a wrong secret, another cluster, and a role whose key the caller lacks", async () => {
    const listener = await start();
    const code = (promise: Promise<unknown>) =>
      promise.then(
        () => "connected",
        (e) => e.code,
      );
    expect(await code(connect(listener, { ...secrets, clusterSecret: "wrong" }))).toBe("UNAUTHENTICATED");
    expect(await code(connect(listener, { ...secrets, clusterId: "b".repeat(32) }))).toBe("UNAUTHENTICATED");
    expect(
      await code(connect(listener, { ...secrets, controlSecret: "x" }, { role: "master", id: "m" })),
    ).toBe("UNAUTHENTICATED");
  });

  test("refuses a server that cannot prove the secret", async () => {
    // A server that lets anybody in still has to answer with a proof of its own.
    const listener = await start(echo, { ...secrets, clusterSecret: "other" });
    const error = await connect(listener).catch((e) => e);
    expect(error.code).toBe("UNAUTHENTICATED");
  });

  test("rejects calls in flight when the peer goes away", async () => {
    const listener = await start(() => new Promise(() => {}));
    const connection = await connect(listener);
    const call = connection.call(20, {}).catch((e) => e.code);
    await listener.close();
    expect(await call).toBe("DISCONNECTED");
    expect(await connection.call(20, {}).catch((e) => e.code)).toBe("DISCONNECTED");
  });

  test("times a call out", async () => {
    const connection = await connect(await start(() => new Promise(() => {})));
    expect(await connection.call(20, {}, undefined, 1).catch((e) => e.code)).toBe("TIMEOUT");
  });

  test("drops bytes that are no frame, before and after the handshake", async () => {
    const listener = await start();
    for (const bytes of [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n        "), Buffer.alloc(64, 0xff)]) {
      const closed = Promise.withResolvers<void>();
      const socket = await systemNet.connect(listener.address, {
        onData: () => {},
        onDrain: () => {},
        onClose: () => closed.resolve(),
      });
      socket.write([bytes]);
      await closed.promise;
    }
    const connection = await connect(listener);
    expect((await connection.call(20, "still here")).meta).toBe("still here");
  });

  test("gives up on an address that answers nothing, and drops a socket that comes too late", async () => {
    const clock = new ManualClock();
    const coming = Promise.withResolvers<Socket>();
    let destroyed = 0;
    const net = { ...systemNet, connect: () => coming.promise };
    const dialing = dial({ ...env, clock, net }, { address: "10.0.0.1:1", role: "master" }, secrets, self, {
      limits,
    });
    const code = dialing.catch((error) => error.code);
    clock.advance(3_000);
    expect(await code).toBe("TIMEOUT");
    coming.resolve({ destroy: () => destroyed++ } as unknown as Socket);
    await coming.promise;
    expect(destroyed).toBe(1);
  });

  test("lets a peer in however many connections prove nothing", async () => {
    const listener = await start();
    const first = Promise.withResolvers<void>();
    const sockets = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        systemNet.connect(listener.address, {
          onData: () => {},
          onDrain: () => {},
          onClose: () => i === 0 && first.resolve(),
        }),
      ),
    );
    const connection = await connect(listener);
    expect((await connection.call(20, "in")).meta).toBe("in");
    await first.promise;
    for (const socket of sockets) socket.destroy();
  });

  test("refuses more peers than it has places for, and takes them again when there is one", async () => {
    const listener = await serve(env, "127.0.0.1:0", secrets, { limits, handler: echo, connectionsMax: 1 });
    opened.push(listener);
    const present = await connect(listener);
    expect(await connect(listener).catch((error) => error.code)).toBe("OVERLOADED");
    const ended = Promise.withResolvers<void>();
    present.onClose(() => ended.resolve());
    present.close();
    await ended.promise;
    while ((await connect(listener).catch((error) => error.code)) === "OVERLOADED");
  });

  test("ends the process when a handler finds a broken invariant, instead of answering", async () => {
    const program = `
      import { assert } from ${JSON.stringify(join(import.meta.dir, "../../std/assert.ts"))};
      import { systemClock } from ${JSON.stringify(join(import.meta.dir, "../../std/clock.ts"))};
      import { systemNet } from ${JSON.stringify(join(import.meta.dir, "../../std/net.ts"))};
      import { systemRandom } from ${JSON.stringify(join(import.meta.dir, "../../std/random.ts"))};
      import { serve } from ${JSON.stringify(join(import.meta.dir, "serve.ts"))};
      const env = { clock: systemClock, net: systemNet, random: systemRandom };
      const handler = async () => assert(false, "the sky has fallen");
      const options = { limits: ${JSON.stringify(limits)}, handler };
      const listener = await serve(env, "127.0.0.1:0", ${JSON.stringify(secrets)}, options);
      console.log(listener.address);
    `;
    const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
    const { value } = await child.stdout.getReader().read();
    const address = new TextDecoder().decode(value).trim();
    const connection = await dial(env, { address, role: "chunkserver" }, secrets, self, { limits });
    expect(await connection.call(20, {}).catch((error) => error.code)).toBe("DISCONNECTED");
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toContain("the sky has fallen");
  });
});
