import { expect, setDefaultTimeout, test } from "bun:test";
import { AuthError } from "../errors.ts";
import { checkPassword, Passwords } from "./passwords.ts";

// Hashing on a loaded machine.
setDefaultTimeout(60_000);

test("a password matches its own hash only, in whichever form its characters were typed", async () => {
  const passwords = await Passwords.create();
  const hash = await passwords.hash("Zürich straße");
  expect(hash).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
  expect(await passwords.matches("Zürich straße".normalize("NFD"), hash)).toBe(true);
  expect(await passwords.matches("Zurich straße", hash)).toBe(false);
  expect(await passwords.matches("", hash)).toBe(false);
});

test("S20: without a hash nothing matches, after the same work", async () => {
  const passwords = await Passwords.create();
  const hash = await passwords.hash("some password");
  const timed = async (candidate: string | undefined) => {
    const start = performance.now();
    expect(await passwords.matches("wrong password", candidate)).toBe(false);
    return performance.now() - start;
  };
  const runs = await Promise.all([timed(hash), timed(undefined)]);
  // A look-up that skipped the hash would take microseconds; the margin is for a loaded machine.
  expect(Math.min(...runs)).toBeGreaterThan(Math.max(...runs) / 10);
});

test.each([
  ["1234567", false],
  ["correct1", true],
  ["\u{1F511}\u{1F511}\u{1F511}\u{1F511}\u{1F511}\u{1F511}\u{1F511}", false],
  ["x".repeat(1024), true],
  ["x".repeat(1025), false],
  ["\u00e9".repeat(513), false],
])("the limits of a password: %#", (password, allowed) => {
  if (allowed) expect(checkPassword(password, "alice")).toBeUndefined();
  else expect(() => checkPassword(password, "alice")).toThrow(AuthError);
});

test.each(["password", "PassWord123", "12345678", "minioadmin", "qwertyuiop", "Cassandra", "\uff50assword"])(
  "S14: a password that guessing begins with is refused: %s",
  (password) => {
    expect(() => checkPassword(password, "cassandra")).toThrow("among the first that are guessed");
  },
);
