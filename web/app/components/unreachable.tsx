import { useTitle } from "../hooks/use-title.ts";
import { Failure } from "./failure.tsx";

/** All there is to see while the server does not answer. */
export function Unreachable({ error, onRetry }: { error: unknown; onRetry(): void }) {
  useTitle("No answer");
  return (
    <main className="splash">
      <h1 className="visually-hidden">Skerry</h1>
      <Failure what="Skerry does not answer" error={error} onRetry={onRetry} />
    </main>
  );
}
