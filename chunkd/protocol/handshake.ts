// Who is on the other end. Both sides prove that they hold the role's key with an HMAC over both nonces, so that
// neither a recorded handshake nor a reflected one is worth anything:
//
//   accepting side -> HELLO {nonce}
//   calling side   -> AUTH {clusterId, role, id, nonce, proof: HMAC(key(role), "call" | role | id | clusterId | both nonces)}
//   accepting side -> response {proof: HMAC(key(role), "accept" | ... same)}
//
// Two secrets: `clusterSecret` is held by every part, `controlSecret` by masterd and chunkd alone, so that
// an API process can read and append but can neither seal, copy nor delete, nor forge a capability.
import { createHmac, timingSafeEqual } from "node:crypto";

export type Role = "client" | "chunkserver" | "master";

export interface ClusterSecrets {
  /** 16 bytes as 32 hex digits, made at the first start: a peer or disk of another cluster is refused. */
  clusterId: string;
  clusterSecret: string;
  /** Absent in parts that are neither masterd nor chunkd. */
  controlSecret?: string;
}

export const NONCE_SIZE = 16;

/** The key that proves a role, or undefined where this part does not hold it. */
function roleKey(secrets: ClusterSecrets, role: Role): string | undefined {
  return role === "client" ? secrets.clusterSecret : secrets.controlSecret;
}

export interface HandshakeTranscript {
  role: Role;
  /** The caller's own name: a chunkserver id, or a random writer id. */
  id: string;
  callerNonce: Uint8Array;
  acceptorNonce: Uint8Array;
}

/** HMAC-SHA256 of the transcript, 32 bytes; undefined where this part does not hold the role's key. */
export function handshakeProof(
  secrets: ClusterSecrets,
  side: "call" | "accept",
  transcript: HandshakeTranscript,
): Buffer | undefined {
  const key = roleKey(secrets, transcript.role);
  if (key === undefined) return undefined;
  const mac = createHmac("sha256", key);
  for (const field of [side, transcript.role, transcript.id, secrets.clusterId]) {
    mac.update(`${Buffer.byteLength(field)}:${field}`);
  }
  return mac.update(transcript.callerNonce).update(transcript.acceptorNonce).digest();
}

export function proofMatches(expected: Buffer | undefined, given: unknown): boolean {
  return (
    expected !== undefined &&
    given instanceof Uint8Array &&
    given.length === expected.length &&
    timingSafeEqual(expected, given)
  );
}
