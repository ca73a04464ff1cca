import { useEffect, useRef, useState } from "react";
import { audit, type Verdict } from "../api/audit.ts";
import { Button } from "../components/button.tsx";
import { Notice } from "../components/notice.tsx";
import { ProblemNotice } from "../components/problem-notice.tsx";
import { Section } from "../components/section.tsx";
import { formatCount, formatPlural } from "../format.ts";
import { useTask } from "../hooks/use-task.ts";

const PROBLEMS: Record<NonNullable<Verdict["broken"]>["problem"], string> = {
  altered: "it was altered",
  unlinked: "it does not follow the entry before it",
  missing: "it is missing",
  surplus: "it does not belong to the log",
  unknown_version: "it is of a version that this server does not know, or altered",
  head_unsealed: "the seal of the log’s end is not ours",
  checkpoint_unsealed: "the seal of the log’s beginning is not ours",
  head_differs: "the newest entry is not the one that was sealed",
  anchor_differs: "it is not the entry that was noted",
};

/** Checks the whole chain, some entries at a time, and tells what came out. */
export function VerifySection() {
  const [checked, setChecked] = useState(0);
  const [verdict, setVerdict] = useState<Verdict>();
  const { busy, error, run } = useTask();
  const leaving = useRef<AbortController>(undefined);
  useEffect(() => () => leaving.current?.abort(), []);

  async function verify(): Promise<void> {
    const abort = new AbortController();
    leaving.current = abort;
    setVerdict(undefined);
    setChecked(0);
    let total = 0;
    let from: Verdict["through"] | undefined;
    for (;;) {
      const told = await audit.verify(from, abort.signal);
      total += told.checked;
      setChecked(total);
      from = told.through;
      if (told.complete || !told.sound) return setVerdict(told);
    }
  }
  return (
    <Section
      title="Integrity"
      hint="Each entry is chained to the one before it, and the ends are sealed: nothing can be changed unseen."
      actions={
        <Button busy={busy} onClick={() => run(verify)}>
          {busy && checked > 0 ? `${formatCount(checked)} checked…` : "Verify the log"}
        </Button>
      }
    >
      {error !== undefined && <ProblemNotice error={error} />}
      {verdict && <Result verdict={verdict} checked={checked} />}
    </Section>
  );
}

function Result({ verdict: { broken, through }, checked }: { verdict: Verdict; checked: number }) {
  if (broken) {
    return (
      <Notice>
        The log is not sound at entry {formatCount(broken.sequence)}: {PROBLEMS[broken.problem]}.{" "}
        {formatPlural(checked, "sound entry", "sound entries")} before it.
      </Notice>
    );
  }
  return (
    <Notice kind="info">
      <p>The log is sound: {formatPlural(checked, "entry", "entries")} checked.</p>
      <p className="small breakable">
        Note this elsewhere, to find out later whether the log was set back: entry {through.sequence},{" "}
        <code>{through.hash}</code>
      </p>
    </Notice>
  );
}
