// The dashboard with the real auth service and audit log behind it, on a real PostgreSQL and over TLS, which session
// cookies and passkeys need.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Hono } from "hono";
import { createAuditApp } from "../../apis/audit/app.ts";
import { type AuditService, createAudit } from "../../apis/audit/service.ts";
import { decideByAuth } from "../../apis/audit-access.ts";
import { createAuthApp } from "../../apis/auth/app.ts";
import type { AuthService } from "../../apis/auth/service.ts";
import { AuthBench, PASSWORD } from "../../apis/auth/test-auth.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";

// After the auth service, which brings what this library asks of Reflect: a static import would come before it.
const x509 = await import("@peculiar/x509");

/** Chromium finds names below localhost on loopback, and passkeys need a name. */
export const DOMAIN = "skerry.localhost";
export { PASSWORD };

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate for {@link DOMAIN}. `pin` is what makes Chromium take it as genuine: passkeys allow no less. */
export async function makeCertificate(): Promise<{ cert: string; key: string; pin: string }> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${DOMAIN}`,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 24 * 3_600_000),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: DOMAIN }])],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const publicKey = new Uint8Array(certificate.publicKey.rawData);
  return {
    cert: certificate.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    pin: createHash("sha256").update(publicKey).digest("base64"),
  };
}

export class AuthCloud {
  /** Ids of users who have buckets. */
  readonly bucketOwners = new Set<string>();
  private readonly server;

  private constructor(
    private readonly bench: AuthBench,
    readonly auth: AuthService,
    readonly audit: AuditService,
    private readonly directory: string,
    tls: { cert: string; key: string },
  ) {
    const app = new Hono<{ Bindings: { source?: string } }>()
      .route(
        "/api/auth",
        createAuthApp(auth, silentLog, { ownsBuckets: async (id) => this.bucketOwners.has(id) }),
      )
      .route("/api/audit", createAuditApp({ audit, decide: decideByAuth(auth), log: silentLog }))
      .get("/api/storage/buckets", (context) => context.json({ buckets: [] }));
    this.server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls,
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        return pathname.startsWith("/api/")
          ? app.fetch(request, { source: "192.0.2.7" })
          : this.page(pathname);
      },
    });
  }

  /** Serves the built dashboard of `directory`; the user root, with {@link PASSWORD}, is the administrator. */
  static async start(directory: string, tls: { cert: string; key: string }): Promise<AuthCloud> {
    const bench = await AuthBench.start();
    const { auth } = await bench.open("auth", { issuer: `https://${DOMAIN}` });
    await auth.ensureAdmin({ name: "root", password: PASSWORD });
    const sql = await bench.connect("audit");
    const audit = await createAudit({ sql, clusterSecret: "a test's", clock: systemClock, log: silentLog });
    return new AuthCloud(bench, auth, audit, directory, tls);
  }

  get url(): string {
    return `https://${DOMAIN}:${this.server.port}`;
  }

  /** Moves the service's clock. */
  set aheadMs(ms: number) {
    this.bench.clock.aheadMs = ms;
  }

  async stop(): Promise<void> {
    await this.server.stop(true);
    await this.audit.close();
    await this.bench.stop();
  }

  private async page(path: string): Promise<Response> {
    const headers = { "Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff" };
    const file = Bun.file(join(this.directory, path));
    const found = path.startsWith("/assets/") && (await file.exists());
    return new Response(found ? file : Bun.file(join(this.directory, "index.html")), { headers });
  }
}
