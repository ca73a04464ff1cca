import { messageOf } from "../api/http.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

/** Stands where content would, when it could not be loaded. */
export function Failure({ what, error, onRetry }: { what: string; error: unknown; onRetry(): void }) {
  return (
    <div className="placeholder" role="alert">
      <span className="placeholder-icon placeholder-icon-problem">
        <Icon name="alert" size={28} />
      </span>
      <h2>{what}</h2>
      <p>{messageOf(error)}</p>
      <Button icon="retry" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}
