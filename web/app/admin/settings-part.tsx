import { type AccountSettings, directory } from "../api/directory.ts";
import { ProblemNotice } from "../components/problem-notice.tsx";
import { ResourceCard } from "../components/resource-card.tsx";
import { Section } from "../components/section.tsx";
import { useToasts } from "../components/toasts.tsx";
import { useResource } from "../hooks/use-resource.ts";
import { useTask } from "../hooks/use-task.ts";
import { formatRoute } from "../routes.ts";

export function SettingsPart() {
  const { resource, reload, setResource } = useResource(directory.settings);
  const { error, run } = useTask();
  const { toast } = useToasts();
  return (
    <Section title="Accounts">
      <ResourceCard resource={resource} reload={reload} what="settings" rows={1}>
        {({ signUp }) => (
          <div className="setting">
            <label className="choice">
              <input
                type="checkbox"
                checked={signUp}
                onChange={() =>
                  run(async () => {
                    const show = (value: AccountSettings) => setResource({ state: "ready", value });
                    show({ signUp: !signUp });
                    const value = await directory.setSettings({ signUp: !signUp }).catch((error) => {
                      show({ signUp });
                      throw error;
                    });
                    show(value);
                    toast(value.signUp ? "Sign-up is open" : "Sign-up is closed");
                  })
                }
              />
              Anybody may make an account
            </label>
            <p className="muted">
              Whoever reaches this server can then sign up at{" "}
              <code>{location.origin + formatRoute({ page: "sign-up" })}</code>, which the sign-in page links
              to, and becomes a member, with buckets and keys of their own.
            </p>
          </div>
        )}
      </ResourceCard>
      {error !== undefined && <ProblemNotice error={error} />}
    </Section>
  );
}
