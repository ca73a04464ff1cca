// A refusal that is ready before the request's body was sent must reach the client whole, whoever refuses.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gatewayToken } from "../apis/gateway-trust.ts";
import { listenServices, type ServicesListener } from "../apis/listen-services.ts";
import { DROPPED_BYTES_MAX } from "../apis/request-body.ts";
import type { Apis } from "../apis/serve.ts";
import { listenS3, type S3Listener } from "../apis/storage/s3/node-http.ts";
import { systemClock } from "../std/clock.ts";
import { silentLog } from "../std/log.ts";
import { systemRandom } from "../std/random.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { AccessLog } from "./http/access-log.ts";
import { connectPool } from "./pool/pool.ts";
import { mountedFakeApis } from "./testing/fake-apis.ts";
import { loadCertificate } from "./tls/certificate-store.ts";
import { certificateNames } from "./tls/names.ts";

// Some hundred handshakes and bodies on a loaded machine.
setDefaultTimeout(120_000);

const DOMAIN = "skerry.localhost";
const ENVIRONMENT = { clock: systemClock, random: systemRandom, log: silentLog };
const TOKEN = gatewayToken("00".repeat(32));
const REFUSAL = "you may not";
/** What failed before did so in most tries; all that are made here do. */
const TRIES = 8;
const PLACES = {
  "the JSON API": { host: DOMAIN, path: "/api/storage/buckets/b/objects/key" },
  S3: { host: `storage.${DOMAIN}`, path: "/b/key" },
};
const SIZES = { "64 KiB": 64 << 10, "4 MiB": 4 << 20 };

let directory: string;
let services: ServicesListener;
let s3: S3Listener;
let pool: Apis;
const gateways = new Map<string, Gateway>();

const refusing = mountedFakeApis({
  mounted: () => new Response(REFUSAL, { status: 403 }),
  s3: async ({ target }) => ({ status: target === "/healthz" ? 200 : 403, headers: {}, body: REFUSAL }),
});

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "skerry-early-"));
  for (const [name, bytes] of Object.entries(SIZES))
    writeFileSync(join(directory, name), systemRandom.bytes(bytes));
  services = listenServices(refusing, { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0, token: TOKEN });
  s3 = await listenS3(refusing.s3, { ...ENVIRONMENT, hostname: "127.0.0.1", port: 0 });
  pool = connectPool(ENVIRONMENT, {
    urls: [`http://127.0.0.1:${services.port}`],
    s3Urls: [`http://127.0.0.1:${s3.port}`],
    token: TOKEN,
  });
  gateways.set("in this process", await gatewayBefore(refusing));
  gateways.set("in another process", await gatewayBefore(pool));
});

afterAll(async () => {
  for (const gateway of gateways.values()) await gateway.stop(0);
  await pool.close();
  await services.stop(0);
  await s3.close(0);
  rmSync(directory, { recursive: true, force: true });
});

async function gatewayBefore(apis: Apis): Promise<Gateway> {
  const names = certificateNames(DOMAIN, "127.0.0.1");
  const { certificate, key } = await loadCertificate(join(directory, "tls"), names, Date.now());
  const ports = { httpsPort: 0, httpPort: 0, s3Port: 0 };
  return startGateway(apis, {
    ...ENVIRONMENT,
    ...ports,
    host: "127.0.0.1",
    domain: DOMAIN,
    tls: { cert: certificate, key },
    site: undefined,
    accessLog: new AccessLog("none", systemClock, () => {}),
  });
}

/** What curl makes of a PUT of `file`: its exit code, the status, the body. */
async function curlPut(version: string, port: number, host: string, path: string, file: string) {
  const options = ["-sk", `--http${version}`, "-H", "Expect:", "--resolve", `${host}:${port}:127.0.0.1`];
  const answer = ["-w", "\n%{http_version} %{http_code}", "-T", join(directory, file)];
  const curl = Bun.spawn(["curl", ...options, ...answer, `https://${host}:${port}${path}`], {
    stdout: "pipe",
  });
  return `${await curl.exited} ${await new Response(curl.stdout).text()}`;
}

for (const where of ["in this process", "in another process"]) {
  for (const [api, { host, path }] of Object.entries(PLACES)) {
    for (const version of ["1.1", "2"]) {
      for (const size of Object.keys(SIZES)) {
        test.skipIf(!Bun.which("curl"))(
          `curl sees what ${api} ${where} says to ${size} over HTTP/${version}`,
          async () => {
            const port = gateways.get(where)!.ports.httpsPort;
            for (let tries = 0; tries < TRIES; tries++) {
              expect(await curlPut(version, port, host, path, size)).toBe(`0 ${REFUSAL}\n${version} 403`);
            }
          },
        );
      }
    }

    test(`a body above the limit is answered at once by ${api} ${where}`, async () => {
      const length = DROPPED_BYTES_MAX + 1;
      const session = connect(`https://127.0.0.1:${gateways.get(where)!.ports.httpsPort}`, {
        rejectUnauthorized: false,
      });
      const answered = Promise.withResolvers<string>();
      session.once("error", answered.reject);
      const put = session.request({
        ":method": "PUT",
        ":path": path,
        ":authority": host,
        "content-length": String(length),
      });
      let status: number | undefined;
      let text = "";
      put.once("response", (headers) => {
        status = headers[":status"];
      });
      put.on("data", (bytes: Buffer) => {
        text += bytes;
      });
      put.once("end", () => answered.resolve(`${status} ${text}`));
      put.once("error", answered.reject);
      // Not one byte of the body is sent.
      expect(await answered.promise).toBe(`403 ${REFUSAL}`);
      session.destroy();
    });
  }
}
