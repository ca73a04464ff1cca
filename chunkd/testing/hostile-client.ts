// A peer that keeps to nothing: it sends whatever bytes it likes to a port of masterd or chunkd, and sees what comes back.
import { Packr } from "msgpackr";
import type { Socket } from "../../std/net.ts";
import { systemNet } from "../../std/net.ts";
import { Op } from "../protocol/connection.ts";
import { encodeFrameHeader, FRAME_HEADER_SIZE, FrameDecoder, FrameKind } from "../protocol/frame.ts";
import { type ClusterSecrets, handshakeProof, NONCE_SIZE, type Role } from "../protocol/handshake.ts";

const packr = new Packr({ useRecords: false });
const LIMITS = { metaSizeMax: 64 << 20, bodySizeMax: 64 << 20 };

export interface Received {
  kind: number;
  opcode: number;
  requestId: number;
  meta: unknown;
  body: Buffer;
}

export interface Sent {
  kind?: number;
  opcode: number;
  requestId?: number;
  /** Packed unless it is a Buffer already. */
  meta?: unknown;
  body?: Uint8Array;
}

export function pack(meta: unknown): Buffer {
  if (Buffer.isBuffer(meta)) return meta;
  return meta === undefined ? Buffer.alloc(0) : packr.pack(meta);
}

/** The bytes of a frame; `lies` overwrites fields of its header, which then checks all the same. */
export function frameBytes(
  sent: Sent,
  lies: { metaSize?: number; bodySize?: number; metaCrc?: number } = {},
) {
  const meta = pack(sent.meta);
  const body = sent.body ?? new Uint8Array(0);
  const head = Buffer.alloc(FRAME_HEADER_SIZE);
  encodeFrameHeader(head, 0, {
    kind: (sent.kind ?? FrameKind.request) as FrameKind,
    opcode: sent.opcode,
    requestId: sent.requestId ?? 1,
    metaSize: lies.metaSize ?? meta.length,
    bodySize: lies.bodySize ?? body.length,
    metaCrc: lies.metaCrc ?? Bun.hash.crc32(meta),
  });
  return Buffer.concat([head, meta, body]);
}

/** A header that says something impossible and passes its checksum. */
export function headerWith(change: (header: Buffer) => void): Buffer {
  const header = frameBytes({ opcode: Op.ping });
  change(header);
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, 28)), 28);
  return header;
}

export class HostileClient implements Disposable {
  readonly received: Received[] = [];
  /** Resolves when the other side has ended the connection. */
  readonly closed: Promise<void>;
  private readonly ended = Promise.withResolvers<void>();
  private readonly waiting: (() => void)[] = [];
  private isClosed = false;
  private greeting: Received | undefined;

  private constructor(private readonly socket: { current?: Socket }) {
    this.closed = this.ended.promise;
  }

  static async connect(address: string): Promise<HostileClient> {
    const holder: { current?: Socket } = {};
    const client = new HostileClient(holder);
    const decoder = new FrameDecoder(LIMITS, ({ kind, opcode, requestId }, meta, body) => {
      const unpacked = meta.length === 0 ? undefined : packr.unpack(meta);
      client.received.push({ kind, opcode, requestId, meta: unpacked, body: Buffer.concat([body].flat()) });
    });
    holder.current = await systemNet.connect(address, {
      onData(bytes) {
        decoder.push(bytes);
        client.wake();
      },
      onDrain() {},
      onClose() {
        client.isClosed = true;
        client.ended.resolve();
        client.wake();
      },
    });
    return client;
  }

  /** A peer that has proved `role`, and is hostile all the same. */
  static async authenticated(
    address: string,
    secrets: ClusterSecrets,
    role: Role,
    id: string = role,
  ): Promise<HostileClient> {
    const client = await HostileClient.connect(address);
    client.send(frameBytes(await client.auth(secrets, role, id)));
    await client.answer(1);
    return client;
  }

  /** The handshake that `secrets` can prove, for this connection's nonce. */
  async auth(secrets: ClusterSecrets, role: Role, id: string = role): Promise<Sent> {
    const callerNonce = Buffer.alloc(NONCE_SIZE, 7);
    const transcript = { role, id, callerNonce, acceptorNonce: await this.nonce() };
    const proof = handshakeProof(secrets, "call", transcript);
    return { opcode: Op.auth, meta: { clusterId: secrets.clusterId, role, id, nonce: callerNonce, proof } };
  }

  async nonce(): Promise<Uint8Array> {
    this.greeting ??= await this.until(({ opcode }) => opcode === Op.hello);
    return (this.greeting!.meta as { nonce: Uint8Array }).nonce;
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.current!.write(bytes);
  }

  /** Sends a request and waits for its answer; undefined when the connection ends instead. */
  request(sent: Sent): Promise<Received | undefined> {
    this.send(frameBytes(sent));
    return this.answer(sent.requestId ?? 1);
  }

  /** The code of the error that answers `sent`, "ok", or "closed". */
  async code(sent: Sent): Promise<string> {
    return codeOf(await this.request(sent));
  }

  /** The first answer to `requestId` that nobody has asked for yet. */
  answer(requestId: number): Promise<Received | undefined> {
    return this.until((frame) => isAnswer(frame) && frame.requestId === requestId);
  }

  /** The code that the other side gave as it ended the connection, "closed" where it gave none. */
  async goodbye(): Promise<string> {
    await this.closed;
    const last = this.received.find(({ kind, requestId }) => kind === FrameKind.error && requestId === 0);
    return last ? codeOf(last) : "closed";
  }

  /** Takes the first frame that fits out of what came, or waits for it. */
  async until(fits: (frame: Received) => boolean): Promise<Received | undefined> {
    for (;;) {
      const at = this.received.findIndex(fits);
      if (at >= 0) return this.received.splice(at, 1)[0];
      if (this.isClosed) return undefined;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Takes nothing more off the wire. */
  stopReading(): void {
    this.socket.current!.pause();
  }

  [Symbol.dispose](): void {
    this.socket.current!.destroy();
  }
}

function isAnswer({ kind }: Received): boolean {
  return kind === FrameKind.response || kind === FrameKind.error;
}

export function codeOf(frame: Received | undefined): string {
  if (!frame) return "closed";
  return frame.kind === FrameKind.error ? (frame.meta as { code: string }).code : "ok";
}

/** Values that are none of the things that a request is made of, or only nearly. */
export const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "",
  "1",
  "\u0000",
  "../../etc/passwd",
  "\ud800",
  "x".repeat(5000),
  Buffer.alloc(0),
  Buffer.alloc(100, 1),
  [],
  [null],
  Array.from({ length: 2000 }, () => 1),
  {},
  { length: 1e9 },
  { __proto__: null, constructor: 1, toString: 2 },
];

/** `value` with each of its fields, at any depth, in turn left out and replaced by each odd value. */
export function* mutations(value: unknown): Generator<[where: string, mutated: unknown]> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const [name, field] of Object.entries(value)) {
    const withField = (changed: unknown): unknown => {
      if (Array.isArray(value)) return value.map((item, at) => (String(at) === name ? changed : item));
      return { ...value, [name]: changed };
    };
    if (!Array.isArray(value)) yield [`-${name}`, { ...value, [name]: undefined }];
    for (const [at, odd] of ODD_VALUES.entries()) yield [`${name}=${at}`, withField(odd)];
    for (const [where, changed] of mutations(field)) yield [`${name}.${where}`, withField(changed)];
  }
}
