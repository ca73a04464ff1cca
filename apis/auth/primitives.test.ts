import { expect, test } from "bun:test";
import { systemRandom } from "../../std/random.ts";
import { randomText } from "./access-keys.ts";
import { BoundedMap } from "./bounded-map.ts";
import { AuthError } from "./errors.ts";
import { Gate } from "./gate.ts";
import { RateLimit } from "./rate-limit.ts";
import { SealError, SealedBox } from "./sealed-box.ts";
import { sourceNetwork } from "./source-network.ts";
import { AheadClock } from "./test-auth.ts";

const box = new SealedBox(systemRandom.bytes(32), systemRandom);

test("a sealed secret opens for its context and does not contain the secret", () => {
  const sealed = box.seal(Buffer.from("the secret of the key"), "access-key:A");
  expect(sealed.includes("secret")).toBe(false);
  expect(box.open(sealed, "access-key:A").toString()).toBe("the secret of the key");
  expect(box.open(box.seal(Buffer.alloc(0), "empty"), "empty")).toHaveLength(0);
});

test("a sealed box opens neither for another context, nor with another key, nor with any bit changed", () => {
  const sealed = box.seal(Buffer.from("secret"), "access-key:A");
  const other = new SealedBox(systemRandom.bytes(32), systemRandom);
  expect(() => box.open(sealed, "access-key:B")).toThrow(SealError);
  expect(() => other.open(sealed, "access-key:A")).toThrow(SealError);
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const altered = Buffer.from(sealed);
    altered[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => box.open(altered, "access-key:A")).toThrow(SealError);
  }
  for (let size = 0; size < sealed.length; size++) {
    expect(() => box.open(sealed.subarray(0, size), "access-key:A")).toThrow(SealError);
  }
});

test("the same secret sealed twice gives two boxes", () => {
  const seal = () => box.seal(Buffer.from("secret"), "x").toString("hex");
  expect(seal()).not.toBe(seal());
});

test("E21: random text has every character equally often", () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const length = 360_000;
  const counts = new Map<string, number>();
  for (const letter of randomText(systemRandom, alphabet, length)) {
    counts.set(letter, (counts.get(letter) ?? 0) + 1);
  }
  // Expected 10,000 each with a deviation of 99; modulo bias would give the first four 14 % more.
  expect(counts.size).toBe(36);
  for (const count of counts.values()) expect(Math.abs(count - length / 36)).toBeLessThan(600);
});

test("a bounded map forgets what was not used for longest", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  expect(map.get("a")).toBe(1);
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([1, undefined, 3, 2]);
});

test("a rate limit gives its burst, refills with time, gives back, and keeps keys apart", () => {
  const clock = new AheadClock();
  clock.monotonic = () => clock.aheadMs;
  const limit = new RateLimit(clock, { burst: 2, refillMs: 1_000, keysMax: 10 });
  expect([limit.take("a"), limit.take("a"), limit.take("a")]).toEqual([0, 0, 1_000]);
  expect(limit.take("b")).toBe(0);
  clock.aheadMs = 400;
  expect(limit.take("a")).toBe(600);
  clock.aheadMs = 1_000;
  expect([limit.take("a"), limit.take("a")]).toEqual([0, 1_000]);
  limit.giveBack("a");
  expect(limit.take("a")).toBe(0);
});

test("a rate limit remembers a bounded number of keys", () => {
  const clock = new AheadClock();
  clock.monotonic = () => 0;
  const limit = new RateLimit(clock, { burst: 1, refillMs: 1_000, keysMax: 2 });
  expect([limit.take("a"), limit.take("b"), limit.take("b")]).toEqual([0, 0, 1_000]);
  limit.take("c");
  expect(limit.take("a")).toBe(0);
});

test("a gate runs so many at a time, in order, and refuses what cannot wait", async () => {
  const gate = new Gate(1, 1);
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const task = (name: string, until?: Promise<void>) => async () => {
    order.push(name);
    await until;
  };
  const running = gate.run(task("first", first.promise));
  const waiting = gate.run(task("second"));
  const refused = gate.run(task("third"));
  await expect(refused).rejects.toBeInstanceOf(AuthError);
  await expect(refused).rejects.toMatchObject({ code: "busy", status: 503 });
  first.resolve();
  await Promise.all([running, waiting]);
  expect(order).toEqual(["first", "second"]);
});

test("a gate lets the next one in after a task that failed", async () => {
  const gate = new Gate(1, 1);
  const failing = gate.run(() => Promise.reject(new Error("no")));
  const next = gate.run(async () => "done");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("done");
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["unknown", "unknown"],
])("attempts from %s are counted for %s", (address, network) => {
  expect(sourceNetwork(address)).toBe(network);
});
