// A master as a process of its own, as the supervisor runs it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { atEnd, testDirectory } from "./test-master.ts";

export const PROCESS_SECRETS: ClusterSecrets = {
  clusterId: "0123456789abcdef0123456789abcdef",
  clusterSecret: "c1".repeat(16),
  controlSecret: "c2".repeat(16),
};

const MAIN = join(import.meta.dir, "../main.ts");
/** As the command line does it: the message alone, and exit code 2 for wrong usage. */
const RUN = `
  const { main } = await import(${JSON.stringify(MAIN)});
  await main(process.argv.slice(1), process.env).catch((error) => {
    process.stderr.write(error.message + "\\n");
    process.exit(error.name === "UsageError" ? 2 : 1);
  });
  process.exit(0);
`;

export interface MasterProcess {
  child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** What it printed when it was ready. Rejects with its log when it ends before. */
  ready: Promise<{ event: string; address: string; grpcAddress: string }>;
}

export async function clusterFile(): Promise<string> {
  const path = join(await testDirectory(), "cluster.json");
  await writeFile(path, JSON.stringify(PROCESS_SECRETS));
  return path;
}

export function runMaster(flags: string[], environment: Record<string, string> = {}): MasterProcess {
  const child = Bun.spawn([process.execPath, "-e", RUN, "--", ...flags], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...environment },
  });
  atEnd(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  const ready = firstLine(child).then((line) => JSON.parse(line));
  ready.catch(() => {}); // some tests expect it to end
  return { child, ready };
}

async function firstLine(child: MasterProcess["child"]): Promise<string> {
  let text = "";
  for await (const bytes of child.stdout) {
    text += Buffer.from(bytes).toString();
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error(`the master ended: ${await new Response(child.stderr).text()}`);
}
