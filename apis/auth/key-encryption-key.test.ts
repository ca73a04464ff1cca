import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AuthBench, PASSWORD, refusal } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;

beforeAll(async () => {
  bench = await AuthBench.start();
});

afterAll(() => bench.stop());

async function cloudWithKey(database: string) {
  const { auth } = await bench.open(database);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  const key = await auth.createKey("root");
  return { kekPath: `${bench.kekPath}-${database}`, key };
}

test("the first start makes a key file for its owner alone, and later ones use it", async () => {
  const { kekPath, key } = await cloudWithKey("first");
  expect((await stat(kekPath)).mode & 0o777).toBe(0o600);
  const content = await readFile(kekPath, "utf8");
  expect(content).toMatch(/^[0-9a-f]{64}\n$/);
  const again = await bench.open("first");
  expect(again.auth.find(key.accessKeyId)?.secretAccessKey).toBe(key.secretAccessKey);
  expect(await readFile(kekPath, "utf8")).toBe(content);
});

test("a missing key file is refused while there are secrets, and not replaced", async () => {
  const { kekPath } = await cloudWithKey("missing");
  await rm(kekPath);
  const opening = bench.open("missing");
  await expect(opening).rejects.toThrow(`${kekPath} is missing`);
  expect(await refusal(opening)).toBe("kek_missing");
  expect(await Bun.file(kekPath).exists()).toBe(false);
});

test("the key file of another cloud is refused", async () => {
  await cloudWithKey("mine");
  const { kekPath } = await cloudWithKey("theirs");
  expect(await refusal(bench.open("mine", { kekPath }))).toBe("kek_mismatch");
});

test("a damaged key file is refused and left as it is", async () => {
  const { kekPath } = await cloudWithKey("damaged");
  await writeFile(kekPath, "0123\n");
  expect(await refusal(bench.open("damaged"))).toBe("kek_invalid");
  expect(await readFile(kekPath, "utf8")).toBe("0123\n");
});

test("a key file that others could read is closed to them", async () => {
  const { kekPath } = await cloudWithKey("open");
  await chmod(kekPath, 0o644);
  await bench.open("open");
  expect((await stat(kekPath)).mode & 0o777).toBe(0o600);
});

test("processes that make a cloud together agree on one key", async () => {
  const kekPath = join(bench.server.directory, "auth/shared");
  const [a, b, c] = await Promise.all(["x", "x", "x"].map((database) => bench.open(database, { kekPath })));
  expect(a!.auth.jwks()).toEqual(b!.auth.jwks());
  expect(b!.auth.jwks()).toEqual(c!.auth.jwks());
  expect(c!.auth.jwks().keys).toHaveLength(1);
});
