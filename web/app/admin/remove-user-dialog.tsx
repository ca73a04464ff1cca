import { useState } from "react";
import { type BucketsTo, directory } from "../api/directory.ts";
import { ApiError } from "../api/http.ts";
import { Field } from "../components/field.tsx";
import { FormModal } from "../components/form-modal.tsx";

type Fate = "none" | "keep" | "delete";

const FATES: [Fate, string][] = [
  ["none", "There are none: refuse if there are"],
  ["keep", "Give them to another user"],
  ["delete", "Delete them with all their objects"],
];

interface RemoveUserDialogProps {
  name: string;
  onRemoved(): void;
  onClose(): void;
}

/** Asks what is to become of the buckets as well. */
export function RemoveUserDialog({ name, onRemoved, onClose }: RemoveUserDialogProps) {
  const [fate, setFate] = useState<Fate>("none");
  const [heir, setHeir] = useState("");
  const buckets: BucketsTo | undefined =
    fate === "keep" ? { newOwner: heir.trim() } : fate === "delete" ? "delete" : undefined;
  return (
    <FormModal
      kind="destroy"
      title={`Remove ${name}?`}
      action="Remove user"
      problem={fate === "keep" && heir.trim() === "" ? "Name the user who gets the buckets." : undefined}
      onSubmit={async () => {
        await directory.removeUser(name, buckets).catch((refused: unknown) => {
          const owns = refused instanceof ApiError && refused.code === "user_owns_buckets";
          throw owns ? new Error(`${name} owns buckets. Choose above what becomes of them.`) : refused;
        });
        onRemoved();
      }}
      onClose={onClose}
    >
      <p>
        Sessions, passkeys, access keys, tokens and service accounts of {name} go too. This cannot be undone.
      </p>
      <Field label="The user’s buckets">
        <select value={fate} onChange={(event) => setFate(event.target.value as Fate)}>
          {FATES.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </Field>
      {fate === "keep" && (
        <Field label="New owner">
          <input
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={heir}
            onChange={(event) => setHeir(event.target.value)}
          />
        </Field>
      )}
    </FormModal>
  );
}
