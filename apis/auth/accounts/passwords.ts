import { AuthError } from "../errors.ts";
import { Gate } from "../gate.ts";
import { isCommonPassword } from "./common-passwords.ts";

/** OWASP's minimum for argon2id: 19 MiB, 2 passes; about 50 ms. */
export const HASH_PARAMETERS = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;
/** 2 at a time hold 38 MiB and leave a core to serve others. */
const HASHES_RUNNING_MAX = 2;
/** The last in the queue waits about 2 s. */
const HASHES_WAITING_MAX = 64;

const LENGTH_MIN = 8;
/** Hashing reads all of it: without a bound, a long one is a cheap way to keep us busy. */
export const PASSWORD_BYTES_MAX = 1024;

/** Throws `invalid_password` unless the user `name` may take this password. */
export function checkPassword(password: string, name: string): void {
  if ([...password].length < LENGTH_MIN) {
    throw new AuthError("invalid_password", `A password needs at least ${LENGTH_MIN} characters`);
  }
  if (Buffer.byteLength(normalise(password)) > PASSWORD_BYTES_MAX) {
    throw new AuthError("invalid_password", `A password has at most ${PASSWORD_BYTES_MAX} bytes`);
  }
  if (isCommonPassword(normalise(password)) || password.toLowerCase() === name.toLowerCase()) {
    throw new AuthError(
      "invalid_password",
      "This password is among the first that are guessed: take another",
    );
  }
}

/** NIST SP 800-63B 5.1.1.2: the same characters typed on two systems must be the same bytes. */
function normalise(password: string): string {
  return password.normalize("NFKC");
}

/** Hashes and checks passwords, a bounded number at a time; both throw `busy` when too many wait. */
export class Passwords {
  private readonly gate = new Gate(HASHES_RUNNING_MAX, HASHES_WAITING_MAX);

  /** `decoy` is the hash that a password for nobody is checked against. */
  private constructor(private readonly decoy: string) {}

  static async create(): Promise<Passwords> {
    return new Passwords(await Bun.password.hash(crypto.randomUUID(), HASH_PARAMETERS));
  }

  hash(password: string): Promise<string> {
    return this.gate.run(() => Bun.password.hash(normalise(password), HASH_PARAMETERS));
  }

  /** Whether `password` has `hash`. Without a hash it does the same work and says no: the time tells nothing. */
  async matches(password: string, hash: string | undefined): Promise<boolean> {
    const text = normalise(password);
    const fits = text.length > 0 && Buffer.byteLength(text) <= PASSWORD_BYTES_MAX;
    const same = await this.gate.run(() => Bun.password.verify(fits ? text : "-", hash ?? this.decoy));
    return same && fits && hash !== undefined;
  }
}
