import { ApiError, messageOf } from "../api/http.ts";
import { useSession } from "../session.tsx";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

const AGAIN = "Sign in again to go on where you were.";

/** What went wrong; where only a fresh sign-in helps, with the way to it. */
export function ProblemNotice({ error }: { error: unknown }) {
  const { signOut } = useSession();
  const stale = error instanceof ApiError && error.code === "recent_sign_in_required";
  return (
    <Notice>
      <p>{messageOf(error)}</p>
      {stale && (
        <Button kind="quiet" onClick={() => void signOut(AGAIN).catch(() => {})}>
          Sign in again
        </Button>
      )}
    </Notice>
  );
}
