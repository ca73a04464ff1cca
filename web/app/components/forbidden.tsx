import { messageOf } from "../api/http.ts";
import { Link } from "./link.tsx";
import { Placeholder } from "./placeholder.tsx";

/** Stands where content would that the person may not see, with the server's own words. */
export function Forbidden({ error }: { error: unknown }) {
  return (
    <Placeholder icon="lock" title="This is not open to you">
      <p role="alert">{messageOf(error)}</p>
      <p>An administrator can give you a role that allows it.</p>
      <Link className="button button-secondary" href="/">
        Go to your buckets
      </Link>
    </Placeholder>
  );
}
