import type { NewAccessKey } from "../api/auth.ts";
import { Command } from "../components/command.tsx";
import { SecretDialog } from "../components/secret-dialog.tsx";

/** The one time that the secret is on screen. */
export function NewKeyDialog({ created, onClose }: { created: NewAccessKey; onClose(): void }) {
  const { accessKeyId, secretAccessKey } = created;
  return (
    <SecretDialog
      title="Access key created"
      notice="Save the secret now: it is shown only this once."
      facts={[
        { name: "Access key ID", value: accessKeyId },
        { name: "Secret access key", value: secretAccessKey },
      ]}
      onClose={onClose}
    >
      <Command
        label="Shell"
        text={`export AWS_ACCESS_KEY_ID=${accessKeyId}\nexport AWS_SECRET_ACCESS_KEY=${secretAccessKey}`}
      />
    </SecretDialog>
  );
}
