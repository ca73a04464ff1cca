import { Icon } from "../components/icon.tsx";
import { Link } from "../components/link.tsx";
import { Name } from "../components/name.tsx";
import { breadcrumbs, formatRoute } from "../routes.ts";

/** The way from the bucket to this folder; every level but the last is a link. */
export function Breadcrumbs({ bucket, prefix }: { bucket: string; prefix: string }) {
  const crumbs = [{ name: bucket, prefix: "" }, ...breadcrumbs(prefix)];
  return (
    <nav aria-label="Folder" className="breadcrumbs">
      <ol>
        <li>
          <Link href="/">Buckets</Link>
        </li>
        {crumbs.map((crumb, level) => (
          <li key={crumb.prefix}>
            <Icon name="chevron" size={16} />
            {level === crumbs.length - 1 ? (
              <span aria-current="page" title={crumb.name}>
                <Name>{crumb.name || "(no name)"}</Name>
              </span>
            ) : (
              <Link href={formatRoute({ page: "browser", bucket, prefix: crumb.prefix })} title={crumb.name}>
                <Name>{crumb.name || "(no name)"}</Name>
              </Link>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
