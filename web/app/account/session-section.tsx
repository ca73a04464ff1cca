import { useState } from "react";
import { account, type OwnSession } from "../api/account.ts";
import { Button } from "../components/button.tsx";
import { Confirm } from "../components/confirm.tsx";
import { Moment } from "../components/moment.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { NameCell, Table } from "../components/table.tsx";
import { useToasts } from "../components/toasts.tsx";
import { formatPlural, visibleName } from "../format.ts";
import { useNow } from "../hooks/use-now.ts";
import { useResource } from "../hooks/use-resource.ts";
import { deviceOf } from "./device.ts";

/** Where one is signed in. */
export function SessionSection() {
  const { resource, reload } = useResource(account.sessions);
  const [ending, setEnding] = useState<OwnSession | "others">();
  const { toast } = useToasts();
  const others = resource.state === "ready" && resource.value.sessions.some(({ current }) => !current);

  async function end(): Promise<void> {
    if (ending === "others") {
      const { ended } = await account.endOtherSessions();
      toast(`${formatPlural(ended, "session")} ended`);
    } else if (ending) {
      await account.endSession(ending.id);
      toast("Session ended");
    }
    reload();
  }
  return (
    <Section
      title="Sessions"
      hint="Where you are signed in. End what you do not know, and change your password."
      actions={others && <Button onClick={() => setEnding("others")}>End all others</Button>}
    >
      <ResourceCard resource={resource} reload={reload} what="sessions" rows={3}>
        {({ sessions }) => <SessionTable sessions={sessions} onEnd={setEnding} />}
      </ResourceCard>
      {ending && (
        <Confirm
          title={ending === "others" ? "End all other sessions?" : "End this session?"}
          action={ending === "others" ? "End all others" : "End session"}
          onConfirm={end}
          onClose={() => setEnding(undefined)}
        >
          <p>
            {ending === "others"
              ? "Whoever uses one has to sign in again. This one goes on."
              : `Whoever uses ${deviceOf(ending.userAgent)} at ${ending.network} has to sign in again.`}
          </p>
        </Confirm>
      )}
    </Section>
  );
}

function SessionTable({ sessions, onEnd }: { sessions: OwnSession[]; onEnd(session: OwnSession): void }) {
  const now = useNow();
  return (
    <Table
      className="session-table"
      columns={[
        { title: "Device" },
        { title: "Address", className: "cell-modified" },
        { title: "Last used", className: "cell-modified" },
        { title: "Signed in", className: "cell-modified" },
      ]}
    >
      {sessions.map((session) => (
        <tr className="row" key={session.id}>
          <NameCell
            icon="screen"
            meta={
              <>
                {session.network} · used <Moment at={session.lastUsedAt} now={now} />
              </>
            }
          >
            <span className="row-name" title={visibleName(session.userAgent)}>
              {visibleName(deviceOf(session.userAgent))}
            </span>
            {session.current && <span className="pill pill-good">This one</span>}
          </NameCell>
          <td className="cell-modified">{session.network}</td>
          <td className="cell-modified">
            <Moment at={session.lastUsedAt} now={now} />
          </td>
          <td className="cell-modified">
            <Moment at={session.createdAt} now={now} />
            <span className="cell-note">{methodOf(session.method)}</span>
          </td>
          <td className="cell-actions">
            {!session.current && (
              <Button
                kind="quiet"
                aria-label={`End the session of ${visibleName(deviceOf(session.userAgent))}`}
                onClick={() => onEnd(session)}
              >
                End
              </Button>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** How one signed in, in words. */
function methodOf(method: string): string {
  if (method === "password+passkey") return "password and passkey";
  return method.startsWith("openid:") ? `by ${method.slice("openid:".length)}` : method;
}
