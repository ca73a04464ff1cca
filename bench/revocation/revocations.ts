// The ways to take access away, each with a credential made for it.
import type { AuthService } from "../../apis/auth/service.ts";
import { beginSession, createToken } from "../auth/population.ts";
import type { Credential, Process } from "./places.ts";

/** A credential that passes everywhere, and the call that ends it. */
export interface Trial {
  credential: Credential;
  /** Makes the call at `process`, as somebody who may. */
  revoke(process: Process): Promise<void>;
  /** Puts back what others still need. */
  restore?(): Promise<void>;
}

export interface Revocation {
  name: string;
  prepare(cast: Cast): Promise<Trial>;
}

export interface Cast {
  auth: AuthService;
  /** Whose credentials end; needs {@link SUBJECT_ROLE}. */
  subject: { id: string; name: string };
  /** An access token of an administrator. */
  admin: string;
}

/** May read at every API, so that a refusal is about the credential. */
export const SUBJECT_ROLE = "read-only";

async function sessionAndKey({ auth, subject }: Cast) {
  return { bearer: await beginSession(auth, subject.id), key: await auth.createKey(subject.name) };
}

export const REVOCATIONS: readonly Revocation[] = [
  {
    name: "sign-out",
    async prepare({ auth, subject }) {
      const bearer = await beginSession(auth, subject.id);
      return { credential: { bearer }, revoke: (at) => at.call("DELETE", "/auth/session", bearer) };
    },
  },
  {
    name: "session ended by an administrator",
    async prepare({ auth, subject, admin }) {
      const bearer = await beginSession(auth, subject.id);
      const path = `/auth/sessions/${(await auth.session(bearer))!.id}`;
      return { credential: { bearer }, revoke: (at) => at.call("DELETE", path, admin) };
    },
  },
  {
    name: "API token revoked, and a key made through it",
    async prepare({ auth, subject, admin }) {
      const { id, token: bearer } = await createToken(auth, subject.name);
      const key = await auth.createKey(subject.name, { tokenId: id });
      return {
        credential: { bearer, key },
        revoke: (at) => at.call("DELETE", `/auth/tokens/${id}`, admin),
      };
    },
  },
  {
    name: "S3 key revoked",
    async prepare({ auth, subject, admin }) {
      const key = await auth.createKey(subject.name);
      const path = `/auth/keys/${key.accessKeyId}`;
      return { credential: { key }, revoke: (at) => at.call("DELETE", path, admin) };
    },
  },
  {
    name: "role taken away",
    async prepare(cast) {
      const { auth, subject, admin } = cast;
      const credential = await sessionAndKey(cast);
      const path = `/auth/users/${subject.name}/roles/${SUBJECT_ROLE}`;
      return {
        credential,
        revoke: (at) => at.call("DELETE", path, admin),
        async restore() {
          await auth.attachments.attach({ kind: "user", name: subject.name }, SUBJECT_ROLE);
          await auth.revokeKey(credential.key.accessKeyId);
        },
      };
    },
  },
  {
    name: "user disabled",
    async prepare(cast) {
      const { auth, subject, admin } = cast;
      const credential = await sessionAndKey(cast);
      return {
        credential,
        revoke: (at) => at.call("PATCH", `/auth/users/${subject.name}`, admin, { disabled: true }),
        async restore() {
          await auth.updateUser(subject.name, { disabled: false });
          await auth.revokeKey(credential.key.accessKeyId);
        },
      };
    },
  },
];
