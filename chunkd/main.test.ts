import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../std/config.ts";
import { main } from "./main.ts";
import { type AppendResponse, ChunkOp, type LeasedReplica } from "./protocol/messages.ts";
import { decodeRecordHead } from "./protocol/record.ts";
import {
  append,
  connectAs,
  grant,
  SECRETS,
  type TemporaryDirectory,
  temporaryDirectory,
} from "./testing/cluster.ts";
import { ListeningMaster } from "./testing/listening-master.ts";

const START = `import { main } from ${JSON.stringify(join(import.meta.dir, "main.ts"))};
  await main(process.argv.slice(1), process.env);`;

let directory: TemporaryDirectory;
let master: ListeningMaster;
const started: Bun.Subprocess[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
  await writeFile(join(directory.path, "cluster.json"), JSON.stringify(SECRETS));
  master = new ListeningMaster();
  // The writer's capabilities are dated by this machine's clock, which stands for the master's.
  master.now = Date.now();
  await master.listen();
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  await master.close();
  await directory[Symbol.asyncDispose]();
});

function spawn(name: string, environment: Record<string, string> = {}) {
  const flags = ["--dir", join(directory.path, name), "--id", name, "--master", master.address];
  const child = Bun.spawn(
    [process.execPath, "-e", START, "--", ...flags, "--cluster", join(directory.path, "cluster.json")],
    { stdin: "pipe", stdout: "pipe", stderr: "pipe", env: { ...process.env, ...environment } },
  );
  started.push(child);
  return child;
}

/** Waits for the ready line. */
async function ready(child: ReturnType<typeof spawn>): Promise<LeasedReplica> {
  let output = "";
  for await (const bytes of child.stdout) {
    output += Buffer.from(bytes).toString();
    if (output.includes("\n")) break;
  }
  const { event, id, address, incarnation } = JSON.parse(output) as { event: string } & LeasedReplica;
  expect(event).toBe("ready");
  return { id, address, incarnation };
}

test("appends that were answered are there after kill -9 of all three chunkservers", async () => {
  const names = ["c0", "c1", "c2"];
  const children = names.map((name) => spawn(name));
  const replicas = await Promise.all(children.map(ready));
  const writer = await connectAs(replicas[0]!.address, "client");
  const lease = grant(1, replicas);
  const answered: { answer: AppendResponse; payload: Buffer }[] = [];
  const write = async (payload: Buffer): Promise<void> => {
    answered.push({ answer: await append(writer, lease, payload), payload });
    if (answered.length === 200) for (const child of children) child.kill("SIGKILL");
  };
  const sequence = Array.from({ length: 2_000 }, (_, i) => Buffer.from(`payload ${i}`));
  await Promise.allSettled(sequence.map(write));
  expect(answered.length).toBeGreaterThanOrEqual(200);
  await Promise.all(children.map(({ exited }) => exited));

  const again = await Promise.all(names.map((name) => ready(spawn(name))));
  const readers = await Promise.all(again.map(({ address }) => connectAs(address, "client")));
  for (const { answer, payload } of answered) {
    const { offset } = answer;
    const request = { handle: 1, offset, firstBlock: 0, blockCount: 1 };
    for (const id of answer.prepared) {
      const { body } = await readers[names.indexOf(id)]!.call(ChunkOp.read, request);
      const head = decodeRecordHead(body, 1, offset);
      expect(head).toMatchObject({ crc: Buffer.from(answer.recordCrcs).readUInt32LE() });
      expect(body.subarray(-payload.length).equals(payload)).toBe(true);
    }
  }
  for (const reader of readers) reader.close();
});

test("a second process on the same directory ends at once and says why", async () => {
  await ready(spawn("c0"));
  const second = spawn("c0");
  expect(await second.exited).not.toBe(0);
  expect(await new Response(second.stderr).text()).toContain("is in use by another chunkserver");
});

test("SIGTERM stops it cleanly, and the directory is free", async () => {
  const child = spawn("c0");
  await ready(child);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect((await ready(spawn("c0"))).id).toBe("c0");
});

test("a supervised one stops when its supervisor is gone", async () => {
  const child = spawn("c0", { SKERRY_SUPERVISED: "1" });
  await ready(child);
  child.stdin.end();
  expect(await child.exited).toBe(0);
});

test.each([
  [["--master", "localhost:1", "--cluster", "x"], "--dir"],
  [["--dir", "d", "--master", "nowhere", "--cluster", "x"], "--master"],
  [["--dir", "d", "--master", "localhost:1", "--cluster", "x", "more"], '"more"'],
  [["--dir", "d", "--master", "localhost:1", "--cluster", "/nonexistent"], "/nonexistent cannot be read"],
])("%p is wrong usage, and the message names it", async (argv, name) => {
  const running = main(argv, {});
  await expect(running).rejects.toThrow(UsageError);
  await expect(running).rejects.toThrow(name);
});
