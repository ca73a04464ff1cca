// For tests only: an authenticator and the browser around it, with real keys and signatures.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";

const FLAG = { present: 0x01, verified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40 } as const;

export interface Behaviour {
  /** Of the page that asks. */
  origin: string;
  rpId: string;
  /** Whether it makes sure of the person. */
  verifies: boolean;
  /** What it adds to its counter with each use; 0 for one that does not count. */
  step: number;
  algorithm: "ES256" | "EdDSA";
  /** Instead of the challenge that it was given. */
  challenge?: string;
  type?: string;
  /** Bits of the signature's last byte to turn over. */
  damage?: number;
}

export class SoftwareAuthenticator {
  readonly id = randomBytes(32);
  counter = 0;
  private userHandle = "";
  private keys: { publicKey: KeyObject; privateKey: KeyObject } | undefined;

  constructor(private readonly behaviour: Behaviour) {}

  create(
    options: PublicKeyCredentialCreationOptionsJSON,
    changed: Partial<Behaviour> = {},
  ): RegistrationResponseJSON {
    const behaviour = { ...this.behaviour, ...changed };
    this.keys =
      behaviour.algorithm === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
    this.userHandle = options.user.id;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.id, coseKey(this.keys.publicKey)]);
    const data = Buffer.concat([this.data(behaviour, FLAG.attested), attested]);
    const attestation = cborMap([
      ["fmt", cborText("none")],
      ["attStmt", cborMap([])],
      ["authData", cborBytes(data)],
    ]);
    const client = clientData("webauthn.create", options.challenge, behaviour);
    return {
      ...this.credential(),
      response: {
        clientDataJSON: client.toString("base64url"),
        attestationObject: attestation.toString("base64url"),
        transports: ["internal"],
      },
    };
  }

  get(
    options: PublicKeyCredentialRequestOptionsJSON,
    changed: Partial<Behaviour> = {},
  ): AuthenticationResponseJSON {
    const behaviour = { ...this.behaviour, ...changed };
    this.counter += behaviour.step;
    const data = this.data(behaviour, 0);
    const client = clientData("webauthn.get", options.challenge, behaviour);
    const signed = Buffer.concat([data, createHash("sha256").update(client).digest()]);
    const algorithm = behaviour.algorithm === "ES256" ? "sha256" : null;
    const signature = sign(algorithm, signed, this.keys!.privateKey);
    signature[signature.length - 1]! ^= behaviour.damage ?? 0;
    return {
      ...this.credential(),
      response: {
        clientDataJSON: client.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: signature.toString("base64url"),
        userHandle: this.userHandle,
      },
    };
  }

  private credential() {
    const id = this.id.toString("base64url");
    return { id, rawId: id, type: "public-key" as const, clientExtensionResults: {} };
  }

  private data({ rpId, verifies }: Behaviour, more: number): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.counter);
    const flags = FLAG.present | (verifies ? FLAG.verified : 0) | FLAG.backupEligible | FLAG.backedUp | more;
    return Buffer.concat([createHash("sha256").update(rpId).digest(), Buffer.of(flags), counter]);
  }
}

function clientData(type: string, challenge: string, behaviour: Behaviour): Buffer {
  const { origin } = behaviour;
  return Buffer.from(
    JSON.stringify({
      type: behaviour.type ?? type,
      challenge: behaviour.challenge ?? challenge,
      origin,
      crossOrigin: false,
    }),
  );
}

/** RFC 9053: EC2 (kty 2, ES256 -7, P-256 1) or OKP (kty 1, EdDSA -8, Ed25519 6). */
function coseKey(key: KeyObject): Buffer {
  const { kty, x = "", y = "" } = key.export({ format: "jwk" });
  const part = (text: string) => cborBytes(Buffer.from(text, "base64url"));
  const numbers = (pairs: [number, Buffer][]) =>
    Buffer.concat([Buffer.of(0xa0 + pairs.length), ...pairs.flatMap(([at, value]) => [cborInt(at), value])]);
  return kty === "EC"
    ? numbers([
        [1, cborInt(2)],
        [3, cborInt(-7)],
        [-1, cborInt(1)],
        [-2, part(x)],
        [-3, part(y)],
      ])
    : numbers([
        [1, cborInt(1)],
        [3, cborInt(-8)],
        [-1, cborInt(6)],
        [-2, part(x)],
      ]);
}

/** RFC 8949, as much of it as is needed: integers of [-24, 23], lengths under 65,536. */
function cborInt(value: number): Buffer {
  return Buffer.of(value >= 0 ? value : 0x20 + (-1 - value));
}

function cborHead(major: number, length: number): Buffer {
  if (length < 24) return Buffer.of((major << 5) | length);
  if (length < 256) return Buffer.of((major << 5) | 24, length);
  return Buffer.of((major << 5) | 25, length >> 8, length & 0xff);
}

function cborBytes(bytes: Uint8Array): Buffer {
  return Buffer.concat([cborHead(2, bytes.length), bytes]);
}

function cborText(text: string): Buffer {
  return Buffer.concat([cborHead(3, text.length), Buffer.from(text)]);
}

function cborMap(pairs: [string, Buffer][]): Buffer {
  return Buffer.concat([
    cborHead(5, pairs.length),
    ...pairs.flatMap(([name, value]) => [cborText(name), value]),
  ]);
}
