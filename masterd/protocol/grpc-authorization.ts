// Who a gRPC call comes from. Each call carries the metadata
//
//   authorization: Skerry <role> <time> <nonce> <mac>
//
// with the time in ms since the epoch, a nonce of 16 bytes as hex, and the HMAC-SHA256 over cluster id, role, method
// path, time, nonce and the SHA-256 of the request's bytes, as hex, keyed with the role's secret. So a captured call
// can neither be sent again nor be turned into another one.
import { createHash, createHmac } from "node:crypto";
import { type ClusterSecrets, proofMatches } from "../../chunkd/protocol/handshake.ts";
import type { Clock } from "../../std/clock.ts";

export type GrpcRole = "client" | "chunkserver";

/** A call's time may differ from the server's by so much. */
const WINDOW_MS = 60_000;
/** Nonces remembered; when there are more in a window, calls are refused rather than not checked. */
const NONCES_MAX = 100_000;

interface Signed {
  role: GrpcRole;
  /** e.g. "/skerry.master.v1.Master/GetObject" */
  path: string;
  time: number;
  nonce: string;
  body: Uint8Array;
}

function mac(secrets: ClusterSecrets, { role, path, time, nonce, body }: Signed): Buffer | undefined {
  const key = role === "client" ? secrets.clusterSecret : secrets.controlSecret;
  if (key === undefined) return undefined;
  const digest = createHash("sha256").update(body).digest("hex");
  const fields = [secrets.clusterId, role, path, time, nonce, digest];
  return createHmac("sha256", key).update(fields.join("|")).digest();
}

/** The value of the `authorization` metadata. `nonce`: 16 fresh random bytes. Throws when the role's key is absent. */
export function signCall(
  secrets: ClusterSecrets,
  call: { role: GrpcRole; path: string; time: number; nonce: Buffer; body: Uint8Array },
): string {
  const nonce = call.nonce.toString("hex");
  const proof = mac(secrets, { ...call, nonce });
  if (!proof) throw new TypeError(`this part holds no key for the role ${call.role}`);
  return `Skerry ${call.role} ${call.time} ${nonce} ${proof.toString("hex")}`;
}

const AUTHORIZATION = /^Skerry (client|chunkserver) (\d{1,15}) ([0-9a-f]{32}) ([0-9a-f]{64})$/;

/** Checks signed calls, each good for one time within the window. */
export class CallVerifier {
  /** By nonce, in order of arrival: when it was seen. */
  private readonly seen = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly secrets: ClusterSecrets,
  ) {}

  /** The caller's role, or undefined for a call that is not proved, too old, or known already. */
  verify(authorization: string, path: string, body: Uint8Array): GrpcRole | undefined {
    const [, role, time, nonce, given] = AUTHORIZATION.exec(authorization) ?? [];
    if (!role || !time || !nonce || !given) return undefined;
    const signed = { role: role as GrpcRole, path, time: Number(time), nonce, body };
    const now = this.clock.now();
    if (Math.abs(now - signed.time) > WINDOW_MS) return undefined;
    if (!proofMatches(mac(this.secrets, signed), Buffer.from(given, "hex"))) return undefined;
    this.forget(now);
    if (this.seen.has(nonce) || this.seen.size >= NONCES_MAX) return undefined;
    this.seen.set(nonce, now);
    return signed.role;
  }

  /** A call may come from up to one window in the future, so a nonce is kept for two. */
  private forget(now: number): void {
    for (const [nonce, at] of this.seen) {
      if (at > now - 2 * WINDOW_MS) return;
      this.seen.delete(nonce);
    }
  }
}
