// What the driver does when PostgreSQL dies in the middle of transactions. The driver's own release ends the process by an error
// that nobody can catch, and goes on with a lost transaction on the next connection: patches/ has what is changed in it.
import { expect, setDefaultTimeout, test } from "bun:test";
import { silentLog } from "../log.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { startTestServer } from "./test-server.ts";
import { startBusyClient } from "./testing/busy-client.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const ROUNDS = 3;

test("transactions that lose their server fail, as a whole, and nothing else does", async () => {
  const server = await startTestServer();
  let running = { url: server.url, pid: server.pid, exited: server.exited, stop: server.stop };
  const child = startBusyClient(server.url);
  const stderr = new Response(child.stderr).text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    expect((await lines.read()).value).toBe("ready\n");
    for (let round = 0; round < ROUNDS; round++) {
      await Bun.sleep(100 + 13 * round);
      process.kill(running.pid, "SIGKILL");
      await running.exited;
      running = await startEmbeddedPostgres({ directory: server.directory, log: silentLog });
    }
    child.stdin.write("stop\n");
    await child.stdin.end();
    const answer = (await lines.read()).value;
    expect([answer !== undefined, answer ? "" : await stderr]).toEqual([true, ""]);
    const { failures, first, second } = JSON.parse(answer!);
    expect(failures).toBeGreaterThanOrEqual(ROUNDS);
    expect(first).toBeGreaterThan(0);
    expect(first).toBe(second);
    expect(await child.exited).toBe(0);
  } finally {
    child.kill("SIGKILL");
    await running.stop();
    await server.remove();
  }
});
