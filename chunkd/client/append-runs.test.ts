import { describe, expect, test } from "bun:test";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import type { AppendRequest, AppendResponse } from "../protocol/messages.ts";
import { blockTable, CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import { placeRun, readRun } from "../protocol/record-run.ts";
import { AppendRuns, SECOND_RUN_BYTES_MIN } from "./append-runs.ts";
import type { ChunkLease } from "./leases.ts";
import type { ConnectionPool } from "./pool.ts";

const LEASE: ChunkLease = {
  handle: 7,
  version: 1,
  replicas: [
    { id: "c0", address: "unix:/c0", incarnation: 1 },
    { id: "c1", address: "unix:/c1", incarnation: 1 },
  ],
  capability: Buffer.alloc(32),
  expiresAt: 1,
  validForMs: 1,
};

interface Sent {
  payloads: string[];
  timeoutMs: number;
  answer(change?: Partial<AppendResponse>): void;
  fail(error: Error): void;
}

/** Runs whose primary is the test itself: it sees what is sent, and answers when it likes. */
function start() {
  const sent: Sent[] = [];
  const clock = { now: 0 };
  let length = CHUNK_HEADER_SIZE;
  const call = (_: string, __: number, ___: AppendRequest, body: readonly Buffer[], timeoutMs: number) => {
    const bytes = Buffer.concat(body);
    const run = readRun(bytes, { handle: 7, version: 1 });
    if (typeof run === "string") throw new Error(run);
    const ends = [...run.records.slice(1).map(({ at }) => at), bytes.length];
    const payloads = run.records.map(({ at, headSize }, i) =>
      bytes.toString("latin1", at + headSize, ends[i]),
    );
    const reply = Promise.withResolvers<{ meta: AppendResponse }>();
    sent.push({
      payloads,
      timeoutMs,
      answer(change) {
        const recordCrcs = placeRun(run, length);
        reply.resolve({
          meta: { offset: length, recordCrcs, prepared: ["c0", "c1"], dropped: [], ...change },
        });
        length += bytes.length;
      },
      fail: reply.reject,
    });
    return reply.promise;
  };
  const runs = new AppendRuns(
    () => LEASE,
    { call } as unknown as ConnectionPool,
    () => clock.now,
  );
  const append = (text: string, timeoutMs = 1_000) => {
    const payload = Buffer.from(text);
    return runs.append(payload, blockTable(payload), timeoutMs).then(
      ({ record }) => record.offset,
      (error) => error.code as string,
    );
  };
  return { sent, append, clock };
}

/** Of records this large, two make a run of their own beside another. */
const HALF_RUN = "x".repeat(SECOND_RUN_BYTES_MIN / 2);

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("appends to one chunk", () => {
  test("made in one go leave as one run, and each learns its own place", async () => {
    const { sent, append } = start();
    const offsets = ["a", "bb", "ccc"].map((text) => append(text));
    await turn();
    expect(sent.map(({ payloads }) => payloads)).toEqual([["a", "bb", "ccc"]]);
    sent[0]!.answer();
    expect(await Promise.all(offsets)).toEqual([64, 64 + 49, 64 + 49 + 50]);
  });

  test("that come while a run is under way wait for its end, and share the next", async () => {
    const { sent, append } = start();
    const first = append("1");
    await turn();
    const later = [append("2"), append("3")];
    await turn();
    later.push(append("4"));
    await turn();
    expect(sent.map(({ payloads }) => payloads)).toEqual([["1"]]);
    sent[0]!.answer();
    await turn();
    expect(sent[1]!.payloads).toEqual(["2", "3", "4"]);
    sent[1]!.answer();
    expect(new Set([await first, ...(await Promise.all(later))]).size).toBe(4);
  });

  test("leave beside another run once they are worth one of their own, but not beside two", async () => {
    const { sent, append } = start();
    const sizes = () => sent.map(({ payloads }) => payloads.length);
    void append("1");
    await turn();
    void append(HALF_RUN);
    await turn();
    expect(sizes()).toEqual([1]);
    void append(HALF_RUN);
    await turn();
    expect(sizes()).toEqual([1, 2]);
    for (let i = 0; i < 4; i++) void append(HALF_RUN);
    await turn();
    expect(sizes()).toEqual([1, 2]);
    sent[0]!.answer();
    await turn();
    expect(sizes()).toEqual([1, 2, 4]);
  });

  test("of a large record go at once and alone", async () => {
    const { sent, append } = start();
    void append("1");
    void append("x".repeat(100_000));
    void append("2");
    await turn();
    expect(sent.map(({ payloads }) => payloads.map(({ length }) => length))).toEqual([[100_000], [1, 1]]);
  });

  test("are cut into runs of bounded size and number", async () => {
    const { sent, append } = start();
    for (let i = 0; i < 300; i++) void append("x");
    await turn();
    expect(sent.map(({ payloads }) => payloads.length)).toEqual([128]);
    sent[0]!.answer();
    await turn();
    sent[1]!.answer();
    await turn();
    expect(sent[2]!.payloads).toHaveLength(44);
    const wide = start();
    for (let i = 0; i < 10; i++) void wide.append("x".repeat(60_000));
    await turn();
    expect(wide.sent[0]!.payloads).toHaveLength(8);
  });

  test("fail together when the connection is lost under their run, and those that wait are refused unsent", async () => {
    const { sent, append } = start();
    const carried = [append("1"), append("2")];
    await turn();
    const second = [append(HALF_RUN), append(HALF_RUN)];
    await turn();
    const waiting = [append("4"), append("5")];
    await turn();
    sent[0]!.fail(new ProtocolError("DISCONNECTED", "scripted"));
    expect(await Promise.all(carried)).toEqual(["DISCONNECTED", "DISCONNECTED"]);
    expect(await Promise.all(waiting)).toEqual(["NOT_OPEN", "NOT_OPEN"]);
    sent[1]!.answer();
    expect((await Promise.all(second))[0]).toBe(64);
    expect(sent).toHaveLength(2);
    void append("6");
    await turn();
    expect(sent[2]!.payloads).toEqual(["6"]);
  });

  test("go on after a primary that was only busy", async () => {
    const { sent, append } = start();
    const refused = append("1");
    await turn();
    const waiting = append("2");
    sent[0]!.fail(new RemoteError("OVERLOADED", "scripted"));
    expect(await refused).toBe("OVERLOADED");
    await turn();
    expect(sent[1]!.payloads).toEqual(["2"]);
    sent[1]!.answer();
    expect(await waiting).toBe(64);
  });

  test("are not believed when the answer is about other bytes, or about another number of records", async () => {
    for (const [change, code] of [
      [{ recordCrcs: Buffer.alloc(8, 1) }, "CHECKSUM"],
      [{ recordCrcs: Buffer.alloc(4) }, "BAD_FRAME"],
      [{ offset: 63 }, "BAD_FRAME"],
      [{ offset: 65 }, "CHECKSUM"],
    ] as const) {
      const { sent, append } = start();
      const both = [append("1"), append("2")];
      await turn();
      sent[0]!.answer(change);
      expect(await Promise.all(both)).toEqual([code, code]);
    }
  });

  test("have the time of the last in their run", async () => {
    const { sent, append, clock } = start();
    void append("1");
    await turn();
    void append("2", 100);
    clock.now = 50;
    void append("3", 500);
    sent[0]!.answer();
    await turn();
    clock.now = 60;
    expect(sent[1]!.timeoutMs).toBe(500);
  });
});
