import { LinkedAccounts } from "../account/linked-accounts.tsx";
import { PasskeySection } from "../account/passkey-section.tsx";
import { ProfileSection } from "../account/profile-section.tsx";
import { SessionSection } from "../account/session-section.tsx";
import { TokenSection } from "../account/token-section.tsx";
import type { User } from "../api/auth.ts";
import { PageHeading } from "../components/page-heading.tsx";
import { Tabs } from "../components/tabs.tsx";
import { ACCOUNT_PARTS, type AccountPart, formatRoute } from "../routes.ts";

const NAMES: Record<AccountPart, string> = {
  profile: "Profile",
  sessions: "Sessions",
  tokens: "API tokens",
};

/** One's own account. */
export function AccountPage({ user, part }: { user: User; part: AccountPart }) {
  return (
    <section className="page">
      <PageHeading title="Account" hint={`Signed in as ${user.name}`} />
      <Tabs
        label="Account"
        tabs={ACCOUNT_PARTS.map((each) => ({
          href: formatRoute({ page: "account", part: each }),
          name: NAMES[each],
          current: each === part,
        }))}
      />
      {part === "profile" && (
        <>
          <ProfileSection user={user} />
          <PasskeySection />
          <LinkedAccounts />
        </>
      )}
      {part === "sessions" && <SessionSection />}
      {part === "tokens" && <TokenSection user={user} />}
    </section>
  );
}
