// One way to call the APIs of this origin: JSON in and out, the session in an HttpOnly cookie.

/** An answer that is no success. `status` 0: no answer at all. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Proves to the server that the page itself sent a mutation: another origin cannot set it without a preflight. */
export const CSRF_HEADER = "X-Skerry-CSRF";

const sessionEndListeners = new Set<() => void>();

/** Calls `listener` when any call is answered 401: the session is over. Returns the way to stop. */
export function onSessionEnd(listener: () => void): () => void {
  sessionEndListeners.add(listener);
  return () => sessionEndListeners.delete(listener);
}

export function announceSessionEnd(): void {
  for (const listener of sessionEndListeners) listener();
}

interface CallOptions {
  body?: unknown;
  signal?: AbortSignal;
  /** A 401 is an expected answer here (signing in, asking who I am), not the end of a session. */
  anonymous?: boolean;
  /** A 401 is about what is sent here, not about the session: signing in. */
  signsIn?: boolean;
}

/** The access cookie lives for 5 minutes. Renewed sooner, so that plain links, which cannot try again, find it fresh. */
export const REFRESH_EVERY_MS = 4 * 60_000;
const REFRESH = "/api/auth/session/refresh";

let refreshing: Promise<boolean> | undefined;

/** Renews the session's cookies; once for all who ask at a time. Resolves whether there is still a session. */
export function refreshSession(): Promise<boolean> {
  refreshing ??= fetch(REFRESH, {
    method: "POST",
    headers: { [CSRF_HEADER]: "1" },
    credentials: "same-origin",
    cache: "no-store",
  }).then(
    ({ ok }) => {
      refreshing = undefined;
      return ok;
    },
    () => {
      refreshing = undefined;
      return false;
    },
  );
  return refreshing;
}

/**
 * Calls `path` and returns its JSON (undefined for an empty answer). Throws {@link ApiError}, or an `AbortError`
 * after `signal`.
 */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  let { response, text } = await send(method, path, options);
  if (response.status === 401 && !options.signsIn && (await refreshSession())) {
    ({ response, text } = await send(method, path, options));
  }
  if (!response.ok) {
    if (response.status === 401 && !options.anonymous) announceSessionEnd();
    throw errorFrom(response.status, text);
  }
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function send(method: string, path: string, options: CallOptions) {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers[CSRF_HEADER] = "1";
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
    });
    return { response, text: await response.text() };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable();
  }
}

export function unreachable(): ApiError {
  return new ApiError(
    0,
    "UNREACHABLE",
    "The server cannot be reached. Check the connection, then try again.",
  );
}

/** The error that an answer of `status` with `text` as body tells: `{error: {code, message}}`, or a proxy's page. */
export function errorFrom(status: number, text: string): ApiError {
  try {
    const body = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } };
    if (typeof body.error?.message === "string") {
      return new ApiError(status, String(body.error.code ?? status), sentence(body.error.message));
    }
  } catch {
    // Not JSON: an answer from something between this page and the API.
  }
  return new ApiError(
    status,
    `HTTP_${status}`,
    `The server answered with status ${status}. Try again in a moment.`,
  );
}

/** The APIs end their messages without a full stop; people read them beside the page's own, which have one. */
function sentence(message: string): string {
  return /[.!?…]$/.test(message) ? message : `${message}.`;
}

/** Whether it is refused for want of a permission. */
export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403;
}

/** What to tell a person about `error`. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
