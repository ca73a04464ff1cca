import { type ReactNode, useState } from "react";
import { Field } from "../components/field.tsx";
import { FormModal } from "../components/form-modal.tsx";

interface CreateNamedDialogProps {
  /** "group" */
  noun: string;
  onName(name: string): Promise<void>;
  onClose(): void;
  children?: ReactNode;
}

/** Asks for the name of a new group or role. */
export function CreateNamedDialog({ noun, onName, onClose, children }: CreateNamedDialogProps) {
  const [name, setName] = useState("");
  return (
    <FormModal
      title={`Create ${noun}`}
      action={`Create ${noun}`}
      problem={name.trim() === "" ? "Enter a name." : undefined}
      onSubmit={() => onName(name.trim())}
      onClose={onClose}
    >
      <Field label="Name" hint="Letters, digits, hyphens and underscores.">
        <input
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          // biome-ignore lint/a11y/noAutofocus: the dialog asks for nothing else
          autoFocus
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </Field>
      {children}
    </FormModal>
  );
}
