import { Icon } from "../components/icon.tsx";
import { Link } from "../components/link.tsx";
import { useTitle } from "../hooks/use-title.ts";

export function MissingPage({ what }: { what: string }) {
  useTitle("Not found");
  return (
    <section className="page">
      <div className="placeholder">
        <span className="placeholder-icon">
          <Icon name="search" size={28} />
        </span>
        <h1>Nothing here</h1>
        <p className="breakable">{what}</p>
        <Link className="button button-primary" href="/">
          Go to the buckets
        </Link>
      </div>
    </section>
  );
}
