import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { hashEntry, NO_HASH, type Position, Seal } from "./encoding.ts";
import { type Entry, entryOf } from "./entry.ts";
import { event } from "./test-audit.ts";

const START: Position = { sequence: 0, hash: NO_HASH };
const ENTRY = entryOf(event({ code: "c", details: { changed: ["name"] } }), 1_800_000_000_000, 3);

test("the hash is SHA-256 over the bytes that FORMAT.md tells", () => {
  const texts = [
    ...[
      "user",
      "u1",
      "alice",
      "session:s1",
      "auth:CreateUser",
      "arn:skerry:auth::u2:user/u2",
      "allowed",
      "c",
    ],
    ...["192.0.2.1", "test", "r1", '{"changed":["name"]}'],
  ];
  const number = (value: number) => value.toString(16).padStart(16, "0");
  const fixed = `01${"00".repeat(32)}${number(1)}${number(1_800_000_000_000)}${number(3)}`;
  const sized = texts.map((text) => {
    const bytes = Buffer.from(text);
    return bytes.length.toString(16).padStart(8, "0") + bytes.toString("hex");
  });
  const expected = createHash("sha256")
    .update(Buffer.from(fixed + sized.join(""), "hex"))
    .digest("hex");
  expect(hashEntry(ENTRY, START).toString("hex")).toBe(expected);
  expect(expected).toBe("5bb0150bd9ef81cd7189532c1d80e284174ee7bacc2aa9b6b73897e26515d4e2");
});

test("every field, the place and the entry before change the hash", () => {
  const variants: Buffer[] = [
    hashEntry(ENTRY, START),
    hashEntry(ENTRY, { ...START, sequence: 1 }),
    hashEntry(ENTRY, { ...START, hash: Buffer.alloc(32, 1) }),
    // A text that moves into the next field.
    hashEntry({ ...ENTRY, actorId: "u1alice", actorName: "" }, START),
  ];
  for (const [name, value] of Object.entries(ENTRY)) {
    const other = typeof value === "number" ? value + 1 : `${value}x`;
    variants.push(hashEntry({ ...ENTRY, [name]: other } as Entry, START));
  }
  expect(variants.length).toBe(4 + 14);
  expect(new Set(variants.map((hash) => hash.toString("hex"))).size).toBe(variants.length);
});

test("a seal holds for what it was made for alone", () => {
  const seal = new Seal("secret");
  const at = { sequence: 7, hash: Buffer.alloc(32, 7) };
  const made = seal.of("head", at);
  expect(seal.holds(made, "head", at)).toBe(true);
  expect(seal.holds(made, "checkpoint", at)).toBe(false);
  expect(seal.holds(made, "head", { ...at, sequence: 8 })).toBe(false);
  expect(seal.holds(made, "head", { ...at, hash: NO_HASH })).toBe(false);
  expect(seal.holds(made.subarray(1), "head", at)).toBe(false);
  expect(new Seal("other").holds(made, "head", at)).toBe(false);
});

test("texts are kept printable and within their limits", () => {
  const hostile = "a\u0000b\r\n\u001b[31m\u202ec\ud800";
  const entry = entryOf(
    event({ userAgent: hostile, resource: "é".repeat(2_000), details: { what: hostile, half: "\ud800" } }),
    0,
  );
  expect(entry.userAgent).toBe("a%00b%0D%0A%1B[31m%E2%80%AEc\ufffd");
  expect(entry.resource).toBe("é".repeat(600));
  expect(JSON.parse(entry.details)).toEqual({ what: expect.stringContaining("%E2%80%AE"), half: "\ud800" });
  expect(entry.details).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(entryOf(event({ details: { many: "x".repeat(3_000) } }), 0).details).toBe('{"cut":true}');
  const nobody = entryOf(
    { actor: { kind: "anonymous" }, action: "s3:GetObject", resource: "", outcome: "refused" },
    0,
  );
  expect([nobody.actorId, nobody.credential, nobody.requestId, nobody.details]).toEqual(["", "", "", "{}"]);
});
