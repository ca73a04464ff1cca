// People with live sessions, API tokens and access keys. Sessions are begun by the session service itself, as it does behind
// every way to sign in, so that a thousand of them do not cost a thousand password hashes: each is a row, a notification and
// a signed access token like any other.
import type { AuthService } from "../../apis/auth/service.ts";
import { bounded } from "./bounded.ts";

export interface Person {
  id: string;
  name: string;
  /** Access tokens, a session each. */
  sessions: string[];
  apiTokens: string[];
  accessKeyIds: string[];
}

export interface Shape {
  people: number;
  /** Of each person. Below what one user may have at a time. */
  sessions: number;
  /** As many API tokens, and as many access keys. */
  credentials: number;
}

export const PASSWORD = "correct horse battery staple";
/** As many as the service's pool has connections. */
const WRITERS = 8;
const CLIENT = { source: "192.0.2.1", userAgent: "bench" };
const SCOPES = { "storage.*.*": ["read"], "auth.*.*": ["read"], "events.*.*": ["read"] };

/** The access token of a new session of the user `userId`. */
export async function beginSession(auth: AuthService, userId: string): Promise<string> {
  const session = await auth.sessions.begin(userId, "password", CLIENT, async () => true);
  if (!session) throw new Error(`no session was begun for ${userId}`);
  return session.token;
}

/** A token for all that `name` may read. */
export function createToken(auth: AuthService, name: string): Promise<{ id: string; token: string }> {
  return auth.apiTokens.create({ user: name }, { name: "bench", scopes: SCOPES });
}

/** Makes the people `person-0` and on; all have {@link PASSWORD}, and the role `role` if one is given. */
export async function populate(
  auth: AuthService,
  { people, sessions, credentials }: Shape,
  role?: string,
): Promise<Person[]> {
  const made: Person[] = [];
  await bounded(people, WRITERS, async (index) => {
    const { id, name } = await auth.createUser({ name: `person-${index}`, password: PASSWORD });
    if (role !== undefined) await auth.attachments.attach({ kind: "user", name }, role);
    made.push({ id, name, sessions: [], apiTokens: [], accessKeyIds: [] });
  });
  await bounded(people * sessions, WRITERS, async (index) => {
    const person = made[index % people]!;
    person.sessions.push(await beginSession(auth, person.id));
  });
  await bounded(people * credentials, WRITERS, async (index) => {
    const person = made[index % people]!;
    person.apiTokens.push((await createToken(auth, person.name)).token);
    person.accessKeyIds.push((await auth.createKey(person.name)).accessKeyId);
  });
  return made;
}
