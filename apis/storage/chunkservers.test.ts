import { describe, expect, test } from "bun:test";
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import { type ChunkserverMaster, createChunkserverApp } from "./chunkservers.ts";

/** A master that notes what it is asked, and answers each call with `answer`. */
function masterThat(answer: (name: string, request: unknown) => unknown) {
  const asked: [string, unknown][] = [];
  const call = (name: string) => async (request: unknown) => {
    asked.push([name, request]);
    return answer(name, request) as never;
  };
  const names = [
    "listChunkservers",
    "drainChunkserver",
    "undrainChunkserver",
    "removeChunkserver",
    "discardOrphans",
    "scrubChunkserver",
  ] as const;
  const master = Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as ChunkserverMaster;
  return { asked, app: createChunkserverApp(master) };
}

describe("the operator's calls", () => {
  test("are the master's, with ids as they are written", async () => {
    const { asked, app } = masterThat(() => ({ done: true }));
    for (const [method, path] of [
      ["GET", "/chunkservers"],
      ["POST", "/chunkservers/a%2Fb/drain"],
      ["POST", "/chunkservers/s1/undrain"],
      ["DELETE", "/chunkservers/s1"],
      ["DELETE", "/chunkservers/s1?force=true"],
      ["DELETE", "/orphans"],
      ["GET", "/chunkservers/a%2Fb/scrub"],
      ["POST", "/chunkservers/s1/scrub/now"],
      ["POST", "/chunkservers/s1/scrub/pause"],
      ["POST", "/chunkservers/s1/scrub/resume"],
    ]) {
      const response = await app.request(path!, { method });
      expect([response.status, await response.json()]).toEqual([200, { done: true }]);
    }
    expect(asked).toEqual([
      ["listChunkservers", null],
      ["drainChunkserver", { id: "a/b" }],
      ["undrainChunkserver", { id: "s1" }],
      ["removeChunkserver", { id: "s1", force: false }],
      ["removeChunkserver", { id: "s1", force: true }],
      ["discardOrphans", null],
      ["scrubChunkserver", { id: "a/b", action: "status" }],
      ["scrubChunkserver", { id: "s1", action: "now" }],
      ["scrubChunkserver", { id: "s1", action: "pause" }],
      ["scrubChunkserver", { id: "s1", action: "resume" }],
    ]);
    expect((await app.request("/chunkservers/s1/scrub/faster", { method: "POST" })).status).toBe(404);
  });

  test.each([
    [new RemoteError("NO_SUCH_SERVER", "there is none"), 404],
    [new RemoteError("SERVER_STATE", "drain it first"), 409],
    [new RemoteError("NOT_READY", "starting"), 503],
    [new ProtocolError("DISCONNECTED", "no master"), 503],
  ])("that fail with %s are answered %d", async (error, status) => {
    const { app } = masterThat(() => {
      throw error;
    });
    const response = await app.request("/chunkservers/s1/drain", { method: "POST" });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: { code: error.code, message: error.message } });
  });

  test("that are not there are 404", async () => {
    expect(
      (await masterThat(() => null).app.request("/chunkservers/s1/explode", { method: "POST" })).status,
    ).toBe(404);
  });
});
