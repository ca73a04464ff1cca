// Asks a cloud over HTTPS in the name of a person.
import type { SignedIn } from "../../apis/auth/sessions/sessions.ts";
import { UsageError } from "../../std/config.ts";
import { CommandError } from "../command.ts";
import { type Login, readLogin, writeLogin } from "./login-file.ts";

const ANSWER_MS_MAX = 30_000;
/** An access token that ends sooner is renewed first: the request itself takes time. */
const REMAINING_MS_MIN = 30_000;

export interface CloudAnswer {
  status: number;
  body: unknown;
}

/** The origin of `text`; throws UsageError unless it is https, or this machine itself. */
export function cloudOrigin(text: string): string {
  const url = URL.parse(text);
  const loopback = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && loopback)) return url.origin;
  throw new UsageError(`--url ${text}: must be https://HOST[:PORT]; a password goes nowhere else`);
}

export class CloudClient {
  /** `ca`: certificates to trust beside the system's, PEM. */
  constructor(
    private readonly origin: string,
    private readonly ca: string | undefined,
  ) {}

  /** Any answer of the auth API; throws {@link CommandError} where none comes. */
  async ask(
    method: string,
    path: string,
    { token, body }: { token?: string; body?: unknown } = {},
  ): Promise<CloudAnswer> {
    const headers: Record<string, string> = { "user-agent": "skerry" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    try {
      const response = await fetch(`${this.origin}/api/auth${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        // Nobody else is to get what is sent.
        redirect: "error",
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        tls: this.ca === undefined ? {} : { ca: this.ca },
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    } catch (cause) {
      throw new CommandError(this.unreachable(cause as Error & { code?: string }), { cause });
    }
  }

  private unreachable({ name, code = "", message }: Error & { code?: string }): string {
    if (name === "TimeoutError") return `no answer from ${this.origin} within ${ANSWER_MS_MAX / 1000} s`;
    if (name === "SyntaxError") return `${this.origin} does not answer as a cloud of skerry`;
    if (/CERT|SELF_SIGNED|LEAF_SIGNATURE|ISSUER/.test(code)) {
      return `the certificate of ${this.origin} is not trusted (${code}); name its authority's with --ca FILE`;
    }
    return `cannot reach ${this.origin}: ${code || message}`;
  }
}

/** There is no session any more. */
export class SessionOver extends CommandError {
  constructor() {
    super("the session is over; sign in with: skerry login");
  }
}

/** What the API says went wrong. */
export function refusal({ status, body }: CloudAnswer): CommandError {
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message;
  return new CommandError(typeof message === "string" ? message : `the answer was ${status}`);
}

/** What is kept of a sign-in or a refresh. */
export function loginOf(signedIn: SignedIn, url: string, ca: string | undefined): Login {
  const { token, expiresAt, refreshToken, user } = signedIn;
  return { url, user: user.name, accessToken: token, accessExpiresAt: expiresAt, refreshToken, ca };
}

/** The login of the file at `path` with an access token that is good for a while; throws {@link SessionOver}, {@link CommandError}. */
export async function freshLogin(path: string, now: number): Promise<Login> {
  const login = await readLogin(path);
  if (login.accessExpiresAt - now > REMAINING_MS_MIN) return login;
  const client = new CloudClient(login.url, login.ca);
  const { refreshToken } = login;
  const answer = await client.ask("POST", "/session/refresh", { body: { refreshToken } });
  if (answer.status === 401) throw new SessionOver();
  if (answer.status !== 200) throw refusal(answer);
  const fresh = loginOf(answer.body as SignedIn, login.url, login.ca);
  // The old refresh token is used up: what comes next depends on this one being kept.
  await writeLogin(path, fresh);
  return fresh;
}
