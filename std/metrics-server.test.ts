import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metrics } from "./metrics.ts";
import { type MetricsServer, serveMetrics } from "./metrics-server.ts";
import { parseExposition, sampleValue } from "./testing/exposition.ts";

const opened: MetricsServer[] = [];
let problems: string[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
  problems = [];
});

function serve(address: string): MetricsServer {
  const metrics = new Metrics();
  metrics.gauge("a", "a", () => 7);
  const server = serveMetrics(address, { metrics, problems: () => problems });
  opened.push(server);
  return server;
}

test("serves metrics over TCP on the port that the kernel chose, and health as it is", async () => {
  const { address } = serve("127.0.0.1:0");
  expect(address).not.toEndWith(":0");
  const get = (path: string, method = "GET") => fetch(`http://${address}${path}`, { method });
  const answer = await get("/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(sampleValue(parseExposition(await answer.text()), "a")).toBe(7);
  expect((await get("/healthz")).status).toBe(200);
  problems = ["the disk failed"];
  const ill = await get("/healthz");
  expect([ill.status, await ill.text()]).toEqual([503, "the disk failed\n"]);
  expect((await get("/metrics", "DELETE")).status).toBe(405);
  expect((await get("/other")).status).toBe(404);
});

test("S10: a socket is its owner's from the first moment on, takes the place of one left behind, and goes", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "skerry-metrics-")), "role.prom");
  writeFileSync(path, "");
  const umask = process.umask();
  const server = serve(`unix:${path}`);
  expect(process.umask()).toBe(umask);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const answer = await fetch("http://role/metrics", { unix: path });
  expect(sampleValue(parseExposition(await answer.text()), "a")).toBe(7);
  await server.close();
  expect(() => statSync(path)).toThrow("ENOENT");
  rmSync(join(path, ".."), { recursive: true });
});
