import { useEffect } from "react";
import type { User } from "./api/auth.ts";
import { Brand } from "./components/brand.tsx";
import { Shell } from "./components/shell.tsx";
import { ToastProvider, useToasts } from "./components/toasts.tsx";
import { Unreachable } from "./components/unreachable.tsx";
import { useAdminParts } from "./hooks/use-admin-parts.ts";
import { navigate, useRoute } from "./navigation.ts";
import { AccountPage } from "./pages/account-page.tsx";
import { AdminPage } from "./pages/admin-page.tsx";
import { BrowserPage } from "./pages/browser-page.tsx";
import { BucketsPage } from "./pages/buckets-page.tsx";
import { KeysPage } from "./pages/keys-page.tsx";
import { MissingPage } from "./pages/missing-page.tsx";
import { PasswordResetPage } from "./pages/password-reset-page.tsx";
import { SignInPage } from "./pages/sign-in-page.tsx";
import { SignUpPage } from "./pages/sign-up-page.tsx";
import { StoragePage } from "./pages/storage-page.tsx";
import type { AdminPart } from "./routes.ts";
import { SessionProvider, useSession } from "./session.tsx";
import { takeSignInError } from "./sign-in/sign-in-error.ts";
import { UploadProvider } from "./uploads/context.tsx";

export function App() {
  return (
    <ToastProvider>
      <UploadProvider>
        <SessionProvider>
          <Gate />
        </SessionProvider>
      </UploadProvider>
    </ToastProvider>
  );
}

/** Nobody gets past without a session; the address stays, so that signing in again returns to the same place. */
function Gate() {
  const { session, check } = useSession();
  const route = useRoute();
  if (route.page === "password-reset") return <PasswordResetPage />;
  switch (session.state) {
    case "checking":
      return (
        <div className="splash" role="status" aria-label="Loading">
          <Brand size={44} />
        </div>
      );
    case "unreachable":
      return <Unreachable error={session.error} onRetry={check} />;
    case "signed-out":
      return route.page === "sign-up" ? <SignUpPage /> : <SignInPage notice={session.notice} />;
    case "signed-in":
      return <SignedIn user={session.user} />;
  }
}

function SignedIn({ user }: { user: User }) {
  const admin = useAdminParts(user);
  const { toast } = useToasts();
  const atSignUp = useRoute().page === "sign-up";
  // Whoever is in has signed up.
  useEffect(() => {
    if (atSignUp) navigate("/", { replacing: true });
  }, [atSignUp]);
  // The way back from a provider that an account was to be linked of.
  useEffect(() => {
    const problem = takeSignInError();
    if (problem !== undefined) toast(problem, "problem");
  }, [toast]);
  return (
    <Shell user={user} admin={admin}>
      <Page user={user} admin={admin} />
    </Shell>
  );
}

function Page({ user, admin }: { user: User; admin: readonly AdminPart[] }) {
  const route = useRoute();
  switch (route.page) {
    case "buckets":
    case "sign-up":
      return <BucketsPage />;
    case "browser":
      return <BrowserPage bucket={route.bucket} prefix={route.prefix} />;
    case "keys":
      return <KeysPage user={user.name} />;
    case "storage":
      return user.admin ? <StoragePage /> : <MissingPage what="Only administrators see the chunkservers." />;
    case "account":
      return <AccountPage user={user} part={route.part} />;
    case "admin":
      return <AdminPage me={user} parts={admin} part={route.part} name={route.name} />;
    default:
      return <MissingPage what="This address leads nowhere in the dashboard." />;
  }
}
