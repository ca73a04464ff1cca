import { expect, test } from "bun:test";
import type { AuditEvent, Entry } from "./entry.ts";
import { ENTRIES_MAX, RefusalFolding, SOURCE_ENTRIES_MAX, WINDOW_MS } from "./refusal-folding.ts";
import { event, SetClock } from "./test-audit.ts";

function setUp() {
  const clock = new SetClock();
  const written: Entry[] = [];
  const folding = new RefusalFolding(clock, (entry) => written.push(entry));
  const refuse = (more: Partial<AuditEvent> = {}) =>
    folding.add(event({ outcome: "refused", code: "forbidden", ...more }));
  return { clock, written, refuse };
}

test("equal refusals within a minute are one entry and one count", () => {
  const { clock, written, refuse } = setUp();
  const start = clock.now();
  for (let n = 0; n < 1_000; n++) {
    refuse({ requestId: `r${n}` });
    clock.forward(10);
  }
  expect(written.map(({ count, requestId }) => [count, requestId])).toEqual([[1, "r0"]]);
  clock.forward(WINDOW_MS);
  expect(written.length).toBe(2);
  expect(written[1]).toMatchObject({
    count: 999,
    action: "auth:CreateUser",
    source: "192.0.2.1",
    code: "forbidden",
  });
  expect(JSON.parse(written[1]!.details)).toEqual({
    folded: 999,
    first: new Date(start).toISOString(),
    last: new Date(start + 9_990).toISOString(),
  });
  refuse();
  expect(written.length).toBe(3);
});

test("one refusal leaves no count behind it", () => {
  const { clock, written, refuse } = setUp();
  refuse();
  clock.forward(2 * WINDOW_MS);
  expect(written.length).toBe(1);
});

test("refusals that differ are kept apart", () => {
  const { written, refuse } = setUp();
  const different: Partial<AuditEvent>[] = [
    {},
    { actor: { kind: "user", id: "u2" } },
    { actor: { kind: "user", id: "u1", credential: "key:k" } },
    { action: "auth:DeleteUser" },
    { resource: "arn:skerry:auth::u3:user/u3" },
    { outcome: "failed" },
    { code: "last_admin" },
    { source: "192.0.2.2" },
  ];
  for (const more of different) refuse(more);
  for (const more of different) refuse(more);
  expect(written.length).toBe(different.length);
});

test("a source that varies what is refused gets so many entries a minute, and all others are counted", () => {
  const { clock, written, refuse } = setUp();
  for (let n = 0; n < 10_000; n++) refuse({ resource: `arn:aws:s3:::b/${n}` });
  refuse({ source: "192.0.2.2" });
  expect(written.length).toBe(SOURCE_ENTRIES_MAX + 1);
  clock.forward(WINDOW_MS);
  expect(written.length).toBe(SOURCE_ENTRIES_MAX + 2);
  expect(written.at(-1)).toMatchObject({
    action: "audit:RefusalsFolded",
    source: "192.0.2.1",
    count: 10_000 - SOURCE_ENTRIES_MAX,
  });
});

test("strangers from many places cannot crowd out those who are known", () => {
  const { clock, written, refuse } = setUp();
  const strangers = 10 * ENTRIES_MAX;
  for (let n = 0; n < strangers; n++) {
    refuse({ actor: { kind: "anonymous" }, source: `10.0.${n >> 8}.${n & 255}` });
  }
  expect(written.length).toBe(ENTRIES_MAX);
  refuse();
  expect(written.at(-1)!.actorId).toBe("u1");
  clock.forward(WINDOW_MS);
  expect(written.length).toBe(ENTRIES_MAX + 2);
  expect(written.at(-1)).toMatchObject({
    action: "audit:RefusalsFolded",
    source: "",
    count: strangers - ENTRIES_MAX,
  });
});
