// The command line as its contract states it: first start, restart, keys, users, status, stop, and each refusal.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, ListBucketsCommand } from "@aws-sdk/client-s3";
import { portFlags, type Skerry, s3Client, skerry, startSkerry, until } from "./skerry.ts";

let cloud: Skerry;

beforeAll(async () => {
  cloud = await startSkerry();
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

function withKey(accessKeyId: string, secretAccessKey: string) {
  const { credentials } = cloud;
  return s3Client({ ...credentials, s3: { ...credentials.s3, accessKeyId, secretAccessKey } });
}

async function errorName(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: Error) => error.name,
  );
}

describe("up", () => {
  test("writes the credentials of the contract, for the owner only, and prints the secrets once", async () => {
    const path = join(cloud.directory, "credentials.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { console: web, s3, ssh, ca } = cloud.credentials;
    expect(web.url).toMatch(/^https:\/\/.+:\d+/);
    expect(Object.keys(web).sort()).toEqual(["password", "url", "user"]);
    expect(Object.keys(s3).sort()).toEqual(["accessKeyId", "endpoint", "region", "secretAccessKey"]);
    expect(Object.keys(ssh).sort()).toEqual(["host", "port"]);
    expect(existsSync(ca)).toBe(true);
    expect(cloud.output()).toMatch(/^ready https:\/\//m);
    expect(cloud.output().split(web.password).length - 1).toBe(1);
    expect(cloud.output().split(s3.secretAccessKey).length - 1).toBe(1);
  });

  test("serves the dashboard and health over HTTPS with its own CA", async () => {
    const ca = readFileSync(cloud.credentials.ca, "utf8");
    const page = await fetch(cloud.credentials.console.url, { tls: { ca } });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toContain("text/html");
    const health = await fetch(new URL("/healthz", cloud.credentials.console.url), { tls: { ca } });
    expect(health.status).toBe(200);
  });

  test("a second up on the same data directory names the one that runs, and changes nothing", async () => {
    const { code, stderr, stdout } = await skerry("up", "--data", cloud.directory, ...(await portFlags()));
    expect(code).toBe(1);
    expect(stderr + stdout).toMatch(/pid \d+/);
    expect(await errorName(cloud.client().send(new ListBucketsCommand({})))).toBe("no error");
  });

  test("a port in use is named with the flag that changes it", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    const directory = mkdtempSync(join(tmpdir(), "skerry-port-"));
    const flags = await portFlags();
    flags[flags.indexOf("--s3-port") + 1] = String(port);
    const { code, stderr, stdout } = await skerry("up", "--data", directory, ...flags);
    taken.close();
    rmSync(directory, { recursive: true, force: true });
    expect(code).toBe(1);
    expect(stderr + stdout).toContain(String(port));
    expect(stderr + stdout).toContain("--s3-port");
  });
});

describe("keys and users", () => {
  test("a created key works at once; revoked it is refused", async () => {
    await skerry("user", "add", "mia", "--data", cloud.directory);
    const made = await skerry("key", "create", "--user", "mia", "--json", "--data", cloud.directory);
    expect(made.code).toBe(0);
    const { accessKeyId, secretAccessKey } = JSON.parse(made.stdout);
    const mia = withKey(accessKeyId, secretAccessKey);
    await mia.send(new CreateBucketCommand({ Bucket: "mias-bucket" }));
    const listed = await skerry("key", "list", "--data", cloud.directory);
    expect(listed.stdout).toContain(accessKeyId);
    expect(listed.stdout).not.toContain(secretAccessKey);
    const revoked = await skerry("key", "revoke", accessKeyId, "--data", cloud.directory);
    expect(revoked.code).toBe(0);
    expect(await errorName(mia.send(new ListBucketsCommand({})))).toBe("InvalidAccessKeyId");
  });

  test("an existing pair can be imported, once", async () => {
    const words = [
      "--user",
      "admin",
      "--access-key",
      "IMPORTED1234",
      "--secret-key",
      "a-secret-of-mine-1234",
    ];
    const imported = await skerry("key", "import", ...words, "--data", cloud.directory);
    expect(imported.stderr).toBe("");
    expect(imported.code).toBe(0);
    const client = withKey("IMPORTED1234", "a-secret-of-mine-1234");
    expect(await errorName(client.send(new ListBucketsCommand({})))).toBe("no error");
    const again = await skerry("key", "import", ...words, "--data", cloud.directory);
    expect(again.code).toBe(1);
  });
});

describe("status, stop, restart", () => {
  test("status names every role with its pid", async () => {
    const names = (await cloud.roles()).map(({ name }) => name).sort();
    expect(names).toEqual(["chunkd-1", "chunkd-2", "chunkd-3", "edge", "masterd", "postgres"]);
  });

  test("a restart finds buckets and keys again, and does not print secrets", async () => {
    await cloud.client().send(new CreateBucketCommand({ Bucket: "stays" }));
    const before = cloud.output().length;
    const started = performance.now();
    expect(await cloud.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    await cloud.start();
    const { Buckets } = await cloud.client().send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toContain("stays");
    expect(cloud.output().slice(before)).not.toContain(cloud.credentials.s3.secretAccessKey);
  }, 60_000);

  test("each role that is killed comes back", async () => {
    for (const { name, pid } of await cloud.roles()) {
      process.kill(pid, "SIGKILL");
      await until(async () => {
        const role = (await cloud.roles()).find((candidate) => candidate.name === name);
        return role !== undefined && role.pid !== pid && role.pid > 0;
      });
    }
    await until(
      async () => (await errorName(cloud.client().send(new ListBucketsCommand({})))) === "no error",
    );
  }, 120_000);
});

test("a chunkserver that was removed is not waited for, and is there again once it is taken in", async () => {
  await using larger = await startSkerry("--chunkservers", "4");
  const data = ["--data", larger.directory];
  const listed = await skerry("chunkserver", "list", "--json", ...data);
  const { id } = JSON.parse(listed.stdout).servers[0];
  expect((await skerry("chunkserver", "drain", id, "--wait", ...data)).code).toBe(0);
  expect((await skerry("chunkserver", "remove", id, ...data)).code).toBe(0);
  await larger.stop();
  const before = larger.output().length;
  await larger.start();
  expect(larger.output().slice(before)).toContain("is refused: the chunkserver");
  expect(larger.output().slice(before)).toContain(`skerry chunkserver undrain ${id}`);
  const states = async () => (await larger.roles()).map(({ state }) => state).sort();
  expect((await states()).filter((state) => state !== "ready")).toEqual(["refused"]);
  expect((await skerry("chunkserver", "undrain", id, ...data)).code).toBe(0);
  await until(async () => (await states()).every((state) => state === "ready"));
}, 180_000);

describe("wrong usage", () => {
  test("exits with 2 and says what is wrong", async () => {
    for (const words of [
      ["frobnicate"],
      ["up", "--https-port", "no"],
      ["key", "explode"],
      ["up", "--nope"],
    ]) {
      const { code, stderr } = await skerry(...words);
      expect({ words, code }).toEqual({ words, code: 2 });
      expect(stderr.trim()).not.toBe("");
    }
  });

  test("help is there for each command", async () => {
    for (const words of [
      [],
      ["up"],
      ["status"],
      ["stop"],
      ["test"],
      ["key"],
      ["user"],
      ["bench"],
      ["masterd"],
    ]) {
      const { code, stdout } = await skerry(...words, "--help");
      expect({ words, code }).toEqual({ words, code: 0 });
      expect(stdout).toContain("skerry");
    }
  });

  test("status and stop without a running cloud say so and exit 1", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skerry-none-"));
    for (const command of ["status", "stop"]) {
      const { code, stderr, stdout } = await skerry(command, "--data", directory);
      expect(code).toBe(1);
      expect(stderr + stdout).toContain("not running");
    }
    rmSync(directory, { recursive: true, force: true });
  });
});
