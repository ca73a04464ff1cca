import { Link } from "./link.tsx";

export interface Tab {
  href: string;
  name: string;
  current: boolean;
}

/** Links between the pages of one place; nothing where there are none. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  if (tabs.length === 0) return null;
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(({ href, name, current }) => (
        <Link key={href} href={href} className="tab" aria-current={current ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}
