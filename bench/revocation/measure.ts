import type { AuthService } from "../../apis/auth/service.ts";
import { beginSession, PASSWORD } from "../auth/population.ts";
import { beginInUse, keepUsing } from "./activity.ts";
import type { TwoProcessCloud } from "./cloud.ts";
import { type CutOff, measureCutOff } from "./cut-off.ts";
import { type Cast, REVOCATIONS, SUBJECT_ROLE } from "./revocations.ts";
import { type Revoked, watchRevocation } from "./watch.ts";

export interface RevocationShape {
  people: number;
  sessionsEach: number;
  /** Of each revocation at each process. */
  repeats: number;
  /** Whether a process that is cut off is looked at too: that takes the bound, twice. */
  cutOff: boolean;
}

export interface RevocationTrial extends Revoked {
  revocation: string;
  /** The process that took the call. */
  calledAt: string;
}

export interface RevocationFigures {
  sessions: number;
  trials: RevocationTrial[];
  cutOffs: CutOff[];
}

/** An administrator, and somebody whose access ends again and again and who has no role but {@link SUBJECT_ROLE}. */
export async function makeCast(auth: AuthService): Promise<Cast> {
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  const subject = await auth.createUser({ name: "subject", password: PASSWORD });
  const target = { kind: "user", name: subject.name } as const;
  await auth.attachments.attach(target, SUBJECT_ROLE);
  await auth.attachments.detach(target, "member");
  return { auth, subject, admin: await beginSession(auth, auth.principalNamed("root").userId) };
}

/** Everything one after another, while the sessions of `people` are in use. */
export async function measureRevocation(
  cloud: TwoProcessCloud,
  { people, sessionsEach, repeats, cutOff }: RevocationShape,
  say: (what: string) => void,
): Promise<RevocationFigures> {
  const { auth, processes } = cloud;
  const cast = await makeCast(auth);
  say(`beginning ${people * sessionsEach} sessions`);
  const tokens = await beginInUse(cloud, people, sessionsEach);
  const stop = new AbortController();
  const activity = keepUsing(processes, tokens, stop.signal);
  const trials: RevocationTrial[] = [];
  const measure = async (): Promise<void> => {
    for (const { name, prepare } of REVOCATIONS) {
      say(name);
      for (let index = 0; index < repeats * processes.length; index++) {
        const calledAt = processes[index % processes.length]!;
        const { credential, revoke, restore } = await prepare(cast);
        const revoked = await watchRevocation(processes, credential, () => revoke(calledAt));
        trials.push({ revocation: name, calledAt: calledAt.name, ...revoked });
        await restore?.();
      }
    }
  };
  await Promise.all([measure().finally(() => stop.abort()), activity]);
  const cutOffs: CutOff[] = [];
  for (const state of cutOff ? (["deaf", "cut"] as const) : []) {
    say(`a process whose connections to the database are ${state}`);
    cutOffs.push(await measureCutOff(cloud, cast, state));
  }
  return { sessions: tokens.length, trials, cutOffs };
}
