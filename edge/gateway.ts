import type { Apis } from "../apis/serve.ts";
import type { Clock } from "../std/clock.ts";
import type { Log } from "../std/log.ts";
import type { Random } from "../std/random.ts";
import { Health } from "./health.ts";
import type { AccessLog } from "./http/access-log.ts";
import { loggedS3 } from "./http/logged-s3.ts";
import type { StaticSite } from "./http/static-site.ts";
import { listenHttps } from "./listeners/https.ts";
import type { Listener } from "./listeners/listener.ts";
import { listenRedirect } from "./listeners/redirect.ts";
import { listenS3Port } from "./listeners/s3.ts";

export interface GatewayOptions {
  host: string;
  httpsPort: number;
  httpPort: number;
  s3Port: number;
  domain: string;
  tls: { cert: string; key: string };
  site: StaticSite | undefined;
  accessLog: AccessLog;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface Gateway {
  /** The ports that were really taken. */
  ports: { httpsPort: number; httpPort: number; s3Port: number };
  /** Answers 503 to health checks, ends the requests under way within `graceMs`, and stops listening. */
  stop(graceMs: number): Promise<void>;
}

/** Listens for HTTPS, HTTP and S3 in front of `apis`. Rejects with Node's error (EADDRINUSE), listening on nothing. */
export async function startGateway(apis: Apis, options: GatewayOptions): Promise<Gateway> {
  const { host, clock, accessLog } = options;
  const health = new Health(clock, () => apis.problems());
  const listeners: Listener[] = [];
  const stop = async (graceMs: number): Promise<void> => {
    health.drain();
    await Promise.all(listeners.map((listener) => listener.stop(graceMs)));
    accessLog.flush();
  };
  try {
    const https = listenHttps({ ...options, port: options.httpsPort, apis, health });
    listeners.push(https);
    const http = listenRedirect({ host, port: options.httpPort, httpsPort: https.port, health });
    listeners.push(http);
    const s3 = await listenS3Port(loggedS3(apis.s3, "s3", accessLog, clock), {
      ...options,
      port: options.s3Port,
      virtualHostSuffix: `storage.${options.domain}`,
      health,
    });
    listeners.push(s3);
    return { ports: { httpsPort: https.port, httpPort: http.port, s3Port: s3.port }, stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}
