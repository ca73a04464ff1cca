// For tests only: a small OpenID Connect provider over real HTTP, which can be told to lie.
import { createHash, randomBytes } from "node:crypto";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";

interface Grant {
  redirectUri: string;
  challenge: string;
  nonce: string;
  subject: string;
}

/** How the next ID token differs from a genuine one. */
export interface Lie {
  issuer?: string;
  audience?: string;
  nonce?: string;
  subject?: string;
  expiresIn?: number;
  algorithm?: "none" | "HS256";
  otherKey?: boolean;
  /** The `iss` of the answer to the browser (RFC 9207). */
  responseIssuer?: string;
}

export const CLIENT = { id: "skerry-test", secret: "a secret of the client" };

export class TestProvider {
  lie: Lie = {};
  /** Whether it grants a code more than once, as none should. */
  grantsTwice = false;
  metadata: Record<string, unknown> = {};
  /** How often somebody asked what it is. */
  discoveries = 0;
  private readonly codes = new Map<string, Grant>();
  private readonly server;

  private constructor(
    private readonly keys: { privateKey: CryptoKey; publicKey: CryptoKey },
    private readonly stranger: CryptoKey,
  ) {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(request) });
  }

  static async start(): Promise<TestProvider> {
    const options = { extractable: true };
    const other = await generateKeyPair("RS256", options);
    return new TestProvider(await generateKeyPair("RS256", options), other.privateKey);
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  stop(): Promise<void> {
    return this.server.stop(true);
  }

  /** The person at the browser signs in as `subject` and is sent back: the query of the callback. */
  approve(authorizationUrl: string, subject: string): string {
    const asked = new URL(authorizationUrl).searchParams;
    if (asked.get("response_type") !== "code" || asked.get("code_challenge_method") !== "S256") {
      throw new Error(`not the code flow with PKCE: ${asked}`);
    }
    const code = randomBytes(16).toString("hex");
    this.codes.set(code, {
      redirectUri: asked.get("redirect_uri") ?? "",
      challenge: asked.get("code_challenge") ?? "",
      nonce: asked.get("nonce") ?? "",
      subject,
    });
    const iss = this.lie.responseIssuer ?? this.issuer;
    return `?${new URLSearchParams({ code, state: asked.get("state") ?? "", iss })}`;
  }

  private async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/.well-known/openid-configuration") {
      this.discoveries++;
      return Response.json(this.configuration());
    }
    if (pathname === "/jwks") {
      const jwk = { ...(await exportJWK(this.keys.publicKey)), kid: "k1", alg: "RS256", use: "sig" };
      return Response.json({ keys: [jwk] });
    }
    if (pathname === "/token") return this.token(new URLSearchParams(await request.text()));
    return new Response("not found", { status: 404 });
  }

  private configuration() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256", "none", "HS256"],
      authorization_response_iss_parameter_supported: true,
      ...this.metadata,
    };
  }

  private async token(form: URLSearchParams): Promise<Response> {
    const code = form.get("code") ?? "";
    const grant = this.codes.get(code);
    const proof = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const fits =
      grant?.redirectUri === form.get("redirect_uri") &&
      grant.challenge === proof &&
      form.get("client_id") === CLIENT.id &&
      form.get("client_secret") === CLIENT.secret;
    if (!grant || !fits) return Response.json({ error: "invalid_grant" }, { status: 400 });
    if (!this.grantsTwice) this.codes.delete(code);
    const id_token = await this.idToken(grant);
    return Response.json({ access_token: "opaque", token_type: "Bearer", expires_in: 60, id_token });
  }

  private idToken(grant: Grant): Promise<string> | string {
    const { lie } = this;
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: lie.issuer ?? this.issuer,
      aud: lie.audience ?? CLIENT.id,
      sub: lie.subject ?? grant.subject,
      nonce: lie.nonce ?? grant.nonce,
      iat: now,
      exp: now + (lie.expiresIn ?? 300),
      // Never a reason to link anything.
      email: "root@cloud.test",
      email_verified: true,
      preferred_username: "root",
    };
    if (lie.algorithm === "none") {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
      return `${part({ alg: "none" })}.${part(claims)}.`;
    }
    if (lie.algorithm === "HS256") {
      const secret = new TextEncoder().encode(CLIENT.secret);
      return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(secret);
    }
    const key = lie.otherKey ? this.stranger : this.keys.privateKey;
    return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "k1" }).sign(key);
  }
}
