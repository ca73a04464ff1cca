import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Listener, Net } from "../../std/net.ts";
import { systemNet } from "../../std/net.ts";
import type { Connection, Handler } from "../protocol/connection.ts";
import { serve } from "../protocol/serve.ts";
import { ConnectionPool } from "./pool.ts";
import { ManualClock, turn, until } from "./testing/clocks.ts";
import { environment, SECRETS } from "./testing/test-cluster.ts";

const LIMITS = { metaSizeMax: 4096, bodySizeMax: 4096 };
const OP = 20;

let listener: Listener;
let accepted: Connection[];
let handler: Handler;
let dials: number;
const opened: { close(): unknown }[] = [];

beforeEach(async () => {
  accepted = [];
  dials = 0;
  handler = (_opcode, meta) => ({ meta });
  listener = await serve(environment(), "127.0.0.1:0", SECRETS, {
    limits: LIMITS,
    handler: (...call) => handler(...call),
    onConnection: (connection) => void accepted.push(connection),
  });
  opened.push(listener);
});
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
});

function start(clock = new ManualClock()) {
  const net: Net = {
    ...systemNet,
    connect(address, handlers) {
      dials++;
      return systemNet.connect(address, handlers);
    },
  };
  const pool = new ConnectionPool({ ...environment(clock), net }, SECRETS, "test");
  opened.push(pool);
  return { pool, clock };
}

function codeOfCall(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "answered",
    (error) => error.code,
  );
}

describe("connection pool", () => {
  test("many callers share one dial and one connection", async () => {
    const { pool } = start();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => pool.call(listener.address, OP, i)),
    );
    expect(answers.map(({ meta }) => meta)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(dials).toBe(1);
  });

  test("calls arrive in the order they were made", async () => {
    const { pool } = start();
    const arrived: unknown[] = [];
    handler = (_opcode, meta) => {
      arrived.push(meta);
      return { meta };
    };
    const calls = Array.from({ length: 100 }, (_, i) =>
      pool.call(listener.address, OP, i, Buffer.alloc(i * 40)),
    );
    await Promise.all(calls);
    expect(arrived).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test("a broken connection is made again, and its calls in flight are told", async () => {
    const { pool } = start();
    handler = () => new Promise(() => {});
    const lost = codeOfCall(pool.call(listener.address, OP, 1));
    await until(() => accepted.length === 1);
    await until(() => accepted[0]!.peer !== undefined && pool.callsInFlight(listener.address) === 1);
    accepted[0]!.close();
    expect(await lost).toBe("DISCONNECTED");
    expect(pool.isSuspect(listener.address)).toBe(true);
    handler = (_opcode, meta) => ({ meta });
    expect((await pool.call(listener.address, OP, 2)).meta).toBe(2);
    expect(dials).toBe(2);
    expect(pool.isSuspect(listener.address)).toBe(false);
  });

  test("a call without an answer in time sends later calls over a new connection", async () => {
    const { pool, clock } = start();
    handler = (_opcode, meta) => (meta === "hang" ? new Promise(() => {}) : { meta });
    await pool.call(listener.address, OP, "warm");
    const hanging = codeOfCall(pool.call(listener.address, OP, "hang", undefined, 1_000));
    await clock.advance(1_000);
    expect(await hanging).toBe("TIMEOUT");
    expect((await pool.call(listener.address, OP, "next")).meta).toBe("next");
    expect(dials).toBe(2);
    await until(() => accepted[0]!.closed);
  });

  test("an address where nobody listens fails at once and is suspect for five seconds", async () => {
    const { pool, clock } = start();
    await listener.close();
    expect(await codeOfCall(pool.call(listener.address, OP, 1))).toBe("ECONNREFUSED");
    await clock.advance(4_999);
    expect(pool.isSuspect(listener.address)).toBe(true);
    await clock.advance(1);
    expect(pool.isSuspect(listener.address)).toBe(false);
  });

  test("an address that swallows packets fails after three seconds", async () => {
    const clock = new ManualClock();
    const net: Net = { ...systemNet, connect: () => new Promise(() => {}) };
    const pool = new ConnectionPool({ ...environment(clock), net }, SECRETS, "test");
    const call = codeOfCall(pool.call("192.0.2.1:1", OP, 1));
    await clock.advance(3_000);
    expect(await call).toBe("TIMEOUT");
  });

  test("an idle connection is closed, one in use is not", async () => {
    const { pool, clock } = start();
    handler = (_opcode, meta) => (meta === "hang" ? new Promise(() => {}) : { meta });
    await pool.call(listener.address, OP, 1);
    const hanging = codeOfCall(pool.call(listener.address, OP, "hang", undefined, 1_000_000));
    await clock.advance(180_000);
    await turn();
    expect(accepted[0]!.closed).toBe(false);
    accepted[0]!.close();
    await hanging;

    await pool.call(listener.address, OP, 2);
    await clock.advance(180_000);
    await until(() => accepted[1]!.closed);
  });

  test("after close every call is refused", async () => {
    const { pool } = start();
    await pool.call(listener.address, OP, 1);
    pool.close();
    expect(await codeOfCall(pool.call(listener.address, OP, 2))).toBe("DISCONNECTED");
    await until(() => accepted[0]!.closed);
  });
});
