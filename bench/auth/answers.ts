// A check that lets everybody in is fast: what is timed must first be right, in both directions.
import type { AuthCloud } from "./cloud.ts";
import { CONDITIONAL_ROLE, LAST_TEAM, NO_TEAM, readsAsS3, readsByManyPolicies } from "./decisions.ts";
import { beginSession, createToken, PASSWORD, type Person } from "./population.ts";
import { signIn, whoami } from "./requests.ts";

/** What is to be measured gave a wrong answer. */
export class WrongAnswerError extends Error {
  override name = "WrongAnswerError";
}

/** Throws {@link WrongAnswerError} unless the right are let in and the wrong are not. `conditional` has {@link CONDITIONAL_ROLE}. */
export async function checkAnswers(
  { auth, app }: AuthCloud,
  person: Person,
  conditional: Person,
): Promise<void> {
  const expect = (what: string, found: unknown, expected: unknown): void => {
    if (found === expected) return;
    throw new WrongAnswerError(`${what}: expected ${expected}, not ${found}; nothing was measured`);
  };
  const { name, id } = person;
  expect("signing in with the password", await signIn(app, name, PASSWORD, "192.0.2.2"), 201);
  expect("signing in with another password", await signIn(app, name, `${PASSWORD}!`, "192.0.2.2"), 401);

  const session = await beginSession(auth, id);
  expect("a live session", (await auth.verify(session))?.userId, id);
  expect("a request of a live session", await whoami(app, session), 200);
  await auth.signOut((await auth.session(session))!);
  expect("a session that was signed out", await auth.verify(session), undefined);
  expect("a request of a session that was signed out", await whoami(app, session), 401);

  const token = await createToken(auth, name);
  expect("an API token", (await auth.verify(token.token))?.userId, id);
  await auth.apiTokens.revoke(token.id);
  expect("a revoked API token", await auth.verify(token.token), undefined);

  const { accessKeyId } = await auth.createKey(name);
  expect("an access key", auth.find(accessKeyId)?.principal.userId, id);
  await auth.revokeKey(accessKeyId);
  expect("a revoked access key", auth.find(accessKeyId), undefined);

  const caller = auth.principalNamed(name);
  expect("reading one's own object", readsAsS3(auth, caller, id, "a"), true);
  expect("reading another's object", readsAsS3(auth, caller, "somebody", "a"), false);
  const reader = auth.principalNamed(conditional.name);
  expect(`reading by the role ${CONDITIONAL_ROLE.name}`, readsAsS3(auth, reader, "somebody", "a"), true);
  expect("reading by the last of many statements", readsByManyPolicies(LAST_TEAM, "a"), true);
  expect("reading by none of many statements", readsByManyPolicies(NO_TEAM, "a"), false);
}
