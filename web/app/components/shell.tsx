import { type ReactNode, useState } from "react";
import type { User } from "../api/auth.ts";
import { messageOf } from "../api/http.ts";
import { useRoute } from "../navigation.ts";
import { type AdminPart, formatRoute, type Route } from "../routes.ts";
import { useSession } from "../session.tsx";
import { useUploadQueue } from "../uploads/context.tsx";
import { UploadPanel } from "../uploads/panel.tsx";
import { isPending } from "../uploads/queue.ts";
import { Brand } from "./brand.tsx";
import { IconButton } from "./button.tsx";
import { Confirm } from "./confirm.tsx";
import { Icon, type IconName } from "./icon.tsx";
import { Link } from "./link.tsx";
import { ThemeToggle } from "./theme-toggle.tsx";
import { useToasts } from "./toasts.tsx";

interface Place {
  href: string;
  name: string;
  /** Where the window is narrow, if `name` would not fit. */
  short?: string;
  icon: IconName;
  /** The pages that belong to it. */
  pages: Route["page"][];
}

/** `admin`: the parts of the administration that the person may see. */
function placesFor(user: User, admin: readonly AdminPart[]): Place[] {
  const places: Place[] = [
    { href: "/", name: "Buckets", icon: "bucket", pages: ["buckets", "browser"] },
    { href: "/keys", name: "Access keys", short: "Keys", icon: "key", pages: ["keys"] },
    { href: "/account", name: "Account", icon: "user", pages: ["account"] },
  ];
  if (user.admin) places.push({ href: "/storage", name: "Storage", icon: "server", pages: ["storage"] });
  if (admin[0]) {
    const href = formatRoute({ page: "admin", part: admin[0] });
    places.push({ href, name: "Admin", icon: "shield", pages: ["admin"] });
  }
  return places;
}

interface ShellProps {
  user: User;
  admin: readonly AdminPart[];
  children: ReactNode;
}

/** What surrounds every page: the places to go, who is signed in, the uploads. */
export function Shell({ user, admin, children }: ShellProps) {
  const route = useRoute();
  const { signOut } = useSession();
  const { toast, clear } = useToasts();
  const uploads = useUploadQueue();
  const [asking, setAsking] = useState(false);

  async function leave(): Promise<void> {
    await signOut();
    // The next person at this screen sees nothing of what was done.
    clear();
    uploads.cancelAll();
    uploads.clearFinished();
  }

  function leaveUnlessUploading(): void {
    if (uploads.snapshot().some(isPending)) setAsking(true);
    else leave().catch((error: unknown) => toast(messageOf(error), "problem"));
  }

  return (
    <div className="shell">
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="topbar">
        <Link href="/" className="topbar-brand" aria-label="Skerry, to the buckets">
          <Brand />
        </Link>
        <div className="topbar-end">
          <Link
            href={formatRoute({ page: "account", part: "profile" })}
            className="user"
            title={user.admin ? "Your account: an administrator’s" : "Your account"}
          >
            {user.name}
          </Link>
          <ThemeToggle />
          <IconButton icon="exit" label="Sign out" onClick={leaveUnlessUploading} />
        </div>
      </header>
      <nav className="places" aria-label="Main">
        {placesFor(user, admin).map((place) => (
          <Link
            key={place.href}
            href={place.href}
            className="place"
            aria-current={place.pages.includes(route.page) ? "page" : undefined}
          >
            <Icon name={place.icon} />
            {place.short && <span className="place-short">{place.short}</span>}
            <span>{place.name}</span>
          </Link>
        ))}
      </nav>
      <main id="content" className="content" tabIndex={-1}>
        {children}
      </main>
      <UploadPanel />
      {asking && (
        <Confirm
          title="Cancel the uploads?"
          action="Cancel uploads and sign out"
          onConfirm={leave}
          onClose={() => setAsking(false)}
        >
          <p>Files are still being uploaded. Signing out cancels those that are not done.</p>
        </Confirm>
      )}
    </div>
  );
}
