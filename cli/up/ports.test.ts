import { expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { checkDistinct, checkFree, freePort, isFree } from "./ports.ts";

const HTTPS = { purpose: "HTTPS", flag: "--https-port" };

async function occupied(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}

test("a port in use is told with its purpose and the flag that changes it", async () => {
  const { server, port } = await occupied();
  await expect(checkFree("127.0.0.1", [{ ...HTTPS, port }])).rejects.toThrow(
    `port ${port} for HTTPS is in use on 127.0.0.1; stop what uses it, or choose another with --https-port`,
  );
  expect(await isFree("127.0.0.1", port)).toBe(false);
  await new Promise((resolve) => server.close(resolve));
  await checkFree("127.0.0.1", [{ ...HTTPS, port }]);
});

test("an address of another machine is told with --host", async () => {
  await expect(checkFree("192.0.2.1", [{ ...HTTPS, port: 0 }])).rejects.toThrow(
    "this machine has no address 192.0.2.1; choose another with --host",
  );
});

test("two flags with one port are wrong usage, two free choices are not", () => {
  const s3 = { purpose: "S3", flag: "--s3-port" };
  expect(() =>
    checkDistinct([
      { ...HTTPS, port: 9 },
      { ...s3, port: 9 },
    ]),
  ).toThrow("--https-port and --s3-port are both 9");
  checkDistinct([
    { ...HTTPS, port: 0 },
    { ...s3, port: 0 },
  ]);
});

test("a free port can be listened on", async () => {
  const port = await freePort("127.0.0.1");
  expect(port).toBeGreaterThan(1023);
  await checkFree("127.0.0.1", [{ ...HTTPS, port }]);
});
