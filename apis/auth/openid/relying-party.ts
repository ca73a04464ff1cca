// Our side of OpenID Connect Core 1.0: the code flow, with PKCE, state and nonce.
import { lookup } from "node:dns/promises";
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  type CustomFetchOptions,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
} from "openid-client";
import type { Clock } from "../../../std/clock.ts";
import type { Random } from "../../../std/random.ts";
import { BoundedMap } from "../bounded-map.ts";
import { AuthError } from "../errors.ts";
import { mayReach } from "./provider-reach.ts";
import { PROVIDERS_MAX, type Provider } from "./providers.ts";

const ANSWER_MS_MAX = 10_000;
/** Metadata and key sets of large providers have some 10 KiB. */
const ANSWER_SIZE_MAX = 256 << 10;
/** What a provider says about itself is asked for again after this. */
const CONFIGURATION_MS = 3_600_000;
/** A provider that does not answer is not asked again for so long: strangers may begin to sign in as often as they like. */
const FAILURE_MS = 10_000;
const SECRET_BYTES = 32;

/** What must come back with the person, or never leaves us. */
export interface Flow {
  state: string;
  nonce: string;
  verifier: string;
}

/** Who it is, as the provider says: both together, and nothing else, name an account. */
export interface Identity {
  issuer: string;
  subject: string;
}

export class RelyingParty {
  private readonly configurations = new BoundedMap<string, { config: Promise<Configuration>; until: number }>(
    PROVIDERS_MAX,
  );

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Where to send the person, and what to keep for when they come back. Throws `provider_unavailable`. */
  async begin(provider: Provider): Promise<{ url: string; flow: Flow }> {
    const config = await this.configuration(provider);
    const flow = { state: this.secret(), nonce: this.secret(), verifier: this.secret() };
    const url = buildAuthorizationUrl(config, {
      redirect_uri: provider.callbackUrl,
      scope: "openid",
      code_challenge: await calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
      state: flow.state,
      nonce: flow.nonce,
    });
    return { url: url.href, flow };
  }

  /**
   * Exchanges what the person came back with (`search`, the query of the callback) for who it is. Rejects with the library's
   * errors for anything that is not as it was agreed.
   */
  async finish(provider: Provider, search: string, flow: Flow): Promise<Identity> {
    const config = await this.configuration(provider);
    const url = new URL(provider.callbackUrl);
    url.search = search;
    const tokens = await authorizationCodeGrant(config, url, {
      pkceCodeVerifier: flow.verifier,
      expectedState: flow.state,
      expectedNonce: flow.nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (!claims) throw new TypeError("an ID token was demanded");
    return { issuer: claims.iss, subject: claims.sub };
  }

  private secret(): string {
    return this.random.bytes(SECRET_BYTES).toString("base64url");
  }

  /** Asked for once at a time, and remembered whether it succeeds or fails. */
  private configuration(provider: Provider): Promise<Configuration> {
    // Whatever an administrator changes makes another one.
    const key = JSON.stringify([provider.issuer, provider.clientId, provider.clientSecret]);
    const known = this.configurations.get(key);
    if (known && known.until > this.clock.monotonic()) return known.config;
    const entry = { config: this.discover(provider), until: this.clock.monotonic() + CONFIGURATION_MS };
    this.configurations.set(key, entry);
    entry.config.catch(() => {
      entry.until = this.clock.monotonic() + FAILURE_MS;
    });
    return entry.config;
  }

  private async discover({ issuer, clientId, clientSecret }: Provider): Promise<Configuration> {
    const server = new URL(issuer);
    const plain = server.protocol === "http:" ? [allowInsecureRequests] : [];
    try {
      const config = await discovery(server, clientId, clientSecret, undefined, {
        // The library trusts TLS alone for a token that it fetched itself; the signature costs little more.
        execute: [enableNonRepudiationChecks, ...plain],
        [customFetch]: boundedFetch(server),
      });
      return config;
    } catch (cause) {
      throw new AuthError("provider_unavailable", "The provider does not answer as one: try again later", {
        cause,
      });
    }
  }
}

/** A provider is somebody else's machine: it neither keeps us waiting, nor fills memory, nor sends us where it likes. */
function boundedFetch(issuer: URL) {
  return async (url: string, options: CustomFetchOptions): Promise<Response> => {
    if (!(await mayReach(issuer, new URL(url), resolve))) {
      throw new TypeError("a provider named an address where it may not send us");
    }
    const { method, headers, body } = options;
    const response = await fetch(url, {
      method,
      headers,
      // It would be followed without being looked at.
      redirect: "manual",
      body: body as BodyInit | null,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    return new Response(await bounded(response), { status: response.status, headers: response.headers });
  };
}

async function resolve(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

async function bounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > ANSWER_SIZE_MAX)
      throw new RangeError("a provider's answer is larger than any that makes sense");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
